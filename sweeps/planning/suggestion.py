"""A suggestion: one setting of the searched parameters, tried with each search seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry


@dataclass
class Suggestion:
    """One setting of the searched parameters, its trials, and how these ended."""

    number: int
    settings: dict[str, Any]
    trials: list[Trial]
    entries: dict[int, Entry] = field(default_factory=dict)
    """Ledger entries by seed."""

    def record(self, entry: Entry) -> None:
        """Record how the trial of one seed ended."""
        self.entries[entry.seed] = entry
        vars(self).pop("score", None)

    @property
    def finished(self) -> bool:
        """Whether the trials of all seeds have ended, however."""
        return len(self.entries) == len(self.trials)

    @cached_property
    def score(self) -> float | None:
        """Mean validation accuracy over the seeds; None unless all of them completed."""
        values = [entry.validation_accuracy for entry in self.entries.values() if entry.status == "completed"]
        known = [value for value in values if value is not None]
        return math.fsum(known) / len(known) if known and len(known) == len(self.trials) else None


def best_of(suggestions: Sequence[Suggestion]) -> Suggestion | None:
    """The suggestion with the highest score, the first of equals; None if none has a score."""
    scored = [item for item in suggestions if item.score is not None]
    return max(scored, key=lambda item: (item.score or 0.0, -item.number), default=None)
