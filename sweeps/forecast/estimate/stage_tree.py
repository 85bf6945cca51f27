"""The tree of a plan: each distinct stage 1 with its KG snapshots, the stage-2 branches under them, and their KC."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sweeps.planning.trial import Trial


@dataclass
class Root:
    """One training of stage 1; or, of a method without a generator, its trainings of stage 2 alone."""

    generates: bool
    snapshots: dict[int, dict[str, set[int]]] = field(default_factory=dict)
    """By KG (0 without a stage 1) the distinct stage-2 trainings that begin there, and the KC values read off each."""

    @property
    def branches(self) -> int:
        """Distinct trainings of stage 2."""
        return sum(map(len, self.snapshots.values()))

    @property
    def shape(self) -> "Shape":
        """What it looks like, whatever the other settings are."""
        return tuple(
            (kg, tuple(sorted(Counter(tuple(sorted(read)) for read in found.values()).items())))
            for kg, found in sorted(self.snapshots.items())
        )


Shape = tuple[tuple[int, tuple[tuple[tuple[int, ...], int], ...]], ...]
"""For each KG: the KC values that are read off a stage 2, and how many there are of these."""


def roots(trials: Iterable[Trial]) -> dict[str, Root]:
    """The tree of some trials, by the prefix of their first stage."""
    found: dict[str, Root] = {}
    for trial in trials:
        first, last = trial.stage_ends[0], trial.stage_ends[-1]
        generates = len(trial.stage_ends) > 1
        # Methods without a generator have one root, the start: each stage 2 is a branch of it.
        root = found.setdefault(first.stage_key if generates else "", Root(generates))
        snapshot = root.snapshots.setdefault(first.iteration if generates else 0, {})
        snapshot.setdefault(last.stage_key, set()).add(last.iteration)
    return found


def shapes(trees: Iterable[Root]) -> list[dict[str, Any]]:
    """Trees that look alike, counted; the most frequent first."""
    counted = Counter((root.generates, root.shape) for root in trees)
    return [
        {
            "stage_1": count if generates else 0,
            "snapshots": [
                {"kg": kg, "stage_2": [{"count": number, "kc": list(read)} for read, number in found]}
                for kg, found in shape
            ],
        }
        for (generates, shape), count in counted.most_common()
    ]


def in_words(shape: dict[str, Any]) -> list[str]:
    """A shape as lines of text."""
    count, snapshots = shape["stage_1"], shape["snapshots"]
    lines = []
    if count:
        ends = ", ".join(f"{snapshot['kg']:,}" for snapshot in snapshots)
        each = "each with snapshots" if count > 1 else "with snapshots"
        lines.append(f"{count} × stage 1, {each} at KG {ends}")
    for snapshot in snapshots:
        for found in snapshot["stage_2"]:
            under = f"from KG {snapshot['kg']:,}: " if count else ""
            read = ", ".join(f"{kc:,}" for kc in found["kc"])
            lines.append(f"{'  ' if count else ''}{under}{found['count']} × stage 2, KC read at {read}")
    return lines
