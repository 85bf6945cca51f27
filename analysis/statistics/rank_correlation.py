"""Rank correlations with intervals, for whether one order predicts another."""

import math
from collections.abc import Sequence

import pandas as pd
from scipy import stats

FEWEST = 5  # below, the standard error of Kendall's τ, 0.437 / (n − 4), is not there
CORRELATION = ["n", "spearman", "spearman_low", "spearman_high", "kendall", "kendall_low", "kendall_high", "note"]


def rank_correlations(table: pd.DataFrame, first: str, second: str, by: Sequence[str]) -> pd.DataFrame:
    """Compute Spearman's ρ and Kendall's τ_b of two columns within each group, with 95 % intervals.

    Rows that lack either are left out. Intervals by Fisher's z with standard errors √((1 + ρ²/2) / (n − 3)) (Bonett
    and Wright 2000) and √(0.437 / (n − 4)) (Fieller et al. 1957); measured coverage stands in tests/benchmarks.
    No interval below 5 pairs and for orders that agree wholly; no correlation of fewer than 2 pairs or of equal values.
    Columns: those of `by`, n, spearman, spearman_low, spearman_high, kendall, kendall_low, kendall_high, note.
    """
    pairs = table[[*by, first, second]].dropna(subset=[first, second])
    rows = [[*key, *_correlation(group[first], group[second])] for key, group in pairs.groupby(list(by), sort=False)]
    return pd.DataFrame(rows, columns=[*by, *CORRELATION])


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
