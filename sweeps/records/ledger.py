"""The ledger: one small immutable JSON file per finished trial, the one truth that reports and resumption read.

A file is named by its config's signature, so "was this done already?" is "is this file there?".
"""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from dagan.data.splits import Phase
from dagan.files import write_atomically

Status = Literal["completed", "stopped", "diverged", "oom", "failed"]


class Confusion(BaseModel):
    """What test images were taken for."""

    model_config = ConfigDict(frozen=True)

    classes: list[str]
    counts: list[list[int]]
    """Images by their class, a row each, and the predicted class, a column each."""


class Entry(BaseModel):
    """How one trial ended. What each field means stands in `analysis.data.columns.LEDGER`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    signature: str
    study: str
    phase: Phase
    dataset: str
    samples_per_class: int
    method: str
    point: str = ""
    seed: int
    trial: int
    search: str = ""
    status: Status
    validation_accuracy: float | None
    test_accuracy: float | None
    iterations: int
    pflop: float
    pflop_unshared: float
    wall_seconds: float
    networks: dict[str, dict[str, int | float]] = {}
    config: dict[str, Any]
    provenance: dict[str, Any]
    error: str | None = None
    warning: str | None = None
    quality: dict[str, float] = {}
    readings: dict[int, float] = {}
    confusion: Confusion | None = None
    curve: list[dict[str, Any]] = []

    @property
    def finished(self) -> bool:
        """Whether the trial need not run again; one that failed is tried once more by the next run."""
        return self.status not in ("failed", "oom")


class Ledger:
    """The entries of one study, in a folder; without a folder in memory alone, as a simulation needs it.

    A driver (`writing`) sets damaged files aside under another name, and their trials run again; a reader leaves them.
    """

    def __init__(self, folder: Path | None, *, writing: bool = False) -> None:
        self.folder, self.writing = folder, writing
        self.damaged: list[Path] = []
        self.entries: dict[str, Entry] = {}
        self._suggested: dict[tuple[str, int], dict[str, Any]] = {}
        for path in sorted(folder.glob("*.json")) if folder else ():
            entry = self._read(path)
            if entry:
                self._add(entry)

    def _add(self, entry: Entry) -> None:
        self.entries[entry.signature] = entry
        if entry.search:
            self._suggested[entry.search, entry.trial] = entry.config

    def suggested(self, search: str, number: int) -> dict[str, Any] | None:
        """Return the config of a search's suggestion, with whatever seed; None if no trial of it has ended."""
        return self._suggested.get((search, number))

    def _read(self, path: Path) -> Entry | None:
        """Read one entry; None for a damaged file."""
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
        self._add(entry)
