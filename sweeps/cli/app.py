"""The command line: a thin layer over the library. Data go to stdout, progress to stderr.

Exit codes: 0 done, 1 the work failed, 2 asked wrongly, 130 interrupted. Heavy imports wait until a verb needs them.
"""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from sweeps.cli import planning, results, running, starting, training

VERBS: dict[str, dict[str, Callable[..., None]]] = {
    "Start": {"init": starting.init},
    "Plan": {"list": planning.list_studies, "show": planning.show, "simulate": planning.simulate},
    "Run": {"run": running.run, "status": running.status},
    "Results": {"report": results.report, "export": results.export, "keep": results.keep},
    "One training": {"train": training.train, "sample": training.sample},
}
"""The commands, in the groups of the help page."""

app = typer.Typer(
    name="sweeps",
    help="Does GAN data augmentation help on your images? Sweeps that answer with confidence intervals.\n\n"
    "Start with: sweeps run digits",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for panel, verbs in VERBS.items():
    for name, verb in verbs.items():
        app.command(name, rich_help_panel=panel)(verb)


def print_version(asked: bool) -> None:
    """Print the version and end, where it was asked for."""
    if asked:
        from importlib.metadata import version

        print(version("dagan-sweeps"))
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take the options of `sweeps` itself."""


def guarded(call: Callable[[], None]) -> None:
    """Turn what was asked wrongly into a message and exit code 2, and what failed into one and exit code 1."""
    from analysis.errors import ResultsError
    from dagan.errors import InvalidInput

    try:
        call()
    except InvalidInput as error:
        print(f"Error: {len(error.problems)} problems" if len(error.problems) > 1 else "Error:", file=sys.stderr)
        for problem in error.problems:
            print(f"  {problem}", file=sys.stderr)
        sys.exit(2)
    except ResultsError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(130)
    except (RuntimeError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)


def main() -> None:
    """Run the `sweeps` command."""
    guarded(lambda: app(prog_name="sweeps"))
