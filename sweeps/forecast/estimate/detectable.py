"""The detectable difference: what the planned seeds can show of the declared comparisons."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, partial
from statistics import mean

from analysis.comparison.points import Points, comparisons_of, points_of
from analysis.statistics.power import detectable_difference, fewest_pairs
from analysis.statistics.sign_flips import EXACT_LIMIT, smallest_attainable_p
from dagan.nested import flatten
from sweeps.records.ledger import Entry
from sweeps.study.design import label
from sweeps.study.schema import Cell, Study

Place = tuple[str, int, str, str]
"""Data set, samples per class, method and label of its point."""

ASSUMED_POINTS = 1.5
"""Standard deviation of paired differences where none was measured, in points: 1.6 and 0.5 (`dagan` − `c` with 5 and
with 20 digits per class), 1.6 and 1.2 (`dagan_aug` − `c_aug`) in the study `digits`."""


@dataclass(frozen=True)
class Detectable:
    """What the declared comparisons can show with the planned seeds."""

    confirm_seeds: int
    comparisons: int
    smallest_p: float
    """The smallest p that the sign-flip test can give."""
    seeds_needed: int | None
    """The fewest seeds with which a p can pass Holm's correction at 0.05; None if no number can."""
    enough: bool
    """Whether the planned seeds are as many."""
    detectable_deviations: float | None
    """Smallest detectable difference, in standard deviations of the paired differences; None if there is none."""
    deviation_points: float
    """That standard deviation, in percentage points."""
    deviation_measured: bool
    """Whether a ledger says so; else it is assumed."""
    detectable_points: float | None
    """Smallest detectable difference, in percentage points."""

    @property
    def sentence(self) -> str:
        """Whether the planned seeds are enough to show anything."""
        if not self.comparisons:
            return "No comparisons are declared (`compare:`), so the report will test none."
        test = "exact test" if self.confirm_seeds <= EXACT_LIMIT else "sampled test"
        start = (
            f"Confirm seeds: {self.confirm_seeds}; declared comparisons: {self.comparisons};"
            f" the smallest p that the {test} can give is {self.smallest_p:.2g}"
        )
        if self.enough:
            return f"{start}, enough after Holm."
        could = f"{self.seeds_needed} seeds could" if self.seeds_needed else "no number of seeds could"
        return f"{start}. That cannot pass Holm's correction at 0.05, whatever is measured; {could}."

    @property
    def difference_sentence(self) -> str:
        """The smallest difference that is likely to be found."""
        if self.detectable_deviations is None:
            return "So many seeds detect no difference, however large."
        known = "measured so far" if self.deviation_measured else "assumed"
        corrected = f", corrected for {self.comparisons} comparisons" if self.comparisons > 1 else ""
        return (
            f"Smallest detectable difference (power 80 %, p < 0.05{corrected}): {self.detectable_deviations:.2f}"
            f" standard deviations of the paired differences, {self.detectable_points:.1f} points where that is"
            f" {self.deviation_points:.1f} points, as {known}."
        )


def detectable(study: Study, entries: Iterable[Entry] = ()) -> Detectable:
    """Find what a study's comparisons can show; the entries of a ledger say how much paired differences vary.

    The sign-flip test of n paired seeds cannot give a p below 2/2^n; Holm multiplies the smallest of m by m.
    """
    seeds = len(study.confirm_seeds)
    comparisons = len(compared(study))
    alpha = 0.05 / max(1, comparisons)
    needed = fewest_pairs(alpha, "sign_flip") if comparisons else 1.0
    deviations = detectable_difference(1.0, seeds, alpha=alpha, test="sign_flip") if seeds > 1 else math.inf
    measured = spread(study, entries)
    points = ASSUMED_POINTS if measured is None else measured
    return Detectable(
        confirm_seeds=seeds,
        comparisons=comparisons,
        smallest_p=smallest_attainable_p(seeds),
        seeds_needed=int(needed) if math.isfinite(needed) else None,
        enough=seeds >= needed,
        detectable_deviations=deviations if math.isfinite(deviations) else None,
        deviation_points=points,
        deviation_measured=measured is not None,
        detectable_points=deviations * points if math.isfinite(deviations) else None,
    )


def compared(study: Study) -> list[tuple[Place, Place]]:
    """The declared comparisons of a study: where the method and where the baseline is measured."""
    found: list[tuple[Place, Place]] = []
    for cell in study.cells:
        where = (cell.dataset.name, cell.samples_per_class)
        of = cache(partial(points_in, study, cell))
        for method, baselines in study.compare.items():
            for baseline in baselines:
                pairs = comparisons_of(of(method), of(baseline))
                found += [((*where, method, point), (*where, baseline, other)) for point, other, _ in pairs]
    return found


def points_in(study: Study, cell: Cell, method: str) -> Points:
    """The points of a method in a cell, as the report will read them off the ledger."""
    points = study.points(cell, method)
    reference = study.config(cell, method, seed=0, phase="confirm", settings=points[0])
    return points_of((label(point, points[0]) for point in points), flatten(reference.model_dump(mode="json")))


def spread(study: Study, entries: Iterable[Entry]) -> float | None:
    """Standard deviation of the paired differences of the declared comparisons, in points; None without pairs."""
    accuracy = {
        (entry.dataset, entry.samples_per_class, entry.method, entry.point, entry.seed): 100 * entry.test_accuracy
        for entry in entries
        if entry.phase == "confirm" and entry.test_accuracy is not None and entry.seed in study.confirm_seeds
    }
    variances = []
    for method, baseline in compared(study) if accuracy else ():
        pairs = [
            accuracy[*method, seed] - accuracy[*baseline, seed]
            for seed in study.confirm_seeds
            if (*method, seed) in accuracy and (*baseline, seed) in accuracy
        ]
        if len(pairs) > 1:
            middle = mean(pairs)
            variances.append(sum((pair - middle) ** 2 for pair in pairs) / (len(pairs) - 1))
    return math.sqrt(mean(variances)) if variances else None
