"""The ledger: one small immutable JSON file per finished trial, the one truth that reports and resumption read.

A file is named by its config's signature, so "was this done already?" is "is this file there?". DESIGN §6.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dagan.data.splits import Phase
from dagan.errors import refuse

Status = Literal["completed", "stopped", "diverged", "oom", "failed"]


class Entry(BaseModel):
    """How one trial ended."""

    model_config = ConfigDict(frozen=True, extra="allow")

    signature: str
    study: str
    phase: Phase
    dataset: str
    samples_per_class: int
    method: str
    point: str = Field(
        "", description="Of the design: its factors' values; empty for the one that the others are compared with."
    )
    seed: int
    trial: int
    search: str = Field("", description="The hash of all that the search hung on that suggested it.")
    status: Status
    validation_accuracy: float | None = Field(description="0…1")
    test_accuracy: float | None = Field(description="0…1; null in search")
    iterations: int
    pflop: float = Field(description="Counted operations done for this trial, 1e15; shared work counts once.")
    pflop_unshared: float = Field(description="The same, had it been trained from scratch.")
    wall_seconds: float = Field(description="Of these operations, evaluation not counted.")
    config: dict[str, Any]
    provenance: dict[str, Any]
    error: str | None = None
    warning: str | None = None
    quality: dict[str, float] = Field({}, description="Of the generated images, where the study asked for it.")
    curve: list[dict[str, Any]] = []

    @property
    def finished(self) -> bool:
        """Whether the trial need not run again. A failure is no finish: the next run tries it once more."""
        return self.status not in ("failed", "oom")


class Ledger:
    """The folder of entries of one study.

    To write, damaged files are set aside under another name, and their trials run again; to look, they are left.
    Without a folder it is in memory alone: a simulation's.
    """

    def __init__(self, folder: Path | None, *, writing: bool = False) -> None:
        self.folder, self.writing = folder, writing
        self.damaged: list[Path] = []
        self.entries: dict[str, Entry] = {}
        self._suggested: dict[tuple[str, int], dict[str, Any]] = {}
        for path in sorted(folder.glob("*.json")) if folder else ():
            entry = self._read(path)
            if entry:
                self._note(entry)

    def _note(self, entry: Entry) -> None:
        self.entries[entry.signature] = entry
        if entry.search:
            self._suggested[entry.search, entry.trial] = entry.config

    def suggested(self, search: str, number: int) -> dict[str, Any] | None:
        """The config of a search's suggestion, of whatever seed; None where no entry is of it."""
        return self._suggested.get((search, number))

    def _read(self, path: Path) -> Entry | None:
        """One entry; None for a damaged file."""
        try:
            entry = Entry.model_validate_json(path.read_bytes())
            if entry.signature == path.stem:
                return entry
        except (ValidationError, OSError):
            pass
        self.damaged.append(path.rename(path.with_suffix(".damaged")) if self.writing else path)
        return None

    def write(self, entry: Entry) -> None:
        """Add an entry, whole or not at all: written beside and renamed."""
        if self.folder:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{entry.signature}.json"
            write_atomically(path, json.dumps(entry.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n")
        self._note(entry)


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that a reader, or a crash, sees the old one or the new one, never a part."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


class Place:
    """Where a study keeps its things: `DIR/<study>/`. DESIGN §6."""

    def __init__(self, out: Path, study: str) -> None:
        self.root = (out / study).absolute()
        self.study = self.root / "study.yaml"
        self.ledger = self.root / "ledger"
        self.snapshots = self.root / "snapshots"
        self.pictures = self.root / "pictures"
        self.wandb = self.root / "wandb"
        self.ray = self.root / "ray"
        self._lock = self.root / ".lock"
        self.activity = self.root / ".activity.json"
        self.report = self.root / "report"
        self.best = self.root / "best"

    @property
    def driven(self) -> bool | None:
        """Whether a driver holds the study right now; None in a folder that one may only read."""
        try:
            with FileLock(self._lock, timeout=0):
                return False
        except Timeout:
            return True
        except OSError:
            return None

    @contextmanager
    def driving(self) -> Iterator[Self]:
        """Hold the study for one driver.

        Raises:
            InvalidInput: another driver has it.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refuse("--out", f"{self.root} must be a folder that can be written, but is not ({error}).") from None
        try:
            # `sweeps status` holds the lock for a moment when it looks whether somebody has it.
            with FileLock(self._lock, timeout=0.5):
                yield self
        except Timeout:
            raise refuse(
                str(self.root), "is being run by another driver. Wait for it, or choose another --out."
            ) from None


def shown(path: Path) -> str:
    """A path as short as it can be said from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
