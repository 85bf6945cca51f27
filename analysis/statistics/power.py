"""Power of paired tests: the difference that a number of seeds detects, and the seeds that a difference takes."""

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special  # not scipy.stats, not scipy.optimize, no pandas: planning a study must not wait for them

from analysis.statistics.intervals import Numbers
from analysis.statistics.sign_flips import DRAWS, EXACT_LIMIT

if TYPE_CHECKING:
    import pandas as pd

Test = Literal["t", "sign_flip"]
SETTLED = 10_000  # pairs from which the t and the normal distribution agree to less than a seed in a thousand
PRECISION = 1e-13  # of the detectable difference, relative
SPREAD_LEVEL = 0.8  # one-sided; what Browne (1995) advises for a standard deviation from a small pilot


def detectable_difference(sd: float, n: int, *, alpha: float = 0.05, power: float = 0.8, test: Test = "t") -> float:
    """Compute the true mean difference that a paired two-sided test of n pairs finds with the given power.

    In the unit of `sd`, the standard deviation of the paired differences, taken as normal. nan where `sd` is unknown
    or below two pairs; inf where the sign-flip test of n pairs cannot reach `alpha` at all.
    """
    if n < 2 or math.isnan(sd):
        return math.nan
    if n < fewest_pairs(alpha, test):
        return math.inf
    if sd == 0:
        return 0.0

    def found(effect: float) -> bool:
        return bool(paired_power(effect, n, alpha=alpha, test=test) >= power)

    low, high = 0.0, _normal_effect(alpha, power) / math.sqrt(n)
    while not found(high):
        low, high = high, 2 * high
    while high - low > PRECISION * high:
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high * sd


def seeds_needed(sd: float, difference: float, *, alpha: float = 0.05, power: float = 0.8, test: Test = "t") -> float:
    """Compute the least number of pairs with which a paired two-sided test finds `difference` with the given power.

    Both in one unit; `sd` of the paired differences. A whole number as float, because nan says that `sd` is
    unknown, and inf that no number of pairs would do (a family so large that the Monte Carlo test's draws limit it).

    Raises:
        ValueError: `difference` is not above zero.
    """
    return float(seeds_needed_each([sd], difference, alpha=alpha, power=power, test=test)[0])


def seeds_needed_each(
    sd: ArrayLike, difference: ArrayLike, *, alpha: float = 0.05, power: float = 0.8, test: Test = "t"
) -> Numbers:
    """`seeds_needed` for many standard deviations at once, in the order given, of one difference or one for each."""
    spread, wanted = np.broadcast_arrays(np.asarray(sd, dtype=float), np.asarray(difference, dtype=float))
    if np.any(wanted <= 0):
        raise ValueError(f"`difference > 0` must hold, but got {wanted.min()}.")
    with np.errstate(divide="ignore"):
        effects = wanted / spread
    fewest = fewest_pairs(alpha, test)
    if math.isinf(fewest):
        return np.where(np.isnan(effects), math.nan, math.inf)
    normal = (_normal_effect(alpha, power) / effects) ** 2
    n: Numbers = np.ceil(normal)
    # The t test always needs a little more than the normal approximation, never less.
    searched = np.flatnonzero(normal <= SETTLED)
    n[searched] = np.maximum(fewest, np.floor(normal[searched]))
    while len(searched):
        searched = searched[paired_power(effects[searched], n[searched], alpha=alpha, test=test) < power]
        n[searched] += 1
    return n


def _normal_effect(alpha: float, power: float) -> float:
    """Shift, in standard errors, that a two-sided normal test finds with the given power."""
    return float(special.ndtri(power) - special.ndtri(alpha / 2))


def fewest_pairs(alpha: float, test: Test) -> float:
    """Number of pairs below which no result is significant at `alpha`; inf if every number is too small."""
    if test == "t":
        return 2.0
    enough = [n for n in range(2, EXACT_LIMIT + 2) if _level(n, alpha, test) > 0]
    return float(enough[0]) if enough else math.inf


def paired_power(effect: ArrayLike, n: ArrayLike, *, alpha: float = 0.05, test: Test = "t") -> Numbers:
    """Compute the chance that a two-sided test of n pairs finds a true difference of `effect` standard deviations.

    For normal differences. Exact for t; for sign flips that of the t test at the largest level below `alpha` that the
    2^n assignments allow, or, where that is 2 / 2^n, the chance that all n have one sign.
    """
    d, pairs = np.broadcast_arrays(np.asarray(effect, dtype=float), np.asarray(n, dtype=float))
    whole = pairs.astype(int)
    levels = np.array([_level(int(k), alpha, test) for k in whole.ravel()]).reshape(whole.shape)
    found = _t_power(d, pairs, np.where(levels > 0, levels, 0.5))
    if test == "sign_flip":
        at_the_floor = (whole <= EXACT_LIMIT) & (levels * 2.0 ** (np.minimum(whole, EXACT_LIMIT) - 1) == 1)
        found = np.where(at_the_floor, special.ndtr(d) ** whole + special.ndtr(-d) ** whole, found)
    return np.where(levels > 0, found, 0.0)


def _level(n: int, alpha: float, test: Test) -> float:
    """Largest p below `alpha` that the test of n pairs can give: α itself for t, k · 2 / 2^n for sign flips."""
    if test == "t":
        return alpha
    steps = 2 ** (n - 1) if n <= EXACT_LIMIT else DRAWS + 1
    return (math.ceil(alpha * steps) - 1) / steps


def _t_power(effect: Numbers, n: Numbers, alpha: Numbers) -> Numbers:
    critical, shift = -special.stdtrit(n - 1, alpha / 2), effect * np.sqrt(n)
    sure = shift > critical + 40
    shift = np.where(sure, 0.0, shift)
    # Beyond a shift of 4 the far tail is below 0.0001, and scipy's value for it may be nan.
    far = np.where(shift < 4, special.nctdtr(n - 1, np.minimum(shift, 4), -critical), 0.0)
    return np.where(sure, 1.0, 1 - special.nctdtr(n - 1, shift, critical) + far)


def spread_limit(sd: ArrayLike, n: ArrayLike, level: float = SPREAD_LEVEL) -> Numbers:
    """Upper confidence limit of a standard deviation from n normal values; nan below two."""
    pairs = np.asarray(n, dtype=float)
    freedom = np.where(pairs > 1, pairs - 1, math.nan)
    limit: Numbers = np.asarray(sd, dtype=float) * np.sqrt(freedom / special.chdtri(freedom, level))
    return limit


def plan_seeds(
    pilot: "pd.DataFrame",
    *,
    differences: ArrayLike = (0.5, 1.0, 2.0),
    family: int | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> "pd.DataFrame":
    """Plan the seeds that each comparison of a pilot would take, by the sign-flip test after correction.

    `pilot` is the table of `compare`, or any with `sd` (of the paired differences, 0..1) and `n`; `differences` are in
    percentage points. One row per row of the pilot and difference, with the columns that name the pilot's row, then
    pilot_n, sd, points, seeds (as `seeds_needed` at α / `family`, by default the pilot's number of rows: Bonferroni, so
    rather too many) and seeds_cautious: the same from the upper 80 % confidence limit of `sd`, for a pilot of few seeds
    may have been lucky.
    """
    import pandas as pd

    naming = [
        name
        for name in ("dataset", "samples_per_class", "method", "baseline", "at", "factor", "level")
        if name in pilot
    ]
    each = {"alpha": alpha / (family or max(len(pilot), 1)), "power": power}
    limit = spread_limit(pilot["sd"], pilot["n"])
    tables = []
    for points in np.atleast_1d(np.asarray(differences, dtype=float)):
        table = pilot[[*naming, "n", "sd"]].rename(columns={"n": "pilot_n"}).assign(points=float(points))
        table["seeds"] = seeds_needed_each(pilot["sd"], points / 100, **each, test="sign_flip")
        table["seeds_cautious"] = seeds_needed_each(limit, points / 100, **each, test="sign_flip")
        tables.append(table)
    return pd.concat(tables).sort_index(kind="stable").reset_index(drop=True)


def detectable_each(sd: ArrayLike, n: NDArray[np.int64], *, alpha: float, power: float = 0.8) -> Numbers:
    """`detectable_difference` of the sign-flip test for many comparisons at once, in the unit of `sd`."""
    unit = {int(k): detectable_difference(1.0, int(k), alpha=alpha, power=power, test="sign_flip") for k in set(n)}
    product: Numbers = np.asarray(sd, dtype=float) * np.array([unit[int(k)] for k in n])
    return product
