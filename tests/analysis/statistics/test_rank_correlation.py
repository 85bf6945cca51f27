"""Rank correlations: against scipy, and on cases whose answer is known."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import table

from analysis import load, load_curves, quality_and_gain, rank_correlations, rungs_and_finals


def test_correlations_equal_scipy_with_ties_and_gaps():
    luck = np.random.default_rng(0)
    x = luck.normal(size=20).round(1)
    y = (x + luck.normal(size=20)).round(1)
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


def test_quality_against_gain_is_paired_by_seed():
    luck, gains = np.random.default_rng(0).normal(0.5, 0.05, 8), [0.00, 0.03, 0.01, 0.05, 0.02, 0.06, 0.07, 0.04]
    results = table({"c": list(luck), "dagan": list(luck + gains), "cgan": list(luck)})
    results["quality.gan_test"] = np.where(results["method"] == "dagan", [*[0.0] * 8, *gains, *[0.0] * 8], math.nan)
    results["quality.kid"] = -(results["quality.gan_test"] ** 2)
    rows = quality_and_gain(results, ["quality.gan_test", "quality.kid"], {"dagan": ["c"]})
    assert rows["quality"].tolist() == ["quality.gan_test", "quality.kid"]
    assert rows["spearman"].tolist() == pytest.approx([1, -1])
    assert rows["n"].tolist() == [8, 8]


def test_rungs_against_the_final_accuracy(make_study):
    directory = make_study(sizes=(5,), trials=16)
    results, curves = load(directory), load_curves(directory)
    rows = rungs_and_finals(curves, results)
    c = rows[rows["method"] == "c"]
    assert c["iteration"].tolist() == list(range(80, 800, 80))  # the last point is the end itself
    assert c["n"].tolist() == [12] * 9  # those that were stopped have no final accuracy
    # The made-up curves rise in proportion, so every rung foretells the end.
    assert c["spearman"].tolist() == pytest.approx([1] * 9)
    assert c["place_of_best"].tolist() == [1] * 9
    assert c["keeps_best"].all()
    turned = curves.assign(validation_accuracy=1 - curves["validation_accuracy"])
    worst = rungs_and_finals(turned, results)
    assert (worst["spearman"] < -0.99).all()
    assert not worst["keeps_best"].any()
    assert rungs_and_finals(curves[:0], results).empty
