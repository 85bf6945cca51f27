"""Means, intervals, tests and power for a handful of seeds: numbers in, numbers out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

EXACT_LIMIT = 16  # 2^16 sign assignments take milliseconds; beyond, they are sampled
DRAWS = 99_999  # of the Monte Carlo test; its p values are multiples of 1 / 100 000


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence limits, in the unit of the values; nan where there is no interval."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def note(self) -> str:
        """What the reader must be told about this interval, empty when it is an ordinary one."""
        if self.n == 0:
            return "no values"
        if self.n == 1:
            return "no interval: one value"
        return f"all {self.n} values are equal" if self.low == self.high else ""


def t_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """The mean of independent values with its Student t interval.

    One value has no interval (nan, never zero width); equal values have one of zero width, which `note` says.
    """
    x = _finite(values)
    n = len(x)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = float(x.mean())
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * spread(x) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def spread(values: ArrayLike) -> float:
    """The sample standard deviation (n − 1): zero for values equal but for rounding, nan below two."""
    x = _finite(values)
    if len(x) < 2:
        return math.nan
    rounding = 8 * np.finfo(float).eps * max(1.0, float(np.abs(x).max()))
    return 0.0 if np.ptp(x) <= rounding else float(x.std(ddof=1))


def sign_flip_p(differences: ArrayLike) -> float:
    """Two-sided p that paired differences are symmetric about zero, by |mean| over sign flips.

    Exact over all 2^n assignments up to n = 16; above, `DRAWS` random ones with a fixed seed, the observed
    one counted in. No differences give nan; differences that are all zero give 1.
    """
    d = _finite(differences)
    n = len(d)
    if n == 0:
        return math.nan
    if n <= EXACT_LIMIT:
        # Flipping every sign keeps |mean|, so the first sign can stay +: half the work, the same share.
        sums = _signs(n) @ d
        counted, of = 0, len(sums)
    else:
        signs = np.random.default_rng(0).integers(0, 2, (DRAWS, n), dtype=np.int8) * 2 - 1
        sums = signs @ d
        counted, of = 1, DRAWS + 1
    # Equal sums added in another order differ by rounding; they are ties, and ties count.
    tolerance = 1e-12 * float(np.abs(d).sum())
    return (counted + int(np.sum(np.abs(sums) >= abs(d.sum()) - tolerance))) / of


@lru_cache(maxsize=EXACT_LIMIT)
def _signs(n: int) -> NDArray[np.float64]:
    codes = np.arange(2 ** (n - 1))[:, None]
    return np.where((codes >> np.arange(n)) & 1, -1.0, 1.0)


def is_exact(n: int) -> bool:
    """Whether `sign_flip_p` of n differences is exact rather than Monte Carlo."""
    return n <= EXACT_LIMIT


def smallest_attainable_p(n: int) -> float:
    """The least p that the sign-flip test of n pairs gives: 2 / 2^n, 1 / (draws + 1) where sampled."""
    if n < 1:
        return 1.0
    return 2 / 2**n if is_exact(n) else 1 / (DRAWS + 1)


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Holm's corrected p values, in the order given; a missing p (nan) counts in the family as p = 1.

    The k-th smallest of m is multiplied by m − k + 1, and none is below the one before it.
    """
    # Three lines here, for statsmodels' multipletests runs the garbage collector: 50 ms a call.
    raw = np.asarray(p, dtype=float)
    order = np.argsort(raw, kind="stable")  # nan last
    factors = len(raw) - np.arange(len(raw))
    corrected = np.empty_like(raw)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(factors * raw[order]))
    return corrected


def detectable_difference(sd: float, n: int, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The true mean difference that a paired two-sided t test of n pairs finds with the given power.

    In the unit of `sd`, the standard deviation of the paired differences. nan below two pairs.
    """
    if n < 2 or math.isnan(sd):
        return math.nan
    if sd == 0:
        return 0.0
    low = 0.0
    high = (stats.norm.isf(alpha / 2) + stats.norm.ppf(power)) / math.sqrt(n)
    while _power(high, n, alpha) < power:
        low, high = high, 2 * high
    effect = optimize.brentq(lambda d: _power(d, n, alpha) - power, low, high)
    return float(effect) * sd


def seeds_needed(sd: float, difference: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The least number of pairs with which a paired two-sided t test finds `difference` with the given power.

    Both in one unit; `sd` of the paired differences. A whole number as float, because nan says that `sd` is
    unknown.

    Raises:
        ValueError: `difference` is not above zero.
    """
    if not difference > 0:
        raise ValueError(f"`difference > 0` must hold, but got {difference}.")
    if math.isnan(sd):
        return math.nan
    effect = difference / sd if sd > 0 else math.inf
    if math.isinf(effect):
        return 2.0
    normal = ((stats.norm.isf(alpha / 2) + stats.norm.ppf(power)) / effect) ** 2
    if normal > 10_000:  # there the t and the normal distribution agree to less than a seed in a thousand
        return float(math.ceil(normal))
    # The t test always needs a little more than the normal approximation, never less.
    n = max(2, math.floor(normal))
    while _power(effect, n, alpha) < power:
        n += 1
    return float(n)


def _power(effect: float, n: int, alpha: float) -> float:
    critical = stats.t.ppf(1 - alpha / 2, n - 1)
    shift = effect * math.sqrt(n)
    # Beyond a shift of 8 the far tail is below 1e-15, and scipy's value for it may be nan.
    far = stats.nct.cdf(-critical, n - 1, shift) if shift < 8 else 0.0
    return float(stats.nct.sf(critical, n - 1, shift) + far)


def _finite(values: ArrayLike | Sequence[float]) -> NDArray[np.float64]:
    x = np.asarray(values, dtype=float).ravel()
    if not np.isfinite(x).all():
        raise ValueError("values must be finite, but some are nan or infinite. Drop missing values first.")
    return x
