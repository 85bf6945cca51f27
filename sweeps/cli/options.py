"""Arguments and options that several verbs share, and how they print JSON."""

import json
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import typer

RESULTS = Path("results")


def shipped_names() -> list[str]:
    """Names of the shipped studies, for the shell's completion; files it completes itself."""
    names = (file.name for file in (resources.files("sweeps") / "studies").iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


StudyName = Annotated[
    str,
    typer.Argument(
        metavar="STUDY", help="A shipped study (see `sweeps list`) or a YAML file.", autocompletion=shipped_names
    ),
]
StudyOrResults = Annotated[
    str,
    typer.Argument(
        metavar="STUDY", help="A shipped study, a YAML file, or a folder of kept results.", autocompletion=shipped_names
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key; may be given many times."),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where results are kept, in DIR/<study>.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a script to read.")]


def print_json(value: Any) -> None:
    """Print JSON on stdout."""
    print(json.dumps(value, indent=1, ensure_ascii=False, default=str))
