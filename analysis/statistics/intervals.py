"""Confidence intervals of means, Student t and bootstrap, for one sample or for the rows of a table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special  # not scipy.stats, which takes half a second to import: planning uses this module too

Numbers = NDArray[np.float64]
RESAMPLES = 9_999  # as scipy.stats.bootstrap; the limits of two seedings differ by about a hundredth of the width
FEWEST = 4  # of three values the 2.5 % point of all resamples is the smallest value itself: n^-n > 0.025
CHUNK = 512  # rows resampled together: 40 MB


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence limits, in the unit of the values; nan where there is no interval."""

    mean: float
    low: float
    high: float
    n: int
    cut: bool = False  # whether a limit lay outside the range that the mean can have

    @property
    def note(self) -> str:
        """Remark on the interval, empty for an ordinary one."""
        return interval_note(self.n, math.nan if math.isnan(self.low) else 1.0, cut=self.cut)


def interval_note(n: int, sd: float, *, cut: bool = False) -> str:
    """Remark on an interval of n values with this standard deviation; empty for an ordinary one."""
    if n == 0:
        return "no values"
    if n == 1:
        return "no interval: one value"
    if sd == 0 or math.isnan(sd):
        return f"no interval: all {n} values are equal"
    return "interval cut at the end of the scale" if cut else ""


def t_interval(values: ArrayLike, level: float = 0.95, within: tuple[float, float] | None = None) -> Interval:
    """Compute the mean of independent values with its Student t interval.

    One value has no interval, and neither have values that are all equal: nan, never zero width, and `note` says so.
    Limits beyond `within`, the range that a mean can have, are cut there: this takes no true mean out of the
    interval, so it covers as often as before.
    """
    x = finite(values)
    mean = float(x.mean()) if len(x) else math.nan
    low, high = t_limits(np.array([mean]), np.array([spread(x)]), len(x), level)
    inside_low, inside_high = cut(low, high, within)
    was_cut = bool(inside_low[0] > low[0] or inside_high[0] < high[0])
    return Interval(mean, float(inside_low[0]), float(inside_high[0]), len(x), was_cut)


def t_limits(mean: Numbers, sd: Numbers, n: int, level: float = 0.95) -> tuple[Numbers, Numbers]:
    """Student t limits of many means of n values each; nan where n < 2 and where `sd` is zero."""
    pairs = max(n, 2)
    half = np.where(sd > 0, special.stdtrit(pairs - 1, (1 + level) / 2) * sd / np.sqrt(pairs), math.nan)
    return mean - half, mean + half


def cut(low: Numbers, high: Numbers, within: tuple[float, float] | None) -> tuple[Numbers, Numbers]:
    """Cut limits at the ends of the range `within`."""
    return (low, high) if within is None else (np.maximum(low, within[0]), np.minimum(high, within[1]))


def bca_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Compute the mean with its bias-corrected and accelerated bootstrap interval.

    Efron, Better bootstrap confidence intervals, JASA 1987; equal to scipy.stats.bootstrap with the generator
    `default_rng(0)`, so the same values always give the same limits. It never leaves the range of the values. Below
    `FEWEST` values, and where all are equal, there is none (nan). With few seeds it is too narrow (measured in
    tests/benchmarks/README.md): a second opinion on skewed values, not a replacement of the t interval.
    """
    x = finite(values)
    low, high = bca_limits(x[None, :], level)
    return Interval(float(x.mean()) if len(x) else math.nan, float(low[0]), float(high[0]), len(x))


def bca_limits(samples: ArrayLike, level: float = 0.95) -> tuple[Numbers, Numbers]:
    """BCa limits of the mean of each row of `samples`, shape (rows, n); nan where there is no interval."""
    x = np.atleast_2d(np.asarray(samples, dtype=float))
    rows, n = x.shape
    low, high = np.full(rows, math.nan), np.full(rows, math.nan)
    varied = np.flatnonzero(~_equal(x)) if n >= FEWEST else np.array([], dtype=int)
    if not len(varied):
        return low, high
    drawn = np.random.default_rng(0).integers(0, n, (RESAMPLES, n))
    times = np.zeros((RESAMPLES, n))  # how often each resample has each value: all means are one product
    np.add.at(times, (np.arange(RESAMPLES)[:, None], drawn), 1 / n)
    for start in range(0, len(varied), CHUNK):
        chosen = varied[start : start + CHUNK]
        low[chosen], high[chosen] = _bca(x[chosen], times, level)
    return low, high


def _bca(x: Numbers, times: Numbers, level: float) -> tuple[Numbers, Numbers]:
    mean = x.mean(axis=1)
    resampled = np.sort(x @ times.T, axis=1)
    # Equal means summed in another order differ by rounding, and a tie counts half.
    tolerance = 1e-12 * np.abs(x).sum(axis=1, keepdims=True)
    below = (resampled < mean[:, None] - tolerance).sum(axis=1)
    equal = (np.abs(resampled - mean[:, None]) <= tolerance).sum(axis=1)
    bias = special.ndtri((below + equal / 2) / RESAMPLES)
    pull = x - mean[:, None]  # proportional to what the mean loses when the value is left out
    acceleration = (pull**3).sum(axis=1) / (6 * (pull**2).sum(axis=1) ** 1.5)
    limits = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        shifted = bias + special.ndtri(tail)
        with np.errstate(invalid="ignore"):  # an infinite bias has no interval: nan
            share = special.ndtr(bias + shifted / (1 - acceleration * shifted))
        limits.append(_row_quantiles(resampled, share))
    return limits[0], limits[1]


def _row_quantiles(ordered: Numbers, share: Numbers) -> Numbers:
    """Quantile `share[i]` of row i, linear between neighbours as in numpy; each row in ascending order."""
    place = np.nan_to_num(share) * (ordered.shape[1] - 1)
    floor = np.floor(place).astype(int)
    ceiling = np.minimum(floor + 1, ordered.shape[1] - 1)
    rows = np.arange(len(ordered))
    value = ordered[rows, floor] + (place - floor) * (ordered[rows, ceiling] - ordered[rows, floor])
    return np.where(np.isnan(share), math.nan, value)


def spread(values: ArrayLike) -> float:
    """Sample standard deviation (n − 1): zero for values equal but for rounding, nan below two."""
    x = finite(values)
    return float(spreads(x[None, :])[0])


def spreads(samples: Numbers) -> Numbers:
    """Sample standard deviation of each row, shape (rows, n): as `spread`."""
    if samples.shape[1] < 2:
        return np.full(len(samples), math.nan)
    return np.where(_equal(samples), 0.0, samples.std(axis=1, ddof=1))


def _equal(samples: Numbers) -> NDArray[np.bool_]:
    rounding = 8 * np.finfo(float).eps * np.maximum(1.0, np.abs(samples).max(axis=1))
    equal: NDArray[np.bool_] = np.ptp(samples, axis=1) <= rounding
    return equal


def finite(values: ArrayLike | Sequence[float]) -> Numbers:
    """Flatten the values into an array.

    Raises:
        ValueError: One is nan or infinite.
    """
    x = np.asarray(values, dtype=float).ravel()
    if not np.isfinite(x).all():
        raise ValueError("values must be finite, but some are nan or infinite. Drop missing values first.")
    return x
