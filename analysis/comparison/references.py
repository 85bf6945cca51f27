"""References, such as a logistic regression on pixels, beside the methods: means, and who falls behind them."""

import pandas as pd

from analysis.comparison.means import averages
from analysis.data.columns import CELL

KEYS = [*CELL, "reference"]


def reference_means(references: pd.DataFrame) -> pd.DataFrame:
    """Average the accuracy of each reference over seeds; `references` as from `load_references`.

    Columns: dataset, samples_per_class, reference, n (seeds), mean, low, high (95 % Student t interval), 0..1; the best
    reference of a cell comes last.
    """
    rows = []
    for key, group in references.groupby(KEYS, sort=False):
        found = averages(group["test_accuracy"].to_numpy()[None])
        rows.append((*key, len(group), *(float(found[name][0]) for name in ("mean", "low", "high"))))
    table = pd.DataFrame(rows, columns=[*KEYS, "n", "mean", "low", "high"])
    return table.sort_values([*CELL, "mean"], kind="stable", ignore_index=True)


def behind(means: pd.DataFrame, references: pd.DataFrame) -> pd.DataFrame:
    """Find the methods whose mean is below that of a reference; tables as from `means` and `reference_means`.

    Columns: dataset, samples_per_class, method, mean, reference and its `reference_mean`, the best that is ahead.
    """
    best = references.drop_duplicates(CELL, keep="last").rename(columns={"mean": "reference_mean"})
    beside = means[means["n"] > 0].merge(best[[*KEYS, "reference_mean"]], on=CELL)
    columns = [*CELL, "method", "mean", "reference", "reference_mean"]
    return beside.loc[beside["mean"] < beside["reference_mean"], columns].reset_index(drop=True)
