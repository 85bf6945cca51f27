"""Early stopping: whether a search trial ends at a rung, compared with its predecessors there."""

import math
from collections.abc import Sequence
from statistics import median

from sweeps.records.ledger import Entry
from sweeps.study.schema import EarlyStopping


def stops(rule: EarlyStopping, accuracy: float, predecessors: Sequence[float]) -> bool:
    """Whether a trial with this validation accuracy at a rung ends there.

    hyperband: it is not among the best 1/eta of itself and its predecessors. median: it is worse than their median. A
    rung decides nothing before eta trials have reached it.
    """
    if len(predecessors) + 1 < rule.eta:
        return False
    if rule.type == "median":
        return accuracy < median(predecessors)
    better = sum(value > accuracy for value in predecessors)
    return better >= math.ceil((len(predecessors) + 1) / rule.eta)


def accuracy_at(entry: Entry, iteration: int) -> float | None:
    """Validation accuracy of a trial at a stage-2 iteration; None if it did not get there."""
    for point in entry.curve:
        if point["stage"] == "classification" and point["iteration"] == iteration:
            value: float | None = point["validation_accuracy"]
            return value
    return None
