"""What the controller and its workers say to each other: frozen values with one encoding, JSON.

The controller gives a worker a `TrialOrder`; the worker answers with `Heartbeat`s and `Report`s, and last an `Outcome`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from dagan.stages import Stage
from sweeps.records.ledger import Confusion, Status
from sweeps.records.snapshot_store import SnapshotKey

CurvePoint = dict[str, Any]
"""One point of a training's curve: a `dagan.Progress` as a mapping."""


@dataclass(frozen=True)
class TrialOrder:
    """Everything a worker must know to train one trial."""

    config: dict[str, Any]
    """Whole config in JSON types."""
    rungs: tuple[int, ...]
    """Stage-2 iterations at which the controller may stop the trial."""
    readings: tuple[int, ...]
    """Stage-2 iterations at which the validation accuracy is wanted besides."""
    report_every: int
    """Iterations between two reports."""
    commit: str
    """Revision of the code, for the ledger."""
    store: str
    """URL of the snapshot store."""
    shared: bool
    """Whether snapshots are shared with other trials."""
    snapshots: tuple[SnapshotKey, ...]
    """Snapshots to go on from, the furthest first."""
    checkpoints: tuple[tuple[int, ...], ...]
    """For each stage of the trial, the iterations at which others want a snapshot."""
    pictures: str
    """File for a few generated images, in the store; empty: none are wanted."""
    quality: bool
    """Whether to judge the generated images."""


@dataclass(frozen=True)
class Spent:
    """What a trial has cost so far."""

    iterations: int = 0
    """Batches of both stages, inherited ones included."""
    pflop: float = 0.0
    """Operations without what it inherited, 1e15."""
    pflop_unshared: float = 0.0
    """Operations as if trained from scratch, 1e15."""
    wall_seconds: float = 0.0
    """Training time without what it inherited, evaluation not counted."""


@dataclass(frozen=True)
class SnapshotNews:
    """What has happened to a trial's snapshots since its last report."""

    written: tuple[tuple[SnapshotKey, int], ...] = ()
    """Each with its size in bytes."""
    deleted: tuple[SnapshotKey, ...] = ()
    warning: str = ""
    """What went wrong; the trial goes on without."""

    def __bool__(self) -> bool:
        return bool(self.written or self.deleted or self.warning)


@dataclass(frozen=True)
class Heartbeat:
    """The worker is at work, though it has nothing to report."""


@dataclass(frozen=True)
class Report:
    """A trial at one of its reported iterations."""

    stage: Stage
    iteration: int
    total: int
    validation_accuracy: float | None
    curve: list[CurvePoint]
    """All points so far."""
    spent: Spent
    provenance: dict[str, Any]
    snapshots: SnapshotNews = SnapshotNews()


@dataclass(frozen=True)
class Outcome:
    """How a training ended in its worker; the last message of a trial that was not stopped or lost."""

    status: Status
    refused: bool = False
    """The config or its data were refused: the whole study stops."""
    error: str | None = None
    warning: str | None = None
    validation_accuracy: float | None = None
    test_accuracy: float | None = None
    confusion: Confusion | None = None
    quality: dict[str, float] = field(default_factory=dict)
    spent: Spent | None = None
    """None: as in the last report."""
    curve: list[CurvePoint] | None = None
    """None: as in the last report."""
    provenance: dict[str, Any] | None = None
    """None: as in the last report."""
    snapshots: SnapshotNews = SnapshotNews()
    missing: str = ""
    """What is missing though the training is complete, such as pictures that could not be kept."""


Message = Heartbeat | Report | Outcome
_KINDS: Mapping[str, type] = {kind.__name__: kind for kind in (TrialOrder, Heartbeat, Report, Outcome)}
_ADAPTERS: Mapping[str, TypeAdapter[Any]] = {name: TypeAdapter(kind) for name, kind in _KINDS.items()}


def encode(message: TrialOrder | Message) -> str:
    """Encode a message as JSON. Numbers survive bit for bit; not a number and infinities too."""
    return json.dumps({"kind": type(message).__name__, **vars(message)}, default=vars)


def decode(text: str) -> Any:
    """Decode what `encode` has encoded."""
    values = json.loads(text)
    return _ADAPTERS[values.pop("kind")].validate_python(values)
