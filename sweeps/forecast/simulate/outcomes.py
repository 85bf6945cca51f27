"""What comes out of trials that nobody trains: as a ledger has it of the nearest setting, or as assumed."""

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from dagan.nested import flatten
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry, Status

MOST = 200
"""Entries of a method that are looked through for the nearest."""


class Outcomes(Protocol):
    """How well trials do."""

    def accuracy(self, trial: Trial, iteration: int) -> float:
        """At an iteration of stage 2, on validation images in search and on test images in confirm; 0…1."""

    def ending(self, trial: Trial) -> tuple[Status, int | None]:
        """How a trial ends that nobody stops, and after how many iterations of both stages, if before its time."""


class Assumed:
    """Curves that rise to a level drawn by the trial's signature."""

    def accuracy(self, trial: Trial, iteration: int) -> float:
        """Half of the level at a quarter of KC."""
        level = 0.5 + 0.4 * random.Random(trial.signature).random()
        return level * iteration / (iteration + trial.config.classifier.iterations / 4)

    def ending(self, trial: Trial) -> tuple[Status, int | None]:
        """All complete."""
        return "completed", None


@dataclass(frozen=True)
class Curve:
    """What an entry tells of its settings."""

    entry: Entry
    settings: Mapping[str, Any]
    points: list[tuple[int, float]]
    """Iteration of stage 2 and validation accuracy."""


class Recorded:
    """The curves of a ledger: of the very config, else of the method's nearest setting."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.curves: dict[str, Curve] = {}
        self.methods: dict[str, list[Curve]] = {}
        self.otherwise = Assumed()
        for entry in entries:
            points = [
                (point["iteration"], point["validation_accuracy"])
                for point in entry.curve
                if point["stage"] == "classification" and point["validation_accuracy"] is not None
            ]
            curve = Curve(entry, flatten(entry.config), points)
            self.curves[entry.signature] = curve
            alike = self.methods.setdefault(entry.method, [])
            if points and len(alike) < MOST:
                alike.append(curve)

    def accuracy(self, trial: Trial, iteration: int) -> float:
        """On the line between the recorded points; the last one beyond them."""
        own = self.curves.get(trial.signature)
        if own and own.entry.test_accuracy is not None:
            return own.entry.test_accuracy
        curve = own if own and own.points else self._nearest(trial)
        return along(curve.points, iteration) if curve else self.otherwise.accuracy(trial, iteration)

    def ending(self, trial: Trial) -> tuple[Status, int | None]:
        """As recorded of the very config; others complete."""
        own = self.curves.get(trial.signature)
        if own and own.entry.status in ("diverged", "oom", "failed"):
            return own.entry.status, own.entry.iterations
        return "completed", None

    def _nearest(self, trial: Trial) -> Curve | None:
        settings = flatten(trial.config.model_dump(mode="json"))
        return min(
            self.methods.get(trial.method, ()), key=lambda curve: distance(settings, curve.settings), default=None
        )


def along(points: list[tuple[int, float]], iteration: int) -> float:
    """The value of a curve between its points."""
    before = max((point for point in points if point[0] <= iteration), default=(0, 0.0))
    after = min((point for point in points if point[0] >= iteration), default=before)
    if after[0] == before[0]:
        return after[1]
    return before[1] + (after[1] - before[1]) * (iteration - before[0]) / (after[0] - before[0])


def distance(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Between two settings: the ratio of positive numbers, as logarithm; 1 for anything else that differs."""
    total = 0.0
    for key, value in one.items():
        if key == "seed" or (known := other.get(key)) == value:
            continue
        if isinstance(value, int | float) and isinstance(known, int | float) and value > 0 and known > 0:
            total += abs(math.log(value / known))
        else:
            total += 1
    return total
