"""The command line, one file per group of verbs."""


def main() -> None:
    """Run the `sweeps` command."""
    from sweeps.cli import app

    app.main()
