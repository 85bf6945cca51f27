"""Accuracies printed in the papers, with their sources. None of them has an interval."""

from functools import cache
from importlib.resources import files

import pandas as pd

from analysis.data.columns import CELL_METHOD


def published() -> pd.DataFrame:
    """List every published number: Tables 3 to 5 of the DAGAN paper, and the digits of Dong & Zhou.

    Columns: source, table, dataset, samples_per_class (empty for KDEF, of which the paper says only that it has
    490 images in all), method, epoch (where the paper prints several), accuracy (test, in per cent as printed).
    """
    return _read().copy()


def beside(means: pd.DataFrame) -> pd.DataFrame:
    """Add the columns published (0..1, nan where there is none) and source to the rows of `means`.

    The last epoch counts where there are several; a number without samples per class stands beside every size.
    """
    last = _read().drop_duplicates(CELL_METHOD, keep="last").to_dict("records")
    known = {
        (
            row["dataset"],
            None if pd.isna(row["samples_per_class"]) else int(row["samples_per_class"]),
            row["method"],
        ): row
        for row in last
    }
    found = [
        known.get((dataset, int(size), method)) or known.get((dataset, None, method))
        for dataset, size, method in zip(means["dataset"], means["samples_per_class"], means["method"], strict=True)
    ]
    return means.assign(
        published=[row["accuracy"] / 100 if row else float("nan") for row in found],
        source=[f"{row['source']}, {row['table']}" if row else "" for row in found],
    )


@cache
def _read() -> pd.DataFrame:
    with (files("analysis.comparison") / "published.csv").open(encoding="utf-8") as file:
        table = pd.read_csv(file)
    return table.astype({"samples_per_class": "Int64", "epoch": "Int64", "accuracy": float})
