"""What a number of paired seeds can detect, by arithmetic alone: planning must not wait for scipy.

The test is the report's, the exact two-sided sign-flip test of paired differences, here taken as normal.
"""

import math
from collections.abc import Callable
from statistics import NormalDist

NORMAL = NormalDist()
STEPS = 400
"""Of the numerical integral over the standard deviation that n pairs happen to show."""


def detectable_difference(pairs: int, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The true mean difference that the test finds with the given power, in standard deviations of the differences.

    inf where no result of so few pairs is significant at `alpha`.
    """
    level = attainable(pairs, alpha)
    if not level:
        return math.inf
    if level * 2 ** (pairs - 1) == 1:  # only pairs of one sign throughout are significant
        return bisected(lambda d: NORMAL.cdf(d) ** pairs + NORMAL.cdf(-d) ** pairs, power)
    weights = spread_weights(pairs - 1)
    # The sign-flip test has the power of the t test at the same level.
    critical = bisected(lambda c: 1 - beyond(c, 0.0, weights), 1 - level)
    return bisected(lambda d: beyond(critical, d * math.sqrt(pairs), weights), power)


def attainable(pairs: int, alpha: float) -> float:
    """The largest p below `alpha` that n sign flips can give, k · 2 / 2^n; 0 where there is none."""
    steps = 1 << (pairs - 1)
    return (math.ceil(alpha * steps) - 1) / steps


def beyond(critical: float, shift: float, weights: list[tuple[float, float]]) -> float:
    """P(|T| > critical) of the noncentral t distribution."""
    return sum(
        weight * (NORMAL.cdf(shift - critical * spread) + NORMAL.cdf(-shift - critical * spread))
        for spread, weight in weights
    )


def spread_weights(freedom: int) -> list[tuple[float, float]]:
    """Values of the standard deviation that n normal values show, in true ones, and their probabilities."""
    width = 8 / math.sqrt(2 * freedom)
    low, high = max(0.0, 1 - width), 1 + width
    spreads = [low + (index + 0.5) * (high - low) / STEPS for index in range(STEPS)]
    logs = [(freedom - 1) * math.log(spread) - freedom * spread**2 / 2 for spread in spreads]
    densities = [math.exp(value - max(logs)) for value in logs]
    whole = math.fsum(densities)
    return [(spread, density / whole) for spread, density in zip(spreads, densities, strict=True)]


def bisected(rising: Callable[[float], float], wanted: float) -> float:
    """Where a function that rises from x = 0 reaches a value."""
    low, high = 0.0, 1.0
    while rising(high) < wanted:
        low, high = high, 2 * high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < wanted else (low, middle)
    return high
