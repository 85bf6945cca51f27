"""Summaries over all cells: inter-quartile mean, performance profile, probability of improvement.

The statistics are those of Agarwal et al., Deep reinforcement learning at the edge of the statistical precipice, 2021
(rliable), with runs = seeds and tasks = cells. Intervals are percentiles of a bootstrap that resamples seeds within
each cell and keeps the cells, so they speak of these cells and of no others.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.comparison.confirmed import confirmed, measured
from analysis.comparison.differences import paired_differences
from analysis.data.columns import CELL
from analysis.methods import ordered
from analysis.statistics.intervals import Numbers

RESAMPLES = 2_000  # as rliable advises for intervals that are printed with one decimal
THRESHOLDS = 51
Statistic = Callable[[Numbers], Numbers]  # of runs along the last axis


def aggregate(results: pd.DataFrame, against: str | None = None, *, shared_seeds: bool = False) -> pd.DataFrame:
    """Average test accuracy over all cells and seeds: inter-quartile mean and mean, one row per method.

    With `against`, of the paired differences to that method instead (0..1, signed), which takes out how hard each cell
    is. The inter-quartile mean leaves out the lowest and the highest quarter of the runs, so that no single cell or
    seed decides it. `shared_seeds` resamples whole seeds, those measured in every cell: use it where the effect of a
    seed is common to all cells, as where its subset in one cell contains its subset in another. Measured coverage of
    the mean: 93 % without and 89 % with it where seeds share nothing, 76 and 89 % where they share half.

    Columns: method, cells, n (runs), iqm, iqm_low, iqm_high, mean, mean_low, mean_high (95 % stratified bootstrap,
    nan where a cell has one seed or no run differs from another), note.
    """
    rows = []
    for method, scores in _scores(results, against):
        if shared_seeds:
            shared = _shared(scores)
            runs, resampled, note = shared.ravel(), _resampled_seeds(shared), _shared_note(scores, shared)
        else:
            runs, resampled, note = scores["score"].to_numpy(dtype=float), _resampled(scores), _note(scores)
        row: list[object] = [method, scores["cell"].nunique(), len(runs)]
        for statistic in (inter_quartile_mean, _plain_mean):
            row += [float(statistic(runs)) if len(runs) else math.nan, *_limits(resampled, statistic)]
        rows.append([*row, note])
    columns = ["method", "cells", "n", "iqm", "iqm_low", "iqm_high", "mean", "mean_low", "mean_high", "note"]
    return pd.DataFrame(rows, columns=columns)


def profiles(
    results: pd.DataFrame, thresholds: Sequence[float] | None = None, against: str | None = None
) -> pd.DataFrame:
    """Performance profile of each method: the share of all its runs above each threshold.

    A method whose profile lies above another's everywhere is better at every level, not only on average. `thresholds`
    (0..1, or of differences with `against`) are by default 51 from the lowest to the highest run. Columns: method,
    threshold, share, low, high (95 % stratified bootstrap, for each threshold alone; nan where all runs lie on one
    side of it), n (runs), note.
    """
    scored = _scores(results, against)
    everything = np.concatenate([scores["score"] for _, scores in scored]) if scored else np.array([])
    if thresholds is None:
        thresholds = np.linspace(everything.min(), everything.max(), THRESHOLDS).tolist() if len(everything) else []
    tables = []
    for method, scores in scored:
        above = scores["score"].to_numpy(dtype=float)[:, None] > np.asarray(thresholds)
        low, high = (
            np.where(above.any(axis=0) & ~above.all(axis=0), limit, math.nan) for limit in _mean_limits(scores, above)
        )
        table = pd.DataFrame({"method": method, "threshold": thresholds, "share": above.mean(axis=0)})
        tables.append(table.assign(low=low, high=high, n=len(scores), note=_note(scores)))
    columns = ["method", "threshold", "share", "low", "high", "n", "note"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def improvement(results: pd.DataFrame, family: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Probability that a method beats its baseline with the same seed; every cell counts alike.

    The mean over cells of the share of paired seeds ahead, a tie half; rliable's counts all pairs of runs, for it knows
    no pairing. Columns: method, baseline, cells, n (pairs), probability (0..1), low, high (95 % stratified
    bootstrap), note.
    """
    pairs = [(method, baseline) for method, baselines in family.items() for baseline in baselines]
    runs = paired_differences(results, pairs)
    runs = runs.assign(score=(np.sign(runs["difference"]) + 1) / 2, cell=_cells(runs))
    by_pair = dict(list(runs.groupby(["method", "baseline"], sort=False)))
    rows = []
    for pair in pairs:
        scores = by_pair.get(pair, runs.iloc[:0]).sort_values("cell", kind="stable")
        # Each run stands for its share of the cell, so that cells count alike however many seeds they have.
        sizes = scores.groupby("cell")["score"].transform("size")
        weight = len(scores) / (sizes * max(scores["cell"].nunique(), 1))
        low, high = _mean_limits(scores, (scores["score"] * weight).to_numpy(dtype=float)[:, None])
        limits = (float(low[0]), float(high[0])) if low[0] < high[0] else (math.nan, math.nan)
        probability = float((scores["score"] * weight).mean()) if len(scores) else math.nan
        rows.append([*pair, scores["cell"].nunique(), len(scores), probability, *limits, _note(scores, weighted=True)])
    return pd.DataFrame(rows, columns=["method", "baseline", "cells", "n", "probability", "low", "high", "note"])


def inter_quartile_mean(runs: Numbers) -> Numbers:
    """Mean of the middle half along the last axis, equal to scipy.stats.trim_mean(runs, 0.25)."""
    left_out = runs.shape[-1] // 4
    middle = np.sort(runs, axis=-1)[..., left_out : runs.shape[-1] - left_out]
    return np.asarray(middle.mean(axis=-1))


def _plain_mean(runs: Numbers) -> Numbers:
    return np.asarray(runs.mean(axis=-1))


def _scores(results: pd.DataFrame, against: str | None) -> list[tuple[str, pd.DataFrame]]:
    """Columns cell (a number), seed and score of the runs of each method, in order."""
    methods = ordered(results["method"], results.attrs.get("methods", ()))
    if against is None:
        runs = measured(confirmed(results)).rename(columns={"test_accuracy": "score"})
    else:
        pairs = [(method, against) for method in methods if method != against]
        runs = paired_differences(results, pairs).rename(columns={"difference": "score"})
    runs = runs.assign(cell=_cells(runs)).sort_values("cell", kind="stable")
    by_method = {str(method): group for method, group in runs.groupby("method", sort=False)}
    return [(method, by_method[method]) for method in methods if method in by_method]


def _cells(runs: pd.DataFrame) -> pd.Series:
    return runs.groupby(CELL, sort=False).ngroup()


def _shared(scores: pd.DataFrame) -> Numbers:
    return scores.pivot(index="seed", columns="cell", values="score").dropna().to_numpy(dtype=float)


def _mean_limits(scores: pd.DataFrame, values: Numbers | NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
    """Limits of the mean of each column of `values`, shape (runs, columns), runs in the order of `scores`."""
    sizes = tuple(scores.groupby("cell").size())
    if min(sizes, default=0) < 2:
        return np.full(values.shape[1], math.nan), np.full(values.shape[1], math.nan)
    low, high = np.quantile(_times(sizes) @ values / len(values), [0.025, 0.975], axis=0)
    return low, high


def _resampled(scores: pd.DataFrame) -> Numbers | None:
    """Runs resampled within each cell, shape (`RESAMPLES`, runs); None where a cell has one seed."""
    sizes = tuple(scores.groupby("cell").size())
    return scores["score"].to_numpy(dtype=float)[_draws(sizes)] if min(sizes, default=0) > 1 else None


def _resampled_seeds(shared: Numbers) -> Numbers | None:
    """Runs resampled by whole rows of `shared`, shape (seeds, cells); None for one row."""
    drawn = np.random.default_rng(0).integers(0, len(shared), (RESAMPLES, len(shared))) if len(shared) > 1 else None
    return None if drawn is None else shared[drawn].reshape(RESAMPLES, -1)


@lru_cache(maxsize=1)  # 40 MB for 5,000 runs; methods with equal numbers of runs follow one another
def _draws(sizes: tuple[int, ...]) -> NDArray[np.int32]:
    rng = np.random.default_rng(0)
    starts = np.cumsum([0, *sizes[:-1]])
    parts = [start + rng.integers(0, n, (RESAMPLES, n)) for start, n in zip(starts, sizes, strict=True)]
    return np.concatenate(parts, axis=1).astype(np.int32)


@lru_cache(maxsize=8)
def _times(sizes: tuple[int, ...]) -> Numbers:
    """Count how often each resample has each run, so that every resampled mean is one product."""
    times = np.zeros((RESAMPLES, sum(sizes)))
    np.add.at(times, (np.arange(RESAMPLES)[:, None], _draws(sizes)), 1)
    return times


def _note(scores: pd.DataFrame, *, weighted: bool = False) -> str:
    sizes = scores.groupby("cell").size()
    if scores.empty:
        return "no values"
    if sizes.min() < 2:
        return "no interval: a cell has one seed"
    if scores["score"].nunique() == 1:
        return "no interval: all values are equal"
    return "" if weighted or sizes.nunique() == 1 else "cells with more seeds count more"


def _shared_note(scores: pd.DataFrame, shared: Numbers) -> str:
    if len(shared) < 2:
        return "no interval: fewer than two seeds measured in every cell"
    if scores["score"].nunique() == 1:
        return "no interval: all values are equal"
    left_out = len(scores) - shared.size
    return f"{left_out} runs left out: their seeds were not measured in every cell" if left_out else ""


def _limits(resampled: Numbers | None, statistic: Statistic) -> tuple[float, float]:
    if resampled is None:
        return math.nan, math.nan
    low, high = np.quantile(statistic(resampled), [0.025, 0.975])
    # An interval of zero width would look like certainty.
    return (float(low), float(high)) if low < high else (math.nan, math.nan)
