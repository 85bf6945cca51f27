"""What the planned seeds can show: the smallest p, and the smallest difference that is likely to be found."""

import math
from collections.abc import Iterable
from itertools import product
from statistics import mean
from typing import Any

from analysis.statistics.power import detectable_difference, fewest_pairs
from analysis.statistics.sign_flips import smallest_attainable_p
from sweeps.records.ledger import Entry
from sweeps.study.schema import Study

ASSUMED_POINTS = 1.5
"""Standard deviation of paired differences where none was measured, in points: 1.6 and 0.5 (`dagan` − `c` with 5 and
with 20 digits per class), 1.6 and 1.2 (`dagan_aug` − `c_aug`) in the study `digits`."""


def evidence(study: Study, entries: Iterable[Entry] = ()) -> dict[str, Any]:
    """What the declared comparisons can reach with the planned seeds; with a ledger's entries, by what these vary.

    The sign-flip test of n paired seeds cannot give a p below 2/2^n; Holm multiplies the smallest of m by m.
    """
    seeds = len(study.confirm_seeds)
    comparisons = sum(len(baselines) for baselines in study.compare.values()) * len(study.cells)
    alpha = 0.05 / max(1, comparisons)
    needed = fewest_pairs(alpha, "sign_flip") if comparisons else 1.0
    deviations = detectable_difference(1.0, seeds, alpha=alpha, test="sign_flip") if seeds > 1 else math.inf
    measured = spread(study, entries)
    points = ASSUMED_POINTS if measured is None else measured
    return {
        "confirm_seeds": seeds,
        "comparisons": comparisons,
        "smallest_p": smallest_attainable_p(seeds),
        "seeds_needed": int(needed) if math.isfinite(needed) else None,
        "enough": seeds >= needed,
        "detectable_deviations": deviations if math.isfinite(deviations) else None,
        "deviation_points": points,
        "deviation_measured": measured is not None,
        "detectable_points": deviations * points if math.isfinite(deviations) else None,
    }


def spread(study: Study, entries: Iterable[Entry]) -> float | None:
    """Standard deviation of the paired differences of the declared comparisons, in points; None without pairs."""
    accuracy = {
        (entry.dataset, entry.samples_per_class, entry.method, entry.seed): 100 * entry.test_accuracy
        for entry in entries
        if entry.phase == "confirm" and entry.test_accuracy is not None and entry.seed in study.confirm_seeds
    }
    variances = []
    for cell, (method, baselines) in product(study.cells, study.compare.items()):
        where = (cell.dataset.name, cell.samples_per_class)
        for baseline in baselines:
            pairs = [
                accuracy[*where, method, seed] - accuracy[*where, baseline, seed]
                for seed in study.confirm_seeds
                if (*where, method, seed) in accuracy and (*where, baseline, seed) in accuracy
            ]
            if len(pairs) > 1:
                middle = mean(pairs)
                variances.append(sum((pair - middle) ** 2 for pair in pairs) / (len(pairs) - 1))
    return math.sqrt(mean(variances)) if variances else None


def sentence(found: dict[str, Any]) -> str:
    """What the planned seeds can show, in words."""
    if not found["comparisons"]:
        return "No comparisons are declared (`compare:`), so the report will test none."
    start = f"Confirm seeds: {found['confirm_seeds']}; declared comparisons: {found['comparisons']}; "
    if found["enough"]:
        return start + f"the smallest p that the exact test can give is {found['smallest_p']:.2g}, enough after Holm."
    could = f"{found['seeds_needed']} seeds could" if found["seeds_needed"] else "no number of seeds could"
    return (
        start + f"the smallest p that the exact test can give is {found['smallest_p']:.2g}. That cannot pass Holm's"
        f" correction at 0.05, whatever is measured; {could}."
    )


def detectable(found: dict[str, Any]) -> str:
    """The smallest difference that is likely to be found, in words."""
    if found["detectable_deviations"] is None:
        return "So many seeds detect no difference, however large."
    known = "as measured so far" if found["deviation_measured"] else "assumed"
    corrected = f", corrected for {found['comparisons']} comparisons" if found["comparisons"] > 1 else ""
    return (
        f"Smallest detectable difference (power 80 %, p < 0.05{corrected}): {found['detectable_deviations']:.2f}"
        f" standard deviations of the paired differences, {found['detectable_points']:.1f} points at {known}"
        f" {found['deviation_points']:.1f}."
    )
