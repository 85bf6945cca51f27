"""Learning curves averaged over seeds, one row per method, stage and iteration."""

import numpy as np
import pandas as pd
from scipy import stats

from analysis.data.columns import CELL_METHOD


def average_curves(curves: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Average every curve column over seeds, for each cell, method, stage and iteration.

    Takes the table of `load_curves`, returns dataset, samples_per_class, method, stage, iteration, n (seeds),
    the means, and low and high: the Student t interval of the validation accuracy, nan for one seed. Only
    iterations that every seed reached are kept, so that no line jumps where a seed drops out.
    """
    keys = [*CELL_METHOD, "stage", "iteration"]
    measured = [name for name in curves.columns if name == "validation_accuracy" or name.startswith("loss.")]
    groups = curves.groupby(keys, sort=False)
    table = groups[measured].mean()
    table.insert(0, "n", groups.size())
    counted = groups["validation_accuracy"].count().to_numpy()
    # One seed has no degrees of freedom: scipy gives nan, as it should be.
    half = stats.t.ppf((1 + level) / 2, np.where(counted > 1, counted - 1, np.nan))
    half *= groups["validation_accuracy"].std().to_numpy() / np.sqrt(np.maximum(counted, 1))
    table["low"], table["high"] = table["validation_accuracy"] - half, table["validation_accuracy"] + half
    table = table.reset_index()
    whole = table.groupby([*CELL_METHOD, "stage"], sort=False)["n"].transform("max")
    return table[table["n"] == whole].reset_index(drop=True)


def of_trials(curves: pd.DataFrame, chosen: pd.DataFrame, phase: str) -> pd.DataFrame:
    """Select the curves of one phase that belong to the cells, methods and trials in `chosen`."""
    keys = [*CELL_METHOD, "trial"]
    part = curves[curves["phase"] == phase]
    return part.merge(chosen[keys].drop_duplicates(), on=keys, how="inner")
