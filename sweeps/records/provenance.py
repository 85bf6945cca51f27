"""Where a number comes from: commit, versions, device. Every entry of the ledger carries it."""

import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagan.compute.device import Machine

SOURCES = ("dagan", "sweeps", "analysis")
"""Folders of this source tree whose changes are changes of the code."""
PACKAGES = ("dagan-sweeps", "torch", "numpy", "optuna", "ray")


@cache
def commit() -> str:
    """The git commit of this source tree, with `+` where it was changed since; empty for an installed copy."""
    folder = Path(__file__).parents[2]
    try:
        answer = [
            subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True, timeout=10).stdout
            for words in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain", "--", *SOURCES))
        ]
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer[0].strip() + ("+" if answer[1].strip() else "")


@cache
def versions() -> dict[str, str]:
    """The versions of what decides a number."""
    return {"python": platform.python_version()} | {name: version_of(name) for name in PACKAGES}


def version_of(package: str) -> str:
    """A package's version; empty for one that came to a worker as bare source."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def of_training(machine: "Machine", *, threads: int, commit: str) -> dict[str, str | int]:
    """The provenance of a training on this machine, finished now."""
    return {
        "commit": commit,
        **versions(),
        "host": platform.node(),
        "device": machine.name,
        "precision": str(machine.precision).removeprefix("torch."),
        "memory_format": "channels_last",
        "threads": threads,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
