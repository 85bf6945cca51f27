"""Paired differences between methods: those that a study declares, and all others for exploring."""

import difflib
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.comparison.confirmed import confirmed, measured
from analysis.comparison.verdicts import ALPHA, judged
from analysis.data.columns import CELL, CELL_METHOD
from analysis.errors import ResultsError
from analysis.methods import PAPER_ORDER, ordered
from analysis.statistics.corrections import benjamini_hochberg
from analysis.statistics.paired import paired_statistics

Pairs = Sequence[tuple[str, str]]


def compare(
    results: pd.DataFrame, family: Mapping[str, Sequence[str]], smallest_difference: float = 0.5
) -> pd.DataFrame:
    """Compare declared pairs of method and baseline by their paired differences in test accuracy, cell by cell.

    A pair is a seed that both methods completed. `family` maps a method to its baselines; `smallest_difference` is in
    percentage points. Columns: dataset, samples_per_class, method, baseline, unpaired (seeds that only one of the two
    completed); those of `paired_statistics` (n, difference = method − baseline in −1..1, sd, low, high, bca_low,
    bca_high, d_z, ahead, ahead_low, ahead_high, p, test, note); those of `verdicts.judged` (p_holm over all rows,
    p_holm_attainable, verdict, detectable_difference, seeds_needed).

    Raises:
        ResultsError: A method is neither in the results nor in the study nor one of the paper's, is compared with
            itself, or is compared twice with the same baseline.
    """
    pairs = [(method, baseline) for method, baselines in family.items() for baseline in baselines]
    _check(pairs, results)
    rows = _rows(results, pairs)
    return judged(_differences(results, rows), smallest_difference)


def explore(
    results: pd.DataFrame, family: Mapping[str, Sequence[str]] | None = None, against: Sequence[str] | None = None
) -> pd.DataFrame:
    """Compare pairs of methods that nobody declared, to find what to study next; no result of it is a claim.

    All pairs of methods in each cell but those of `family` either way round; with `against`, the pairs with these
    baselines only (m methods have m (m − 1) / 2 pairs). Columns: as `compare` up to note, without bca_low and
    bca_high; p_bh (Benjamini–Hochberg over all rows) and promising (p_bh < 0.05: of such rows at most one in twenty
    is expected to be noise).
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
    return pd.DataFrame(rows, columns=[*CELL, "method", "baseline"])


def _differences(results: pd.DataFrame, rows: pd.DataFrame, *, bootstrap: bool = True) -> pd.DataFrame:
    """Add the paired statistics to rows of dataset, samples_per_class, method and baseline."""
    differences, unpaired = _paired(results, rows)
    said = paired_statistics(differences.set_index("comparison")["difference"], len(rows), bootstrap=bootstrap)
    table = rows.assign(n=said["n"], unpaired=unpaired)
    return pd.concat([table, said.drop(columns="n")], axis=1)


def paired_differences(results: pd.DataFrame, pairs: Pairs) -> pd.DataFrame:
    """List the paired differences, one row per cell, pair and seed that both methods completed.

    Columns: dataset, samples_per_class, method, baseline, seed, difference (method − baseline in −1..1).
    """
    _check(pairs, results)
    rows = _rows(results, pairs)
    differences, _ = _paired(results, rows)
    named = rows.loc[differences["comparison"]].reset_index(drop=True)
    return pd.concat([named, differences[["seed", "difference"]]], axis=1)


def _paired(results: pd.DataFrame, rows: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Differences with columns comparison (row number), seed and difference; number of unpaired seeds of each row."""
    accuracies = measured(confirmed(results))[[*CELL_METHOD, "seed", "test_accuracy"]]
    wanted = rows.reset_index(names="comparison")
    sides = []
    for side in ("method", "baseline"):
        named = wanted[[*CELL, side, "comparison"]].rename(columns={side: "method"})
        found = named.merge(accuracies, on=CELL_METHOD)
        sides.append(found[["comparison", "seed", "test_accuracy"]])
    both = sides[0].merge(sides[1], on=["comparison", "seed"])
    both["difference"] = both["test_accuracy_x"] - both["test_accuracy_y"]
    runs, pairs = (
        [np.bincount(side["comparison"].astype(int), minlength=len(rows)) for side in group]
        for group in (sides, [both])
    )
    return both[["comparison", "seed", "difference"]], runs[0] + runs[1] - 2 * pairs[0]


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
