"""The sign-flip test: whether paired differences could have had any other signs just as well."""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.intervals import Numbers, finite

EXACT_LIMIT = 16  # 2^16 sign assignments take milliseconds; beyond, they are sampled
DRAWS = 99_999  # of the Monte Carlo test; its p values are multiples of 1 / 100 000
CHUNK = (32, 16_384)  # rows and sign assignments taken at a time: 4 MB


def sign_flip_p(differences: ArrayLike) -> float:
    """Test that paired differences are symmetric about zero: two-sided p of |mean| over sign flips.

    Exact over all 2^n assignments up to n = 16; above, `DRAWS` random ones with a fixed seed, the observed
    one counted in. No differences give nan; differences that are all zero give 1.
    """
    return float(sign_flip_ps(finite(differences)[None, :])[0])


def sign_flip_ps(differences: Numbers) -> Numbers:
    """Test each row of differences, shape (rows, n): as `sign_flip_p`."""
    rows, n = differences.shape
    if n == 0:
        return np.full(rows, math.nan)
    # Equal sums added in another order differ by rounding; they are ties, and ties count.
    observed = np.abs(differences.sum(axis=1)) - 1e-12 * np.abs(differences).sum(axis=1)
    signs = _every_sign(n) if is_exact(n) else _drawn_signs(n)
    reached = np.zeros(rows, dtype=np.int64)
    for first in range(0, len(signs), CHUNK[1]):
        some = signs[first : first + CHUNK[1]].T.astype(float)
        for row in range(0, rows, CHUNK[0]):
            part = slice(row, row + CHUNK[0])
            sums = differences[part] @ some
            reached[part] += np.count_nonzero(np.abs(sums, out=sums) >= observed[part, None], axis=1)
    # Among random assignments the observed one counts too: p is never zero.
    return reached / len(signs) if is_exact(n) else (reached + 1) / (len(signs) + 1)


@lru_cache(maxsize=EXACT_LIMIT)
def _every_sign(n: int) -> NDArray[np.int8]:
    # Flipping every sign keeps |mean|, so the last sign can stay +: half the work, the same share.
    codes = np.arange(2 ** (n - 1))[:, None]
    return np.where((codes >> np.arange(n)) & 1, -1, 1).astype(np.int8)


@lru_cache(maxsize=2)
def _drawn_signs(n: int) -> NDArray[np.int8]:
    signs: NDArray[np.int8] = np.random.default_rng(0).integers(0, 2, (DRAWS, n), dtype=np.int8) * 2 - 1
    return signs


def is_exact(n: int) -> bool:
    """Whether `sign_flip_p` of n differences is exact rather than Monte Carlo."""
    return n <= EXACT_LIMIT


def smallest_attainable_p(n: int) -> float:
    """Least p that the sign-flip test of n pairs gives: 2 / 2^n, 1 / (draws + 1) where sampled."""
    if n < 1:
        return 1.0
    return 2 / 2**n if is_exact(n) else 1 / (DRAWS + 1)
