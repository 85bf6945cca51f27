"""Expected best validation accuracy for every budget, so that methods are not compared at one budget alone."""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

from analysis.data.columns import CELL_METHOD
from analysis.search.suggestions import search_progress
from analysis.statistics.intervals import Numbers

SUPPORTED = 4  # trials there must be for each one of a budget with an interval; beyond, none covers (see below)
FEWEST = 8  # suggestions below which no budget has an interval
MOST = 40  # budgets per search; a longer search is shown at so many, evenly spread in ratio


def budget_curves(results: pd.DataFrame) -> pd.DataFrame:
    """Estimate the best validation accuracy to be expected of k suggestions of each search, with its interval.

    The expected maximum over all subsets of k of the N suggestions tried, weights C(i − 1, k − 1) / C(N, k) on the
    i-th lowest (Dodge et al., Show your work, 2019, without replacement: Tang et al., Showing your work doesn't always
    work, 2020). It takes the suggestions as if drawn in random order; a sampler that learns does better late than this.
    A suggestion that did not complete costs and never wins.

    Columns: dataset, samples_per_class, method, tried (k), of (N), pflop (k suggestions at the search's mean cost; the
    x axis on which methods are compared fairly), expected (0..1, given that one of the k completed), low, high (95 %
    jackknife t interval, cut at 0 and 1), none (probability that none of the k completed) and note.

    No interval (nan) for k > N / 4: the best of many is decided by the few highest values. Measured (tests/benchmarks):
    bootstrap percentiles cover 46 to 66 % at k = N, 68 to 85 % at N / 2; the jackknife 89 to 95 % up to N / 4, and
    78 to 95 % where a few suggestions are far better than all others.
    """
    searches = search_progress(results).groupby(CELL_METHOD, sort=False)
    curves = {key: _curve(search) for key, search in searches}
    columns = [*CELL_METHOD, "tried", "of", "pflop", "expected", "low", "high", "none", "note"]
    return (
        pd.concat(curves, names=CELL_METHOD).reset_index(CELL_METHOD).reset_index(drop=True)[columns]
        if curves
        else pd.DataFrame(columns=columns)
    )


def _curve(search: pd.DataFrame) -> pd.DataFrame:
    accuracy = search["validation_accuracy"].to_numpy(dtype=float)
    tried = budgets(len(accuracy))
    expected, error, none = expected_best(accuracy, tried)
    of = len(accuracy)
    supported = (tried * SUPPORTED <= of) & (of >= FEWEST)
    varied = error > 1e-12  # less is rounding: all values are equal
    half = np.where(supported & varied, stats.t.ppf(0.975, max(of - 1, 1)) * error, math.nan)
    degenerate = np.where(np.isnan(error), "no interval: too few completed", "no interval: all values are equal")
    notes = np.where(supported, np.where(varied, "", degenerate), _unsupported(of))
    return pd.DataFrame(
        {
            "tried": tried,
            "of": of,
            "pflop": tried * search["pflop"].mean(),
            "expected": expected,
            "low": np.maximum(expected - half, 0.0),
            "high": np.minimum(expected + half, 1.0),
            "none": none,
            "note": np.where(np.isnan(expected), "no suggestion completed", notes),
        }
    )


def _unsupported(of: int) -> str:
    enough = f"{of // SUPPORTED} of {of}" if of >= FEWEST else f"none of {of}"
    return f"no interval: suggestions enough for the best of {enough}"


def budgets(of: int) -> NDArray[np.int64]:
    """Choose the budgets 1 … `of` at which a curve is computed: all, or `MOST` of them evenly spread in ratio."""
    every = np.arange(1, of + 1)
    return every if of <= MOST else np.unique(np.geomspace(1, of, MOST).round().astype(np.int64))


def expected_best(accuracy: Numbers, tried: NDArray[np.int64]) -> tuple[Numbers, Numbers, Numbers]:
    """Expected maximum of k randomly chosen values, its jackknife standard error, and the chance that none completed.

    `accuracy` has nan for what did not complete; `tried` are the k. Three arrays as long as `tried`; nan where nothing
    completed, and for the error also where leaving a value out leaves none to choose from.
    """
    ranked = np.sort(np.where(np.isnan(accuracy), -math.inf, accuracy))
    done = np.isfinite(ranked)
    values, n = np.where(done, ranked, 0.0), len(ranked)
    if not done.any():
        return np.full(len(tried), math.nan), np.full(len(tried), math.nan), np.ones(len(tried))
    weights = _weights(n, tried)
    share = weights @ done
    expected = weights @ values / share
    # Without value i those below keep their rank and those above lose one.
    fewer = _weights(n - 1, tried)
    remaining = _left_out(fewer, done)
    without = _left_out(fewer, values) / np.where(remaining > 0, remaining, math.nan)
    deviations = without - without.mean(axis=1, keepdims=True)
    error = np.sqrt((n - 1) / n * (deviations**2).sum(axis=1))
    return expected, error, np.clip(1 - share, 0.0, 1.0)


def _weights(n: int, tried: NDArray[np.int64]) -> Numbers:
    """Chance that the i-th lowest of n is the highest of k random ones, shape (len(tried), n)."""
    below, k = np.arange(n)[None, :], tried[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = _log_choose(below, k - 1) - _log_choose(np.full_like(below, n), k)
    return np.where((below >= k - 1) & (k <= n), np.exp(logarithm), 0.0)


def _log_choose(n: NDArray[np.int64], k: NDArray[np.int64]) -> Numbers:
    possible = np.maximum(n, k)  # impossible ones are set to zero by the caller
    logarithm: Numbers = special.gammaln(possible + 1) - special.gammaln(k + 1) - special.gammaln(possible - k + 1)
    return logarithm


def _left_out(weights: Numbers, values: Numbers | NDArray[np.bool_]) -> Numbers:
    """Sum of weights × other values for each value left out: shape (budgets, n) from weights of n − 1."""
    below = np.pad(np.cumsum(weights * values[:-1], axis=1), ((0, 0), (1, 0)))
    above = np.cumsum((weights * values[1:])[:, ::-1], axis=1)[:, ::-1]
    return below + np.pad(above, ((0, 0), (0, 1)))
