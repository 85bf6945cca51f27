"""The verb for a folder of images that nobody knows yet: init."""

import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

GPU_GFLOPS = 5000.0
"""Assumed speed of a trial on a GPU, 1e9 counted operations per second: that of small networks on a middling one."""


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder with one sub-folder per class, or a zip.")],
    minutes: Annotated[float, typer.Option(min=1, help="Time that the study may take on this machine.")] = 30.0,
    name: Annotated[str | None, typer.Option(help="Of data set and study; by default the folder's.")] = None,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="The study file; by default NAME.yaml here.")] = None,
    gpu: Annotated[
        bool, typer.Option("--gpu", help="For a machine with one GPU: wider networks, larger images, assumed speed.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a study file that is there.")] = False,
) -> None:
    """Look at a folder of images, measure this machine, and write a study whose answer holds within the time.

    Example: sweeps init photos --minutes 30
    """
    from rich.console import Console

    from dagan.errors import refuse
    from dagan.files import write_atomically
    from sweeps.start.folder import advise

    name = name or named(folder)
    to = to or Path(f"{name}.yaml")
    if to.exists() and not force:
        raise refuse("--to", f"{to} must be a new file, but is there. Give another, or --force.")
    tell = Console(stderr=True, highlight=False, soft_wrap=True)
    command = shlex.join(["sweeps", "init", str(folder), *(["--gpu"] if gpu else [])])
    advice = advise(
        folder,
        name=name,
        minutes=minutes,
        beside=to.parent,
        command=command,
        gflops=GPU_GFLOPS if gpu else None,
        tell=lambda text: tell.print(text, markup=False),
    )
    write_atomically(to, advice.text)
    for line in advice.lines:
        print(line)
    print(f"Study: {to}. Next: sweeps run {shlex.quote(str(to))}")


def named(folder: Path) -> str:
    """Return a name for a data set after its folder."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", folder.resolve().name.removesuffix(".zip")).strip("-.")
    return plain or "images"
