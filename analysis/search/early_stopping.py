"""Whether early stopping was justified: how well the order of trials on the way predicts the order at the end."""

import numpy as np
import pandas as pd

from analysis.data.columns import CELL_METHOD
from analysis.search.readings import at_best_kc
from analysis.statistics.rank_correlation import rank_correlations

ENOUGH = 8
"""Trials from which on a report shows such a correlation: the interval of one over fewer spans nearly everything."""


def rungs_and_finals(curves: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """Correlate the ranks of validation accuracy on the way and at the end, to judge early stopping.

    `curves` as from `analysis.load_curves`. For each cell, method and iteration of stage 2 that at least two completed
    search trials passed before their end. Trials that were stopped have no final accuracy and are missing here, and
    they were the worst, so the correlation among those left is too low rather than too high.

    Columns: dataset, samples_per_class, method, iteration, those of `rank_correlations`, place_of_best (of the trial
    that ended best, among the n at this iteration; 1: it led already) and keeps_best (whether a halving that keeps the
    best third of the n would have kept it).
    """
    keys = [*CELL_METHOD, "iteration"]
    results = at_best_kc(results)
    finals = results[(results["phase"] == "search") & (results["status"] == "completed")]
    points = curves[(curves["phase"] == "search") & (curves["stage"] == "classification")]
    points = points[["signature", "iteration", "validation_accuracy"]].rename(columns={"validation_accuracy": "early"})
    joined = points.merge(finals[["signature", *CELL_METHOD, "validation_accuracy"]], on="signature").dropna()
    joined = joined[joined["iteration"] < joined.groupby("signature")["iteration"].transform("max")]
    joined = joined[joined.groupby(keys)["early"].transform("size") > 1].sort_values(keys, kind="stable")
    table = rank_correlations(joined, "early", "validation_accuracy", keys)
    joined["place"] = joined.groupby(keys)["early"].rank(method="min", ascending=False)
    best = joined.sort_values("validation_accuracy", kind="stable").groupby(keys)["place"].last()
    table["place_of_best"] = best.reindex(pd.MultiIndex.from_frame(table[keys])).to_numpy() if len(table) else []
    table["keeps_best"] = table["place_of_best"] <= np.maximum(1, table["n"] // 3)
    return table
