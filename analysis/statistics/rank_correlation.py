"""Does one order foretell another: image quality and accuracy gain, an early rung and the final accuracy."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from analysis.comparison.comparison import CELL, paired_differences
from analysis.comparison.confirmed import confirmed

FEWEST = 5  # below, the standard error of Kendall's τ, 0.437 / (n − 4), is not there
CORRELATION = ["n", "spearman", "spearman_low", "spearman_high", "kendall", "kendall_low", "kendall_high", "note"]


def rank_correlations(table: pd.DataFrame, first: str, second: str, by: Sequence[str]) -> pd.DataFrame:
    """Spearman's ρ and Kendall's τ_b of two columns within each group, with 95 % intervals.

    Rows that lack either are left out. Intervals by Fisher's z with standard errors √((1 + ρ²/2) / (n − 3)) (Bonett
    and Wright 2000) and √(0.437 / (n − 4)) (Fieller et al. 1957); measured coverage stands in tests/benchmarks.
    No interval below 5 pairs and for orders that agree wholly; no correlation of fewer than 2 pairs or of equal values.
    Columns: those of `by`, n, spearman, spearman_low, spearman_high, kendall, kendall_low, kendall_high, note.
    """
    pairs = table[[*by, first, second]].dropna(subset=[first, second])
    rows = [[*key, *_correlation(group[first], group[second])] for key, group in pairs.groupby(list(by), sort=False)]
    return pd.DataFrame(rows, columns=[*by, *CORRELATION])


def quality_and_gain(
    results: pd.DataFrame, quality: Sequence[str], family: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """Rank correlation of each image quality with the accuracy gain, over the seeds of each declared comparison.

    Do seeds whose images are better gain more over the baseline? `quality` names columns of the method's confirm trials
    (a score such as `quality.gan_test`, or a distance such as `quality.kid`, for which a helpful one correlates
    negatively). Columns: dataset, samples_per_class, method, baseline, quality, then those of `rank_correlations`.
    """
    keys = [*CELL, "method", "seed"]
    pairs = [(method, baseline) for method, baselines in family.items() for baseline in baselines]
    gains = paired_differences(results, pairs)
    scores = confirmed(results)[[*keys, *quality]]
    joined = gains.merge(scores, on=keys)
    by = [*CELL, "method", "baseline"]
    tables = [rank_correlations(joined, name, "difference", by).assign(quality=name) for name in quality]
    columns = [*by, "quality", *CORRELATION]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def rungs_and_finals(curves: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """Rank correlation of validation accuracy on the way with that at the end: was early stopping justified?

    `curves` as from `analysis.load_curves`. For each cell, method and iteration of stage 2 that at least two completed
    search trials passed before their end. Trials that were stopped have no final accuracy and are missing here, and
    they were the worst, so the correlation among those left is too low rather than too high.

    Columns: dataset, samples_per_class, method, iteration, those of `rank_correlations`, place_of_best (of the trial
    that ended best, among the n at this iteration; 1: it led already) and keeps_best (whether a halving that keeps the
    best third of the n would have kept it).
    """
    keys = [*CELL, "method", "iteration"]
    finals = results[(results["phase"] == "search") & (results["status"] == "completed")]
    points = curves[(curves["phase"] == "search") & (curves["stage"] == "classification")]
    points = points[["signature", "iteration", "validation_accuracy"]].rename(columns={"validation_accuracy": "early"})
    joined = points.merge(finals[["signature", *CELL, "method", "validation_accuracy"]], on="signature").dropna()
    joined = joined[joined["iteration"] < joined.groupby("signature")["iteration"].transform("max")]
    joined = joined[joined.groupby(keys)["early"].transform("size") > 1].sort_values(keys, kind="stable")
    table = rank_correlations(joined, "early", "validation_accuracy", keys)
    joined["place"] = joined.groupby(keys)["early"].rank(method="min", ascending=False)
    best = joined.sort_values("validation_accuracy", kind="stable").groupby(keys)["place"].last()
    table["place_of_best"] = best.reindex(pd.MultiIndex.from_frame(table[keys])).to_numpy() if len(table) else []
    table["keeps_best"] = table["place_of_best"] <= np.maximum(1, table["n"] // 3)
    return table


def _correlation(first: pd.Series, second: pd.Series) -> list[object]:
    n = len(first)
    if n < 2 or first.nunique() < 2 or second.nunique() < 2:
        note = "fewer than two pairs" if n < 2 else "one of the two does not vary"
        return [n, *[math.nan] * 6, note]
    x, y = first.to_numpy(dtype=float), second.to_numpy(dtype=float)
    spearman, kendall = float(stats.spearmanr(x, y).statistic), float(stats.kendalltau(x, y).statistic)
    spearman_error = math.sqrt((1 + spearman**2 / 2) / (n - 3)) if n >= FEWEST else math.nan
    kendall_error = math.sqrt(0.437 / (n - 4)) if n >= FEWEST else math.nan
    limits = [*_limits(spearman, spearman_error)], [*_limits(kendall, kendall_error)]
    note = f"no interval: fewer than {FEWEST} pairs" if n < FEWEST else ""
    if not note and max(abs(spearman), abs(kendall)) > 1 - 1e-12:
        note = "no interval: the two orders agree wholly"
    return [n, spearman, *limits[0], kendall, *limits[1], note]


def _limits(correlation: float, error: float) -> tuple[float, float]:
    if math.isnan(error) or abs(correlation) > 1 - 1e-12:
        return math.nan, math.nan
    z, half = math.atanh(correlation), float(stats.norm.ppf(0.975)) * error
    return math.tanh(z - half), math.tanh(z + half)
