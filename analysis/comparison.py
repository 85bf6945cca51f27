"""The evidence of a study: the mean of every method, and the paired differences that the study declared."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.confirmation import confirmed
from analysis.statistics import holm, seeds_needed, sign_flip_p, smallest_attainable_p, spread, t_interval

ALPHA = 0.05
CELL = ["dataset", "samples_per_class"]
UNFINISHED = ("stopped", "diverged", "oom", "failed")


def means(results: pd.DataFrame) -> pd.DataFrame:
    """Mean test accuracy of each cell and method over its completed confirm seeds.

    Columns: dataset, samples_per_class, method, n (seeds), mean, sd, low, high (95 % Student t interval; nan
    for one seed), note, and the confirm trials that ended as stopped, diverged, oom, failed. Accuracies in
    0..1.
    """
    rows = []
    for (dataset, size, method), trials in confirmed(results).groupby([*CELL, "method"], sort=False):
        accuracies = _measured(trials)["test_accuracy"]
        interval = t_interval(accuracies)
        row = {"dataset": dataset, "samples_per_class": size, "method": method, "n": interval.n}
        row |= {"mean": interval.mean, "sd": spread(accuracies), "low": interval.low, "high": interval.high}
        row |= {"note": interval.note}
        rows.append(row | {status: int((trials["status"] == status).sum()) for status in UNFINISHED})
    columns = [*CELL, "method", "n", "mean", "sd", "low", "high", "note", *UNFINISHED]
    return pd.DataFrame(rows, columns=columns)


def compare(
    results: pd.DataFrame, family: Mapping[str, Sequence[str]], smallest_difference: float = 0.5
) -> pd.DataFrame:
    """Paired differences in test accuracy, one row per cell and declared pair of method and baseline.

    A pair is a seed that both methods completed. `family` maps a method to its baselines;
    `smallest_difference` is in percentage points. Columns: dataset, samples_per_class, method, baseline, n
    (pairs), unpaired (seeds that only one of the two completed), difference, sd, low, high (method −
    baseline, 0..1, 95 % Student t interval), p (sign flip, two-sided), p_holm (corrected over all rows, empty
    ones included), verdict, and seeds_needed: pairs with which a true difference of `smallest_difference`
    survives the correction in 80 % of studies (Bonferroni's α, so rather too many).

    A difference is claimed only if p_holm < 0.05, the interval excludes zero and it reaches
    `smallest_difference`.
    """
    trials = confirmed(results)
    sizes = results[CELL].drop_duplicates().groupby("dataset", sort=False)["samples_per_class"]
    pairs = [(method, baseline) for method, baselines in family.items() for baseline in baselines]
    accuracies = _measured(trials).set_index([*CELL, "method", "seed"])["test_accuracy"]
    by_method = {key: part.droplevel([0, 1, 2]) for key, part in accuracies.groupby(level=[0, 1, 2])}
    rows = [
        _difference(by_method, (str(dataset), int(size)), pair)
        for dataset, group in sizes
        for pair in pairs
        for size in sorted(group)
    ]
    columns = [*CELL, "method", "baseline", "n", "unpaired", "difference", "sd", "low", "high", "note", "p"]
    table = pd.DataFrame(rows, columns=columns)
    table["p_holm"] = holm(table["p"])
    # Holm is monotone: with every pair at its least attainable p, no row can do better than this.
    table["p_holm_attainable"] = holm([smallest_attainable_p(n) for n in table["n"]])
    table["seeds_needed"] = [_seeds_needed(sd, smallest_difference / 100, len(table)) for sd in table["sd"]]
    table["verdict"] = [_verdict(row, smallest_difference) for row in table.to_dict("records")]
    return table


def _measured(trials: pd.DataFrame) -> pd.DataFrame:
    return trials[(trials["status"] == "completed") & trials["test_accuracy"].notna()]


def _difference(accuracies: Mapping[Any, pd.Series], cell: tuple[str, int], pair: tuple[str, str]) -> dict[str, object]:
    method, baseline = (accuracies.get((*cell, name), pd.Series(dtype=float)) for name in pair)
    seeds = method.index.intersection(baseline.index)
    differences = (method[seeds] - baseline[seeds]).to_numpy(dtype=float)
    interval = t_interval(differences)
    row: dict[str, object] = dict(zip([*CELL, "method", "baseline"], [*cell, *pair], strict=True))
    row |= {"n": interval.n, "unpaired": len(method.index.symmetric_difference(baseline.index))}
    row |= {
        "difference": interval.mean,
        "sd": spread(differences),
        "low": interval.low,
        "high": interval.high,
    }
    return row | {"note": interval.note, "p": sign_flip_p(differences)}


def _seeds_needed(sd: float, difference: float, family: int) -> float:
    alpha = ALPHA / family
    reachable = math.ceil(math.log2(2 / alpha)) + 1  # 2 / 2^n must fall below alpha as well
    return float(np.fmax(seeds_needed(sd, difference, alpha=alpha), reachable)) if sd == sd else math.nan


def _verdict(row: Mapping[Any, Any], smallest_difference: float) -> str:
    if row["p_holm_attainable"] >= ALPHA:
        return "too few seeds"
    if not (row["p_holm"] < ALPHA and (row["low"] > 0 or row["high"] < 0)):
        return "no difference shown"
    direction = "better" if row["difference"] > 0 else "worse"
    small = abs(row["difference"]) * 100 < smallest_difference
    return f"{direction}, but smaller than {smallest_difference:g} points" if small else direction
