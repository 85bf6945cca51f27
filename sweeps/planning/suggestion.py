"""A suggestion: one setting of the sampled parameters, tried with each search seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry
from sweeps.study.readings import NO_READINGS, Readings


@dataclass
class Suggestion:
    """One setting of the sampled parameters, its trials, and how these ended."""

    number: int
    settings: dict[str, Any]
    trials: list[Trial]
    readings: Readings = NO_READINGS
    """The KC values that are read off its trials."""
    entries: dict[int, Entry] = field(default_factory=dict)
    """Ledger entries by seed."""

    def record(self, entry: Entry) -> None:
        """Record how the trial of one seed ended."""
        self.entries[entry.seed] = entry
        vars(self).pop("scores", None)

    @property
    def finished(self) -> bool:
        """Whether the trials of all seeds have ended, however."""
        return len(self.entries) == len(self.trials)

    @property
    def score(self) -> float | None:
        """Mean validation accuracy over the seeds, at the best KC; None unless all of them completed."""
        return max(self.scores.values(), default=None)

    @property
    def chosen(self) -> dict[str, Any]:
        """The settings by which the method is trained if this suggestion is the best: with the KC of its score.

        The shortest of equals.
        """
        if not self.readings.values or self.score is None:
            return self.settings
        return self.settings | self.readings.setting(max(self.scores, key=lambda kc: self.scores[kc]))

    @cached_property
    def scores(self) -> dict[int, float]:
        """Mean validation accuracy over the seeds at each KC; nothing unless all of them completed."""
        rows = [reading_row(trial, self.entries[trial.seed]) for trial in self.trials if trial.seed in self.entries]
        if not self.trials or len(rows) < len(self.trials):
            return {}
        everywhere = [kc for kc in rows[0] if all(kc in row for row in rows)]
        return {kc: math.fsum(row[kc] for row in rows) / len(rows) for kc in everywhere}


def reading_row(trial: Trial, entry: Entry) -> dict[int, float]:
    """Return a completed trial's validation accuracy by KC: what was read off it, or at its own KC alone."""
    if entry.status != "completed" or entry.validation_accuracy is None:
        return {}
    return entry.readings if trial.readings else {trial.config.classifier.iterations: entry.validation_accuracy}


def best_of(suggestions: Sequence[Suggestion]) -> Suggestion | None:
    """The suggestion with the highest score, the first of equals; None if none has a score."""
    scored = [item for item in suggestions if item.score is not None]
    return max(scored, key=lambda item: (item.score or 0.0, -item.number), default=None)
