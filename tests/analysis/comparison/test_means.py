"""Means of confirm trials, and what they leave out."""

import math

import pytest
from synthetic import table

from analysis import (
    load,
    means,
)


def test_means_count_what_did_not_complete():
    row = means(table({"c": [0.5, 0.7, None]})).iloc[0]
    assert (row["n"], row["mean"], row["diverged"]) == (2, pytest.approx(0.6), 1)
    only_failures = means(table({"c": [None]})).iloc[0]
    assert only_failures["n"] == 0
    assert math.isnan(only_failures["mean"])


def test_means_leave_out_trials_that_were_stopped():
    results = table({"c": [0.5, 0.9]})
    results.loc[1, "status"] = "stopped"  # its accuracy is that of a shorter training
    row = means(results).iloc[0]
    assert (row["n"], row["mean"], row["stopped"]) == (1, 0.5, 1)


def test_means_read_no_search_trial(make_study):
    results = load(make_study())
    confirm = results[results["phase"] == "confirm"]
    expected = confirm.groupby(["samples_per_class", "method"])["test_accuracy"].mean()
    for row in means(results).itertuples():
        assert row.mean == pytest.approx(expected[row.samples_per_class, row.method])
        assert row.n == 8
