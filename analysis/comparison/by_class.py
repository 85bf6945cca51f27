"""What test images of each class were taken for, as shares over confirm seeds."""

import pandas as pd

from analysis.data.columns import CELL, CELL_METHOD

UNBALANCED = 1.5
"""Test images of the largest class, in those of the smallest, from which on classes count as unbalanced."""


def average_confusions(confusions: pd.DataFrame) -> pd.DataFrame:
    """Average the share of each class's test images that was taken for each class; `confusions` of `load_confusions`.

    Columns: dataset, samples_per_class, method, label, predicted (both in the order of the classes), share (0..1, mean
    over seeds), images (of the label, per seed), n (seeds). A class without test images has no rows.
    """
    keys = ["signature", *CELL_METHOD, "seed", "label", "predicted"]
    counted = confusions.groupby(keys, sort=False)["images"].sum().reset_index()
    of_label = counted.groupby(["signature", "label"], sort=False)["images"].transform("sum")
    counted = counted.assign(share=counted["images"] / of_label, of_label=of_label)[of_label > 0]
    groups = counted.groupby([*CELL_METHOD, "label", "predicted"], sort=False)
    table = groups.agg(share=("share", "mean"), images=("of_label", "mean"), n=("seed", "nunique"))
    return table.reset_index()


def class_accuracies(shares: pd.DataFrame) -> pd.DataFrame:
    """Select the shares of `average_confusions` that are right: accuracy by class, in the column `accuracy`."""
    right = shares[shares["label"] == shares["predicted"]]
    return right.drop(columns="predicted").rename(columns={"share": "accuracy"}).reset_index(drop=True)


def balanced_accuracies(accuracies: pd.DataFrame) -> pd.DataFrame:
    """Average accuracy over the classes, each counting the same: a row per cell and method, from `class_accuracies`.

    Columns: dataset, samples_per_class, method, balanced (0..1), unbalanced (whether the largest class has `UNBALANCED`
    times the test images of the smallest or more).
    """
    groups = accuracies.groupby(CELL_METHOD, sort=False)
    table = groups.agg(balanced=("accuracy", "mean"), least=("images", "min"), most=("images", "max")).reset_index()
    table["unbalanced"] = table["most"] >= UNBALANCED * table["least"]
    return table[[*CELL, "method", "balanced", "unbalanced"]]
