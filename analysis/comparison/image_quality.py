"""What the judge says of generated images, where a study asked for it, and whether who draws better gains more."""

from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.comparison.comparison import CELL
from analysis.comparison.confirmed import confirmed
from analysis.statistics.intervals import t_interval
from analysis.statistics.rank_correlation import quality_and_gain

MEASURES = {
    "kid": "KID ↓",
    "density": "density ↑",
    "coverage": "coverage ↑",
    "gan_test": "GAN-test ↑",
    "gan_train": "GAN-train ↑",
    "diversity": "diversity ↑",
}
"""By the end of their column, `quality.*`, those that a report shows; the arrow says which way is good."""


def generators(results: pd.DataFrame) -> pd.DataFrame:
    """Means of the judge's numbers over the confirm seeds of each cell and method whose images were judged.

    Columns: dataset, samples_per_class, method, measure, n (seeds), mean, low, high (95 % Student t interval).
    """
    rows: list[list[object]] = []
    for key, group in confirmed(results).groupby([*CELL, "method"], sort=False):
        for measure in judged_by(results):
            if n := group[f"quality.{measure}"].count():
                found = t_interval(group[f"quality.{measure}"].dropna())
                rows.append([*key, measure, n, found.mean, found.low, found.high])
    return pd.DataFrame(rows, columns=[*CELL, "method", "measure", "n", "mean", "low", "high"])


def gains(results: pd.DataFrame, family: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Rank correlations of these numbers with the accuracy gained, as `quality_and_gain`; measure for quality."""
    columns = [f"quality.{measure}" for measure in judged_by(results)]
    table = quality_and_gain(results, columns, family)
    table = table[table["n"] > 0].reset_index(drop=True)
    return table.assign(measure=table["quality"].str.removeprefix("quality.")).drop(columns="quality")


def judged_by(results: pd.DataFrame) -> list[str]:
    """The measures that the results have."""
    return [measure for measure in MEASURES if f"quality.{measure}" in results]
