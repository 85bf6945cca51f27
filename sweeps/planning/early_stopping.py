"""Early stopping: whether a search trial ends at a rung, compared with its predecessors there."""

import math
from collections.abc import Collection, Mapping, Sequence
from statistics import median
from typing import Any

from sweeps.study.schema import EarlyStopping

Curve = Sequence[Mapping[str, Any]]
"""A training's reports in JSON types, as in the ledger."""


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


def level_at(curve: Curve, iteration: int, readings: Collection[int] = ()) -> float | None:
    """By what a trial is compared at a stage-2 iteration; None if it did not get there.

    Its validation accuracy or, where KC is read off, the highest of those at the KC values up to there: a training that
    was good at a shorter KC and overfits since is as good as it was.
    """
    values = accuracies(curve, {*readings, iteration})
    return max(value for at, value in values.items() if at <= iteration) if iteration in values else None


def accuracies(curve: Curve, iterations: Collection[int]) -> dict[int, float]:
    """Validation accuracies of a curve at those of the stage-2 iterations that it has, in order."""
    return {
        point["iteration"]: point["validation_accuracy"]
        for point in curve
        if point["stage"] == "classification"
        and point["iteration"] in iterations
        and point["validation_accuracy"] is not None
    }
