"""Statistics of paired differences: mean with intervals, test, effect size, probability of improvement."""

import math

import numpy as np
import pandas as pd
from scipy import stats

from analysis.statistics.groups import of_equal_size
from analysis.statistics.intervals import Numbers, bca_limits, cut, interval_note, spreads, t_limits
from analysis.statistics.sign_flips import DRAWS, is_exact, sign_flip_ps

WHOLE = (-1.0, 1.0)  # a difference of two accuracies lies between these
MEASURED = (
    *("n", "difference", "sd", "low", "high", "bca_low", "bca_high", "d_z"),
    *("ahead", "ahead_low", "ahead_high", "p", "test", "note"),
)


def paired_statistics(
    differences: pd.Series, comparisons: int, *, level: float = 0.95, bootstrap: bool = True
) -> pd.DataFrame:
    """Describe and test the paired differences of many comparisons, one row per comparison 0 … `comparisons` − 1.

    `differences` holds one value per pair (−1..1), indexed by the number of its comparison; a comparison without
    pairs has n = 0 and no numbers. Columns:

    n (pairs), difference (mean), sd, low, high (Student t interval, cut at ±1), bca_low, bca_high (BCa bootstrap; nan
    below 4 pairs), d_z (mean / sd, the effect size of paired designs; nan where sd is 0 or unknown), ahead (share
    of pairs above zero, ties half: the probability of improvement) with ahead_low and ahead_high (Clopper–Pearson;
    nan for one pair), p (two-sided sign flips), test (`exact`, `Monte Carlo, 99,999 draws`, or nothing where there
    are no pairs) and note (remarks: no values, one value, equal values, ties). Differences that
    are all equal have no interval. Without `bootstrap` there are no bca_low and bca_high.
    """
    columns = [name for name in MEASURED if bootstrap or not name.startswith("bca_")]
    table = pd.DataFrame({name: np.full(comparisons, math.nan) for name in columns})
    group = differences.index.to_numpy(dtype=np.int64)
    table["n"] = np.bincount(group, minlength=comparisons)
    table["test"] = ["" if n == 0 else "exact" if is_exact(n) else f"Monte Carlo, {DRAWS:,} draws" for n in table["n"]]
    table["note"] = "no values"
    for rows, samples in of_equal_size(differences, group, comparisons):
        for name, column in _statistics(samples, level, bootstrap).items():
            table.loc[rows, name] = column
    return table.astype({"n": int, "note": "string", "test": "string"})


def _statistics(samples: Numbers, level: float, bootstrap: bool) -> dict[str, Numbers | list[str]]:
    n = samples.shape[1]
    mean, sd = samples.mean(axis=1), spreads(samples)
    uncut = t_limits(mean, sd, n, level)
    low, high = cut(*uncut, within=WHOLE)
    wins, ties = (samples > 0).sum(axis=1), (samples == 0).sum(axis=1)
    share = (wins + ties / 2) / n
    ahead_low, ahead_high = share_limits(share * n, n, level)
    was_cut = (low > uncut[0]) | (high < uncut[1])
    notes = [
        _note(interval_note(n, spread, cut=bool(moved)), int(tied))
        for spread, moved, tied in zip(sd, was_cut, ties, strict=True)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = np.where(sd > 0, mean / sd, math.nan)
    resampled = dict(zip(("bca_low", "bca_high"), bca_limits(samples, level), strict=True)) if bootstrap else {}
    return resampled | {
        "difference": mean,
        "sd": sd,
        "low": low,
        "high": high,
        "d_z": effect,
        "ahead": share,
        "ahead_low": ahead_low if n > 1 else np.full(len(samples), math.nan),
        "ahead_high": ahead_high if n > 1 else np.full(len(samples), math.nan),
        "p": sign_flip_ps(samples),
        "note": notes,
    }


def _note(note: str, ties: int) -> str:
    tied = f"{ties} {'tie' if ties == 1 else 'ties'}" if ties and "equal" not in note else ""
    return "; ".join(filter(None, (note, tied)))


def share_limits(count: Numbers, of: int | Numbers, level: float = 0.95) -> tuple[Numbers, Numbers]:
    """Clopper–Pearson limits of a share, which cover at least as often as they say; a tie may count as half.

    Clopper and Pearson, The use of confidence or fiducial limits, 1934. Nan where `of` is zero.
    """
    hits, tries = np.asarray(count, dtype=float), np.asarray(of, dtype=float)
    tail = (1 - level) / 2
    low = np.where(hits > 0, stats.beta.ppf(tail, np.where(hits > 0, hits, 1), tries - hits + 1), 0.0)
    high = np.where(hits < tries, stats.beta.isf(tail, hits + 1, np.where(hits < tries, tries - hits, 1)), 1.0)
    return np.where(tries > 0, low, math.nan), np.where(tries > 0, high, math.nan)
