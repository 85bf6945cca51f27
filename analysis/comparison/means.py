"""Mean test accuracy of every method over its confirm seeds, with intervals."""

import math

import numpy as np
import pandas as pd

from analysis.comparison.confirmed import confirmed, measured
from analysis.data.columns import CELL_METHOD
from analysis.statistics.groups import of_equal_size
from analysis.statistics.intervals import Numbers, bca_limits, cut, interval_note, spreads, t_limits

UNFINISHED = ("stopped", "diverged", "oom", "failed")


def means(results: pd.DataFrame) -> pd.DataFrame:
    """Average the test accuracy of each cell and method over its completed confirm seeds.

    Columns: dataset, samples_per_class, method, n (seeds), mean, sd, low, high (95 % Student t interval, cut at 0 and
    1), bca_low, bca_high (95 % BCa bootstrap; nan below 4 seeds), note, and the confirm trials that ended as stopped,
    diverged, oom, failed. Accuracies in 0..1. One seed, and seeds that all gave the same, have no interval (nan).
    """
    trials = confirmed(results)
    table = trials[CELL_METHOD].drop_duplicates(ignore_index=True)
    found = measured(trials).merge(table.reset_index(names="row"), on=CELL_METHOD)
    table["n"] = np.bincount(found["row"], minlength=len(table))
    table[["mean", "sd", "low", "high", "bca_low", "bca_high"]] = math.nan
    table["note"] = "no values"
    for rows, samples in of_equal_size(found["test_accuracy"], found["row"], len(table)):
        for name, column in averages(samples).items():
            table.loc[rows, name] = column
    ended = trials.groupby([*CELL_METHOD, "status"], sort=False).size().unstack("status", fill_value=0)
    ended = ended.reindex(columns=list(UNFINISHED), fill_value=0).astype(int)
    return table.merge(ended.reset_index(), on=CELL_METHOD, how="left")


def averages(samples: Numbers) -> dict[str, Numbers | list[str]]:
    """Average each row of accuracies, shape (rows, seeds), with its limits and a note, as in `means`."""
    n = samples.shape[1]
    mean, sd = samples.mean(axis=1), spreads(samples)
    uncut = t_limits(mean, sd, n)
    low, high = cut(*uncut, within=(0.0, 1.0))
    was_cut = (low > uncut[0]) | (high < uncut[1])
    notes = [interval_note(n, spread, cut=bool(moved)) for spread, moved in zip(sd, was_cut, strict=True)]
    bca_low, bca_high = bca_limits(samples)
    limits = {"low": low, "high": high, "bca_low": bca_low, "bca_high": bca_high}
    return {"mean": mean, "sd": sd, **limits, "note": notes}
