"""Learning curves ready to be drawn: averages over seeds, one row per method, stage and iteration."""

import pandas as pd


def average_curves(curves: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds of every curve column, for each cell, method, stage and iteration.

    Takes the table of `load_curves`, returns dataset, samples_per_class, method, stage, iteration, n (seeds)
    and the means. Only iterations that every seed reached are kept, so that no line jumps where a seed drops
    out.
    """
    keys = ["dataset", "samples_per_class", "method", "stage", "iteration"]
    measured = [name for name in curves.columns if name == "validation_accuracy" or name.startswith("loss.")]
    groups = curves.groupby(keys, sort=False)
    table = groups[measured].mean()
    table.insert(0, "n", groups.size())
    table = table.reset_index()
    whole = table.groupby(["dataset", "samples_per_class", "method", "stage"], sort=False)["n"].transform("max")
    return table[table["n"] == whole].reset_index(drop=True)


def of_trials(curves: pd.DataFrame, chosen: pd.DataFrame, phase: str) -> pd.DataFrame:
    """The curves of one phase that belong to the cells, methods and trials named in `chosen`."""
    keys = ["dataset", "samples_per_class", "method", "trial"]
    part = curves[curves["phase"] == phase]
    return part.merge(chosen[keys].drop_duplicates(), on=keys, how="inner")
