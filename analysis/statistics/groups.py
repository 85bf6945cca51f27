"""Group many samples by their size, one matrix for each, so that hundreds of methods take a moment."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.intervals import Numbers


def of_equal_size(values: ArrayLike, group: ArrayLike, groups: int) -> Iterator[tuple[NDArray[np.int64], Numbers]]:
    """Yield the samples of each size n > 0: their numbers, and their values with shape (samples, n).

    `group` says to which sample, 0 … `groups` − 1, each value belongs; values keep their order.
    """
    belongs = np.asarray(group, dtype=np.int64)
    in_order = np.asarray(values, dtype=float)[np.argsort(belongs, kind="stable")]
    counts = np.bincount(belongs, minlength=groups)
    starts = np.cumsum(counts) - counts
    for n in np.unique(counts[counts > 0]):
        chosen = np.flatnonzero(counts == n)
        yield chosen, in_order[starts[chosen][:, None] + np.arange(n)]
