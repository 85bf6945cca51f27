"""`python -m sweeps` is `sweeps`."""

from sweeps.cli import main

main()
