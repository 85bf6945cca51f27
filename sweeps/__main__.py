"""`python -m sweeps` is `sweeps`."""

from sweeps.cli.app import main

main()
