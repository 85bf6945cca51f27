"""Correct p values for their number: Holm for a declared family, Benjamini–Hochberg for exploring."""

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.intervals import Numbers


def holm(p: ArrayLike) -> Numbers:
    """Correct p values by Holm's method, in the order given; a missing p (nan) counts in the family as p = 1.

    The k-th smallest of m is multiplied by m − k + 1, and none is below the one before it. The chance of any false
    claim among the m is at most α. Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    # Three lines here, for statsmodels' multipletests runs the garbage collector: 50 ms a call.
    raw = np.asarray(p, dtype=float)
    order = np.argsort(raw, kind="stable")  # nan last
    factors = len(raw) - np.arange(len(raw))
    corrected = np.empty_like(raw)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(factors * raw[order]))
    return corrected


def benjamini_hochberg(p: ArrayLike) -> Numbers:
    """Correct p values by Benjamini and Hochberg's method, in the order given; a missing p (nan) counts as p = 1.

    The k-th smallest of m is multiplied by m / k, and none is above the one after it. Of the findings kept at α, at
    most the share α is expected to be false: for finding what to study next, not for claiming. Benjamini and
    Hochberg, Controlling the false discovery rate, 1995.
    """
    raw = np.asarray(p, dtype=float)
    order = np.argsort(raw, kind="stable")
    factors = len(raw) / np.arange(1, len(raw) + 1)
    stepped = np.where(np.isnan(raw[order]), 1.0, factors * raw[order])
    corrected = np.empty_like(raw)
    corrected[order] = np.minimum(1.0, np.minimum.accumulate(stepped[::-1])[::-1])
    return np.where(np.isnan(raw), np.nan, corrected)
