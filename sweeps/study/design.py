"""Ablation designs: the points, each some settings, that a study measures beside each other."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sweeps.study.space import Scalar

Design = Literal["grid", "one_factor", "leave_one_out"]
"""grid: every combination of the factors' values. one_factor: the base, and the base with one factor set to one of its
values. leave_one_out: the base with every factor set to its value, and the same with one factor left as in the base."""

Point = Mapping[str, Any]
"""Settings by dotted key, on top of the base."""


def points(design: Design | None, factors: Mapping[str, list[Scalar]]) -> Sequence[Point]:
    """The points of a design; the first is what the others are compared with. Without a design: the base alone."""
    if design == "grid":
        return [dict(zip(factors, values, strict=True)) for values in itertools.product(*factors.values())]
    if design == "one_factor":
        return [{}] + [{key: value} for key, values in factors.items() for value in values]
    if design == "leave_one_out":
        full = {key: values[0] for key, values in factors.items()}
        return [full] + [{key: value for key, value in full.items() if key != left} for left in full]
    return [{}]


def label(point: Point, reference: Point) -> str:
    """A point as text, which `analysis.comparison.points` reads; empty for the reference, the first of a method.

    Its settings, or those of the reference that it leaves as they are in the base.
    """
    left = {key: "base" for key in reference if key not in point}
    return "" if point == reference else " ".join(f"{key}={value}" for key, value in (left or point).items())
