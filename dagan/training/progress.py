"""What a training tells: the events of its run, and its result."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from dagan.stages import Stage


@dataclass(frozen=True)
class Progress:
    """A training at one of its reported iterations."""

    stage: Stage
    iteration: int
    """Batches of this stage so far."""
    total: int
    validation_accuracy: float | None
    """0…1, in stage 2, of the averaged weights; None without validation images."""
    losses: dict[str, float]
    """Mean of each loss term since the last report."""
    images_per_second: float
    """Real images; evaluation not counted."""
    diversity: dict[str, float] | None = None
    """In stage 1, per class: 1 where generated images differ as real ones do, 0 where they are one and the same."""


@dataclass(frozen=True)
class Result:
    """What a training came to."""

    status: Literal["completed", "diverged"]
    validation_accuracy: float | None
    test_accuracy: float | None
    """None in search: the config asked for no test images."""
    confusion: list[list[int]] | None = field(repr=False)
    """Test images by their class, a row each, and the predicted class, a column each; None in search,
    and of more than 100 classes."""
    iterations: int
    """Batches of both stages together."""
    pflop: float
    """Counted operations, 1e15."""
    wall_seconds: float
    """Training alone, evaluation not counted."""
    error: str | None
    warning: str | None
    """What makes a completed training doubtful: a generator that collapsed."""
    curve: list[dict[str, Any]] = field(repr=False)
    """Every progress so far, as mappings."""


@dataclass(frozen=True)
class Step:
    """An iteration has ended."""

    stage: Stage
    iteration: int


@dataclass(frozen=True)
class Checkpoint:
    """The state is now one that every training with this stage key passes through: save `Training.state()`."""

    stage: Stage
    iteration: int


Checkpoints = Mapping[Stage, Collection[int]]
"""The iterations of each stage at which somebody wants the state."""
Event = Progress | Checkpoint | Step
"""What `Training.events` yields."""
