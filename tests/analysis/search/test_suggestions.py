"""Suggestions of a search and the best so far."""

import pandas as pd
import pytest
from synthetic import table

from analysis import best_suggestions, search_progress
from analysis.search.suggestions import suggestions


def test_suggestions_average_their_seeds():
    results = table({"dagan": [0.5, 0.6]}, phase="search")
    results = pd.concat([results, results.assign(seed=7)], ignore_index=True)
    results["validation_accuracy"] = [0.5, 0.6, 0.7, 0.9]
    results["status"] = ["completed", "stopped", "completed", "diverged"]
    rows = suggestions(results)
    assert rows["accuracy"].tolist() == pytest.approx([0.6, 0.6])
    assert rows["completed"].tolist() == [True, False]
    assert rows["stopped"].tolist() == [False, True]


def test_a_suggestion_of_which_a_seed_did_not_complete_cannot_be_chosen():
    results = table({"c": [None] * 4}, phase="search")
    results["trial"] = pd.array([0, 0, 1, 1], dtype="Int64")
    results["validation_accuracy"] = [0.9, 0.5, 0.6, 0.6]
    results["status"] = ["completed", "stopped", "completed", "completed"]
    assert suggestions(results)["completed"].tolist() == [False, True]
    assert best_suggestions(results)["trial"].tolist() == [1]
    assert search_progress(results)["best"].isna().tolist() == [True, False]


def test_best_so_far_ignores_stopped_trials_and_averages_seeds():
    results = table({"c": [None] * 5}, phase="search")
    results["trial"] = pd.array([0, 0, 1, 2, 3], dtype="Int64")
    results["validation_accuracy"] = [0.5, 0.7, 0.9, 0.65, 0.8]
    results["status"] = ["completed", "completed", "stopped", "completed", "completed"]
    progress = search_progress(results)
    assert progress["best"].tolist() == pytest.approx([0.6, 0.6, 0.65, 0.8])
    assert progress["tried"].tolist() == [1, 2, 3, 4]
    assert progress["pflop_so_far"].tolist() == [1.0, 1.5, 2.0, 2.5]
    assert best_suggestions(results)["trial"].tolist() == [3]
