"""The tree of a plan: each stage 1 with its snapshots at KG, the stage-2 trainings from these, and their KC."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from sweeps.planning.trial import Trial


@dataclass
class Root:
    """One training of stage 1 with all that begins at it; of methods without a generator all trainings of stage 2."""

    generates: bool
    """Whether there is a stage 1."""
    snapshots: dict[int, dict[str, set[int]]] = field(default_factory=dict)
    """By KG (0 without a stage 1) the stage keys of each stage 2 that begins there, with the KC it is read at."""

    @property
    def branches(self) -> int:
        """Number of distinct trainings of stage 2."""
        return sum(map(len, self.snapshots.values()))

    @property
    def shape(self) -> "Shape":
        """What the tree looks like, without its settings."""
        return tuple(
            (kg, tuple(sorted(Counter(tuple(sorted(read)) for read in found.values()).items())))
            for kg, found in sorted(self.snapshots.items())
        )


Shape = tuple[tuple[int, tuple[tuple[tuple[int, ...], int], ...]], ...]
"""For each KG: the KC that a stage 2 is read at, and the number of such trainings."""


@dataclass(frozen=True)
class Stage2:
    """Trainings of stage 2 that are read at the same KC."""

    count: int
    kc: list[int]


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of stage 1, or of nothing (KG 0), with the trainings that begin at it."""

    kg: int
    stage_2: list[Stage2]


@dataclass(frozen=True)
class Tree:
    """Trees that look alike."""

    stage_1: int
    """Number of trainings of stage 1; 0 for methods without a generator."""
    snapshots: list[Snapshot]

    @property
    def lines(self) -> list[str]:
        """The tree as lines of text."""
        found = []
        if self.stage_1:
            ends = ", ".join(f"{snapshot.kg:,}" for snapshot in self.snapshots)
            each = "each with snapshots" if self.stage_1 > 1 else "with snapshots"
            found.append(f"{self.stage_1} × stage 1, {each} at KG {ends}")
        for snapshot in self.snapshots:
            begin = f"  from KG {snapshot.kg:,}: " if self.stage_1 else ""
            for training in snapshot.stage_2:
                read = ", ".join(f"{kc:,}" for kc in training.kc)
                found.append(f"{begin}{training.count} × stage 2, KC read at {read}")
        return found


def roots(trials: Iterable[Trial]) -> dict[str, Root]:
    """The trees of some trials, by the stage key of their first stage."""
    found: dict[str, Root] = {}
    for trial in trials:
        first, last = trial.stage_ends[0], trial.stage_ends[-1]
        generates = len(trial.stage_ends) > 1
        # Methods without a generator have one root, the start: each stage 2 is a branch of it.
        root = found.setdefault(first.stage_key if generates else "", Root(generates))
        snapshot = root.snapshots.setdefault(first.iteration if generates else 0, {})
        snapshot.setdefault(last.stage_key, set()).add(last.iteration)
    return found


def trees(found: Iterable[Root]) -> list[Tree]:
    """Count the trees that look alike; the most frequent first."""
    counted = Counter((root.generates, root.shape) for root in found)
    return [
        Tree(
            count if generates else 0,
            [Snapshot(kg, [Stage2(number, list(read)) for read, number in branches]) for kg, branches in shape],
        )
        for (generates, shape), count in counted.most_common()
    ]
