"""Quality of the generated images by a judge's measures, and its rank correlation with the accuracy gained."""

from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.comparison.confirmed import confirmed
from analysis.comparison.differences import paired_differences
from analysis.data.columns import CELL_METHOD
from analysis.statistics.intervals import t_interval
from analysis.statistics.rank_correlation import CORRELATION, rank_correlations

MEASURES = {
    "kid": "KID ↓",
    "density": "density ↑",
    "coverage": "coverage ↑",
    "gan_test": "GAN-test ↑",
    "gan_train": "GAN-train ↑",
    "diversity": "diversity ↑",
}
"""The measures that a report shows, by the end of their column `quality.*`; the arrow says which way is good."""


def generators(results: pd.DataFrame) -> pd.DataFrame:
    """Average the judge's measures over the confirm seeds of each cell and method whose images were judged.

    Columns: dataset, samples_per_class, method, measure, n (seeds), mean, low, high (95 % Student t interval).
    """
    rows: list[list[object]] = []
    for key, group in confirmed(results).groupby(CELL_METHOD, sort=False):
        for measure in judged_by(results):
            if n := group[f"quality.{measure}"].count():
                found = t_interval(group[f"quality.{measure}"].dropna())
                rows.append([*key, measure, n, found.mean, found.low, found.high])
    return pd.DataFrame(rows, columns=[*CELL_METHOD, "measure", "n", "mean", "low", "high"])


def quality_and_gain(
    results: pd.DataFrame, quality: Sequence[str], family: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """Correlate the ranks of image quality and accuracy gain over the seeds of each declared comparison.

    Do seeds whose images are better gain more over the baseline? `quality` names columns of the method's confirm trials
    (a score such as `quality.gan_test`, or a distance such as `quality.kid`, for which a helpful one correlates
    negatively). Columns: dataset, samples_per_class, method, baseline, quality, then those of `rank_correlations`.
    """
    keys = [*CELL_METHOD, "seed"]
    pairs = [(method, baseline) for method, baselines in family.items() for baseline in baselines]
    gains = paired_differences(results, pairs)
    scores = confirmed(results)[[*keys, *quality]]
    joined = gains.merge(scores, on=keys)
    by = [*CELL_METHOD, "baseline"]
    tables = [rank_correlations(joined, name, "difference", by).assign(quality=name) for name in quality]
    columns = [*by, "quality", *CORRELATION]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def gains(results: pd.DataFrame, family: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """`quality_and_gain` of every measure that the results have, with the column measure in place of quality."""
    columns = [f"quality.{measure}" for measure in judged_by(results)]
    table = quality_and_gain(results, columns, family)
    table = table[table["n"] > 0].reset_index(drop=True)
    return table.assign(measure=table["quality"].str.removeprefix("quality.")).drop(columns="quality")


def judged_by(results: pd.DataFrame) -> list[str]:
    """Names of the measures that the results have."""
    return [measure for measure in MEASURES if f"quality.{measure}" in results]
