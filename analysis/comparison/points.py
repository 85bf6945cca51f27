"""Points of a design, read off their labels: which points of two methods are compared, and what a point is called.

A label names settings, as `classifier.iterations=1500 classifier.augmentation_ratio=0.0`; that of the reference, with
which a design compares its other points, is empty. `key=base` says that a point leaves a factor as it is in the base.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SETTING = re.compile(r"(?:^| )(\w+(?:\.\w+)+)=")  # a setting's key at its place in a label
REFERENCE = "reference"

Levels = Mapping[str, str]
"""Levels of factors, as `level` writes them, by dotted key."""


@dataclass(frozen=True)
class Points:
    """The points of one method in one cell."""

    reference: Levels
    """Level of every factor that reaches the method, at the reference, as far as that is known."""
    changes: Mapping[str, Levels]
    """By label, what a point changes of the reference."""

    def reached(self, key: str) -> bool:
        """Whether a factor is one of the method's: whether it sets a point of it apart."""
        return any(key in changed for changed in self.changes.values())


def level(value: object) -> str:
    """Write a value as a level: numbers alike however they are given, truth values as in a study's file."""
    text = str(value)
    if text in ("True", "False"):
        return text.lower()
    try:
        return f"{float(text):.12g}"
    except ValueError:
        return text


def place(found: str) -> tuple[bool, float, str]:
    """Place of a level in an order: numbers by size, then words by name."""
    try:
        return False, float(found), found
    except ValueError:
        return True, 0.0, found


def settings(label: str) -> dict[str, str]:
    """Read the settings that a label names."""
    _, *parts = SETTING.split(label)
    return {key: level(value) for key, value in zip(parts[::2], parts[1::2], strict=True)}


def points_of(labels: Iterable[str], reference: Mapping[str, object]) -> Points:
    """Build the points of a method from their labels; `reference` has its settings at the reference, by dotted key."""
    named = {label: settings(label) for label in labels}
    factors = dict.fromkeys(key for levels in named.values() for key in levels)
    known = {key: level(reference[key]) for key in factors if reference.get(key) is not None}
    changes = {
        label: {key: value for key, value in levels.items() if known.get(key) != value}
        for label, levels in named.items()
    }
    return Points(known, changes)


def comparisons_of(method: Points, baseline: Points) -> list[tuple[str, str, str]]:
    """Pair the points of a method with those of its baseline: label of either, and what the comparison is called.

    A point's counterpart has the same changes of all factors that reach it, and is at the reference in those that the
    point does not have. Where nothing is measured there yet, the settings stand for its label. A comparison is called
    by all factors of a grid, by what is changed of the reference in other designs, and by nothing without a design.
    """
    pairs = [(label, _counterpart(changed, baseline)) for label, changed in method.changes.items()]
    pairs += [(_counterpart(changed, method), label) for label, changed in baseline.changes.items()]
    named = [settings(label) for label in (*method.changes, *baseline.changes)]
    several = any(len(levels) > 1 for levels in named) or len({key for levels in named for key in levels}) == 1
    everywhere = {**baseline.reference, **method.reference} if several else {}

    def called(point: str, baseline_point: str) -> str:
        changes = [*_changes(baseline_point, baseline).items(), *_changes(point, method).items()]
        return _label({**everywhere, **dict(changes)}) or (REFERENCE if any(named) else "")

    found = [(*pair, called(*pair)) for pair in dict.fromkeys(pairs)]
    return sorted(found, key=lambda one: [(key, place(value)) for key, value in settings(one[2]).items()])


def shortened(points: Iterable[str]) -> list[str]:
    """Leave out the sections of settings (`gan.` of `gan.loss=joint`) wherever points remain clear without."""
    named = [settings(point) for point in points]
    keys = list(dict.fromkeys(key for levels in named for key in levels))
    last = [key.rpartition(".")[2] for key in keys]
    short = {key: name if last.count(name) == 1 else key for key, name in zip(keys, last, strict=True)}
    return [_label({short[key]: value for key, value in levels.items()}) or REFERENCE for levels in named]


def _counterpart(changes: Levels, others: Points) -> str:
    wanted = {
        key: value for key, value in changes.items() if others.reached(key) and others.reference.get(key) != value
    }
    return next((label for label, changed in others.changes.items() if changed == wanted), _label(wanted))


def _changes(label: str, points: Points) -> Levels:
    return points.changes.get(label, settings(label))


def _label(levels: Levels) -> str:
    return " ".join(f"{key}={value}" for key, value in levels.items())
