"""Expected best of k suggestions: against every subset, counted out."""

import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from synthetic import table

from analysis import budget_curves
from analysis.search.budget import MOST, budgets, expected_best


def search(accuracies: list[float | None], pflop: float = 0.5) -> pd.DataFrame:
    return table({"c": accuracies}, phase="search").assign(pflop=pflop)


def test_the_expectation_is_the_mean_over_all_subsets():
    values = np.random.default_rng(0).normal(0.7, 0.05, 9)
    expected, _, none = expected_best(values, np.arange(1, 10))
    counted = [np.mean([max(subset) for subset in combinations(values, k)]) for k in range(1, 10)]
    assert expected == pytest.approx(counted, rel=1e-12)
    assert none.tolist() == [0] * 9


def test_the_error_is_that_of_leaving_one_out():
    values = np.random.default_rng(1).normal(0.7, 0.05, 8)
    _, error, _ = expected_best(values, np.array([1, 3, 8]))
    means = [np.mean([max(subset) for subset in combinations(np.delete(values, i), 3)]) for i in range(8)]
    assert error[0] == pytest.approx(values.std(ddof=1) / math.sqrt(8))  # k = 1: the mean's own
    assert error[1] == pytest.approx(math.sqrt(7 / 8 * np.sum((means - np.mean(means)) ** 2)))
    assert math.isnan(error[2])


def test_unfinished_suggestions_cost_and_never_win():
    values = np.array([0.5, math.nan, 0.7, 0.6, math.nan])
    expected, _, none = expected_best(values, np.array([1, 2, 3]))
    subsets = [[v for v in subset if not math.isnan(v)] for subset in combinations(values, 2)]
    assert expected[1] == pytest.approx(np.mean([max(subset) for subset in subsets if subset]))
    assert none == pytest.approx([2 / 5, 1 / 10, 0])


def test_a_curve_rises_and_has_intervals_only_where_they_hold():
    accuracies: list[float | None] = list(np.random.default_rng(2).normal(0.7, 0.05, 16))
    rows = budget_curves(search(accuracies))
    assert rows["tried"].tolist() == list(range(1, 17))
    assert rows["expected"].is_monotonic_increasing
    assert rows["expected"].iloc[-1] == pytest.approx(max(accuracies))
    assert rows["pflop"].tolist() == pytest.approx([0.5 * k for k in range(1, 17)])
    assert rows["low"].notna().tolist() == [True] * 4 + [False] * 12
    assert rows["note"].iloc[5] == "no interval: suggestions enough for the best of 4 of 16"
    assert (rows["low"] < rows["expected"])[:4].all()


@pytest.mark.parametrize(
    ("accuracies", "note"),
    [
        ([0.7], "no interval: suggestions enough for the best of none of 1"),
        ([None] * 8, "no suggestion completed"),
        ([0.7] * 8, "no interval: all values are equal"),
        ([0.7] + [None] * 7, "no interval: too few completed"),
    ],
)
def test_searches_without_an_interval_say_why(accuracies, note):
    rows = budget_curves(search(accuracies))
    assert rows["note"].iloc[0] == note
    assert rows["low"].isna().iloc[0]


def test_no_search_no_curve():
    assert budget_curves(table({"c": [0.5]})).empty


def test_long_searches_are_shown_at_some_budgets():
    assert budgets(MOST).tolist() == list(range(1, MOST + 1))
    assert len(budgets(1000)) <= MOST
    assert budgets(1000)[[0, -1]].tolist() == [1, 1000]
    expected, error, _ = expected_best(np.random.default_rng(0).normal(size=1000), budgets(1000))
    assert np.isfinite(expected).all()
    assert np.isfinite(error[:-1]).all()
