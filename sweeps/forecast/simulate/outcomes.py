"""Accuracies and endings of trials that nobody trains: those of a ledger's nearest settings, or assumed ones."""

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from dagan.nested import flatten
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry, Status

MAX_CANDIDATES = 200
"""Entries of a method among which the nearest is looked for."""


class Outcomes(Protocol):
    """How well trials do, and how they end."""

    def accuracy(self, trial: Trial, iteration: int) -> float:
        """Accuracy at an iteration of stage 2, 0…1: on validation images in search, on test images in confirm."""

    def ending(self, trial: Trial) -> tuple[Status, int | None]:
        """Status of a trial that is not stopped, and if it ends early, after how many iterations of all stages."""


class Assumed:
    """Curves that rise to a level drawn by the trial's signature."""

    def accuracy(self, trial: Trial, iteration: int) -> float:
        """Accuracy on a curve that reaches half of its level at a quarter of KC."""
        level = 0.5 + 0.4 * random.Random(trial.signature).random()
        return level * iteration / (iteration + trial.config.classifier.iterations / 4)

    def ending(self, trial: Trial) -> tuple[Status, int | None]:
        """Every trial completes."""
        return "completed", None


@dataclass(frozen=True)
class Curve:
    """The learning curve of a ledger's entry, with its settings."""

    entry: Entry
    settings: Mapping[str, Any]
    points: list[tuple[int, float]]
    """Iterations of stage 2, each with its validation accuracy."""


class Recorded:
    """The curves of a ledger: the trial's own where its config was trained, else that of the nearest settings."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.curves: dict[str, Curve] = {}
        self.methods: dict[str, list[Curve]] = {}
        self.assumed = Assumed()
        for entry in entries:
            points = [
                (point["iteration"], point["validation_accuracy"])
                for point in entry.curve
                if point["stage"] == "classification" and point["validation_accuracy"] is not None
            ]
            curve = Curve(entry, flatten(entry.config), points)
            self.curves[entry.signature] = curve
            alike = self.methods.setdefault(entry.method, [])
            if points and len(alike) < MAX_CANDIDATES:
                alike.append(curve)

    def accuracy(self, trial: Trial, iteration: int) -> float:
        """Accuracy interpolated between recorded points; beyond the last one, that."""
        own = self.curves.get(trial.signature)
        if own and own.entry.test_accuracy is not None:
            return own.entry.test_accuracy
        curve = own if own and own.points else self._nearest(trial)
        return interpolated(curve.points, iteration) if curve else self.assumed.accuracy(trial, iteration)

    def ending(self, trial: Trial) -> tuple[Status, int | None]:
        """How the very config ended; other trials complete."""
        own = self.curves.get(trial.signature)
        if own and own.entry.status in ("diverged", "oom", "failed"):
            return own.entry.status, own.entry.iterations
        return "completed", None

    def _nearest(self, trial: Trial) -> Curve | None:
        settings = flatten(trial.config.model_dump(mode="json"))
        return min(
            self.methods.get(trial.method, ()), key=lambda curve: distance(settings, curve.settings), default=None
        )


def interpolated(points: list[tuple[int, float]], iteration: int) -> float:
    """Interpolate a curve linearly; it starts at 0, and stays at its last value."""
    before = max((point for point in points if point[0] <= iteration), default=(0, 0.0))
    after = min((point for point in points if point[0] >= iteration), default=before)
    if after[0] == before[0]:
        return after[1]
    return before[1] + (after[1] - before[1]) * (iteration - before[0]) / (after[0] - before[0])


def distance(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Distance of two settings: sum of |log ratio| for positive numbers, 1 for anything else that differs."""
    total = 0.0
    for key, value in one.items():
        if key == "seed" or (known := other.get(key)) == value:
            continue
        if isinstance(value, int | float) and isinstance(known, int | float) and value > 0 and known > 0:
            total += abs(math.log(value / known))
        else:
            total += 1
    return total
