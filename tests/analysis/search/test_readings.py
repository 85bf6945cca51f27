"""Suggestions count at their best KC, which is read off their trainings."""

import pandas as pd
import pytest
from synthetic import entry

from analysis.data.entries import table
from analysis.data.tidy import tidy
from analysis.search.range_edges import edges
from analysis.search.readings import at_best_kc, by_kc
from analysis.search.response import responses
from analysis.search.suggestions import best_suggestions, search_progress, suggestions
from analysis.search.thoroughness import thoroughness

KC = "config.classifier.iterations"


def trial(number, seed, row, **changes):
    """A search trial to KC 800 of which these accuracies were read off."""
    one = entry(phase="search", trial=number, status="completed", seed=seed, signature=f"{number}-{seed}")
    one["validation_accuracy"] = row.get(800)
    one["config"]["classifier"]["epochs"] = 80
    return one | {"readings": {str(kc): accuracy for kc, accuracy in row.items()}} | changes


@pytest.fixture
def results():
    return tidy(
        table(
            [
                trial(0, 0, {200: 0.9, 400: 0.6, 800: 0.5}),
                trial(0, 1, {200: 0.5, 400: 0.85, 800: 0.5}),
                trial(1, 0, {200: 0.6, 400: 0.6, 800: 0.6}),
                trial(1, 1, {200: 0.6, 400: 0.6, 800: 0.6}),
                trial(2, 0, {200: 0.8}, status="stopped", validation_accuracy=0.8),
                entry(trial=0),
            ]
        )
    )


def test_a_suggestion_counts_at_the_kc_with_the_best_mean_over_its_seeds(results):
    found = at_best_kc(results).set_index("signature")
    assert found.loc[["0-0", "0-1"], KC].tolist() == [400, 400], "the best mean, not the best of one seed"
    assert found.loc[["0-0", "0-1"], "validation_accuracy"].tolist() == [0.6, 0.85]
    assert found.loc[["0-0", "0-1"], "config.classifier.epochs"].tolist() == [40, 40]
    assert found.loc["1-0", KC] == 200, "the shortest of equals"
    assert found.loc["2-0", [KC, "validation_accuracy"]].tolist() == [800, 0.8], "it did not complete"
    assert found[found["phase"] == "confirm"].equals(results[results["phase"] == "confirm"].set_index("signature"))


def test_what_is_said_of_a_search_is_said_at_the_best_kc(results):
    assert suggestions(results).set_index("trial").loc[0, ["accuracy", KC]].tolist() == pytest.approx([0.725, 400])
    assert search_progress(results)["best"].tolist() == pytest.approx([0.725, 0.725, 0.725])
    assert best_suggestions(results)["validation_accuracy"].tolist() == pytest.approx([0.725])
    search = results[results["phase"] == "search"]
    (edge,) = edges(search, {"classifier.iterations": {"values": [200, 400, 800]}}).to_dict("records")
    assert (edge["value"], edge["edge"]) == (400, "")


def test_each_suggestion_counts_at_each_kc_that_was_read_off(results):
    found = by_kc(results).set_index(["trial", KC])["accuracy"]
    assert found[0].to_dict() == pytest.approx({200: 0.7, 400: 0.725, 800: 0.5})
    assert set(found.index.get_level_values("trial")) == {0, 1}, "suggestion 2 did not complete"
    rows = responses(results, ["classifier.iterations", "classifier.epochs"], bins=2)
    assert rows["value"].tolist() == [200, 400, 800, 20, 40, 80]
    assert rows["mean"].tolist() == pytest.approx(2 * [0.65, 0.6625, 0.55])


def test_kc_that_was_read_off_is_no_dimension_of_the_search(results):
    space = {
        "classifier.iterations": {"values": [200, 400, 800]},
        "classifier.learning_rate": {"min": 1e-4, "max": 1e-2},
    }
    (row,) = thoroughness(results, space).to_dict("records")
    assert (row["suggestions"], row["settings"], row["advised"]) == (3, 1, 10)


def test_results_without_readings_stay_as_they_are(results):
    plain = results.drop(columns=[name for name in results if name.startswith("readings.")])
    assert at_best_kc(plain).equals(plain)
    assert isinstance(at_best_kc(plain[:0]), pd.DataFrame)
