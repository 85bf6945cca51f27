"""Rank correlations: against scipy, and on cases whose answer is known."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import rank_correlations


def test_correlations_equal_scipy_with_ties_and_gaps():
    rng = np.random.default_rng(0)
    x = rng.normal(size=20).round(1)
    y = (x + rng.normal(size=20)).round(1)
    rows = rank_correlations(pd.DataFrame({"x": [*x, 1.0], "y": [*y, math.nan], "g": "all"}), "x", "y", ["g"])
    row = rows.iloc[0]
    assert (row["n"], row["note"]) == (20, "")
    assert row["spearman"] == pytest.approx(stats.spearmanr(x, y).statistic)
    assert row["kendall"] == pytest.approx(stats.kendalltau(x, y).statistic)
    z, error = math.atanh(row["spearman"]), math.sqrt((1 + row["spearman"] ** 2 / 2) / 17)
    assert row["spearman_high"] == pytest.approx(math.tanh(z + 1.959964 * error), abs=1e-6)
    assert row["kendall_low"] < row["kendall"] < row["kendall_high"] < 1


@pytest.mark.parametrize(
    ("x", "y", "note"),
    [
        ([1.0], [1.0], "fewer than two pairs"),
        ([1.0, 2.0, 3.0], [1.0, 1.0, 1.0], "one of the two does not vary"),
        ([1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 4.0], "no interval: fewer than 5 pairs"),
        ([1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 4.0, 6.0, 8.0, 9.0], "no interval: the two orders agree wholly"),
    ],
)
def test_what_keeps_an_interval_away_is_said(x, y, note):
    row = rank_correlations(pd.DataFrame({"x": x, "y": y, "g": 0}), "x", "y", ["g"]).iloc[0]
    assert row["note"] == note
    assert math.isnan(row["spearman_low"])
