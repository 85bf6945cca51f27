"""Paired differences between methods: those that a study declares, and all others for exploring."""

import difflib
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.comparison.confirmed import PLACE, confirmed_at_points, measured
from analysis.comparison.points import Points, comparisons_of, points_of, settings
from analysis.comparison.verdicts import ALPHA, judged
from analysis.data.columns import CELL, CELL_METHOD
from analysis.data.tidy import of_reference
from analysis.errors import ResultsError
from analysis.methods import PAPER_ORDER, ordered
from analysis.statistics.corrections import benjamini_hochberg
from analysis.statistics.paired import paired_statistics

Pairs = Sequence[tuple[str, str]]


def compare(
    results: pd.DataFrame,
    family: Mapping[str, Sequence[str]],
    smallest_difference: float = 0.5,
    planned: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Compare declared pairs of method and baseline by their paired differences in test accuracy, cell by cell.

    A pair is a seed that both methods completed. `family` maps a method to its baselines; `smallest_difference` is in
    percentage points. With a design, methods are compared at each of its points: a point of the method with the
    baseline's point that has the same levels of all factors that reach both; a factor that sets no point of a method
    apart does not reach it. Points are those of the results and, so that the family is whole before all have begun, of
    `planned`: columns dataset, samples_per_class, method, point and reference (settings of the method's first point, as
    in a label).

    Columns: dataset, samples_per_class, method, baseline, point and baseline_point (as in the results), at (the point
    with its levels, as `classifier.iterations=500 classifier.augmentation_ratio=1`; empty without a design), n,
    unpaired (seeds that only one of the two completed), method_mean and baseline_mean (of the pairs, 0..1); those of
    `paired_statistics` (difference = method − baseline in −1..1, sd, low, high, bca_low, bca_high, d_z, ahead,
    ahead_low, ahead_high, p, test, note); those of `verdicts.judged` (p_holm over all rows, p_holm_attainable, verdict,
    detectable_difference, seeds_needed, seeds_needed_seen). Where the study declares more pairs than these, the notes
    say so.

    Raises:
        ResultsError: A method is neither in the results nor in the study nor one of the paper's, is compared with
            itself, or is compared twice with the same baseline.
    """
    pairs = [(method, baseline) for method, baselines in family.items() for baseline in baselines]
    _check(pairs, results)
    rows = _at_points(_rows(results, pairs), results, planned)
    table = judged(_differences(results, rows), smallest_difference)
    if said := _part(pairs, results):
        table["note"] = [f"{note}, {said}" if note else said for note in table["note"]]
    return table


def explore(
    results: pd.DataFrame, family: Mapping[str, Sequence[str]] | None = None, against: Sequence[str] | None = None
) -> pd.DataFrame:
    """Compare pairs of methods that nobody declared, to find what to study next; no result of it is a claim.

    All pairs of methods in each cell but those of `family` either way round; with `against`, the pairs with these
    baselines only (m methods have m (m − 1) / 2 pairs). Columns: as `compare` up to note, without bca_low and
    bca_high; p_bh (Benjamini–Hochberg over all rows) and promising (p_bh < 0.05: of such rows at most one in twenty
    is expected to be noise). Of a design the reference alone.
    """
    declared = {frozenset((method, baseline)) for method, baselines in (family or {}).items() for baseline in baselines}
    methods = ordered(results["method"], results.attrs.get("methods", ()))
    if against is None:
        pairs = [(later, earlier) for earlier, later in combinations(methods, 2)]
    else:
        pairs = [(method, baseline) for baseline in against for method in methods if method != baseline]
        _check(pairs, results)
    rows = _rows(results, [pair for pair in pairs if frozenset(pair) not in declared])
    table = _differences(results, rows, bootstrap=False)
    table = table.drop(columns=["point", "baseline_point", "at"])
    table["p_bh"] = benjamini_hochberg(table["p"])
    table["promising"] = table["p_bh"] < ALPHA
    return table


def _rows(results: pd.DataFrame, pairs: Pairs) -> pd.DataFrame:
    """Combine every cell with every pair, in the order dataset, pair, size."""
    cells = results[CELL].drop_duplicates().sort_values("samples_per_class", kind="stable")
    rows = [
        (str(dataset), int(size), *pair)
        for dataset in results["dataset"].drop_duplicates()
        for pair in pairs
        for size in cells.loc[cells["dataset"] == dataset, "samples_per_class"]
    ]
    return pd.DataFrame(rows, columns=[*CELL, "method", "baseline"]).assign(point="", baseline_point="", at="")


def _at_points(rows: pd.DataFrame, results: pd.DataFrame, planned: pd.DataFrame | None) -> pd.DataFrame:
    """Repeat the rows of cell, method and baseline for each point of a design; as they are where there is none."""
    known = [table[PLACE] for table in (results, planned) if table is not None and "point" in table]
    places = pd.concat(known, ignore_index=True).drop_duplicates() if known else pd.DataFrame(columns=PLACE)
    if (places["point"] == "").all():
        return rows
    groups = {key: group["point"] for key, group in places.groupby(CELL_METHOD, sort=False)}
    reference = of_reference(results)
    configs = reference[[name for name in reference.columns if name.startswith("config.")]]
    firsts = configs.groupby([reference[name] for name in CELL_METHOD], sort=False).first()
    given: Any = {} if planned is None else planned.groupby(CELL_METHOD)["reference"].first()

    @cache
    def points(*where: Any) -> Points:
        config = firsts.loc[where].dropna() if where in firsts.index else pd.Series(dtype=object)
        levels = {str(name).removeprefix("config."): value for name, value in config.items()}
        return points_of(groups.get(where, [""]), {**levels, **settings(given.get(where, ""))})

    found = [
        [*cell, method, baseline, *place]
        for *cell, method, baseline in rows[[*CELL, "method", "baseline"]].itertuples(index=False)
        for place in comparisons_of(points(*cell, method), points(*cell, baseline))
    ]
    return pd.DataFrame(found, columns=rows.columns)


def _differences(results: pd.DataFrame, rows: pd.DataFrame, *, bootstrap: bool = True) -> pd.DataFrame:
    """Add the paired statistics to rows of dataset, samples_per_class, method, baseline and their points."""
    differences, unpaired = _paired(results, rows)
    said = paired_statistics(differences.set_index("comparison")["difference"], len(rows), bootstrap=bootstrap)
    means = differences.groupby("comparison")[["method_accuracy", "baseline_accuracy"]].mean().reindex(rows.index)
    table = rows.assign(
        n=said["n"],
        unpaired=unpaired,
        method_mean=means["method_accuracy"],
        baseline_mean=means["baseline_accuracy"],
    )
    return pd.concat([table, said.drop(columns="n")], axis=1)


def paired_differences(results: pd.DataFrame, pairs: Pairs) -> pd.DataFrame:
    """List the paired differences, one row per cell, pair and seed that both methods completed.

    Columns: dataset, samples_per_class, method, baseline, seed, difference (method − baseline in −1..1). Of a design
    the reference alone.
    """
    _check(pairs, results)
    rows = _rows(results, pairs)
    differences, _ = _paired(results, rows)
    named = rows.loc[differences["comparison"], [*CELL, "method", "baseline"]].reset_index(drop=True)
    return pd.concat([named, differences[["seed", "difference"]]], axis=1)


def _paired(results: pd.DataFrame, rows: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Pairs with columns comparison (row number), seed, method_accuracy, baseline_accuracy and difference; unpaired.

    The latter is the number of unpaired seeds of each row.
    """
    accuracies = measured(confirmed_at_points(results))[[*PLACE, "seed", "test_accuracy"]]
    wanted = rows.reset_index(names="comparison")
    sides = []
    for method, point in (("method", "point"), ("baseline", "baseline_point")):
        named = wanted[[*CELL, method, point, "comparison"]].set_axis([*PLACE, "comparison"], axis="columns")
        found = named.merge(accuracies, on=PLACE)[["comparison", "seed", "test_accuracy"]]
        sides.append(found.rename(columns={"test_accuracy": f"{method}_accuracy"}))
    both = sides[0].merge(sides[1], on=["comparison", "seed"])
    both["difference"] = both["method_accuracy"] - both["baseline_accuracy"]
    runs, pairs = (
        [np.bincount(side["comparison"].astype(int), minlength=len(rows)) for side in group]
        for group in (sides, [both])
    )
    return both, runs[0] + runs[1] - 2 * pairs[0]


def _part(pairs: Pairs, results: pd.DataFrame) -> str:
    """Say so where only some of the pairs that the study declares are compared, and p is corrected for these alone."""
    declared = {(method, baseline) for method, baseline in results.attrs.get("compare", ())}
    if not set(pairs) < declared:
        return ""
    return f"p_holm is for {len(pairs)} of the {len(declared)} pairs that the study declares"


def _check(pairs: Pairs, results: pd.DataFrame) -> None:
    # A declared method may have no result yet: then it stays in the family, without pairs.
    present = ordered(results["method"], results.attrs.get("methods", ()))
    known = list(dict.fromkeys([*results.attrs.get("methods", ()), *present, *PAPER_ORDER]))
    problems = []
    for name in dict.fromkeys(name for pair in pairs for name in pair if name not in known):
        near = difflib.get_close_matches(name, known, 1)
        meant = f" (did you mean `{near[0]}`?)" if near else ""
        problems.append(f"unknown method `{name}`{meant}. Methods: {', '.join(present)}.")
    problems += [f"a method cannot be its own baseline, but `{a}` is." for a, b in pairs if a == b]
    twice = dict.fromkeys(pair for pair in pairs if pairs.count(pair) > 1)
    problems += [f"a pair is declared once, but `{a}` against `{b}` is there twice." for a, b in twice]
    if problems:
        raise ResultsError(" ".join(problems))
