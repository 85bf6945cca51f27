"""Parameters of a search: importance, ends of their ranges, responses."""

import math

import numpy as np
import pandas as pd
import pytest
from synthetic import PARAMETERS, table

from analysis import ResultsError, edges, importance, responses
from analysis.search.space import searched

SPACE = {
    "gan.weight": {"distribution": "log_uniform_values", "min": 0.01, "max": 10.0},
    "gan.iterations": {"min": 100, "max": 1000},
    "gan.loss": {"values": ["joint", "pairwise"]},
    "classifier.iterations": {"values": [500, 1000, 2000]},
    "classifier.decay": {"value": 0.1},
}


def search(n: int = 40, status: str = "completed") -> pd.DataFrame:
    """A search in which the logarithm of gan.weight decides nearly everything."""
    rng = np.random.default_rng(0)
    results = table({"dagan": [None] * n}, phase="search")
    results["config.gan.weight"] = 10 ** rng.uniform(-2, 1, n)
    results["config.gan.iterations"] = pd.array(rng.integers(100, 1001, n), dtype="Int64")
    results["config.gan.loss"] = pd.array(rng.choice(["joint", "pairwise"], n), dtype="string")
    results["config.classifier.iterations"] = pd.array(rng.choice([500, 1000, 2000], n), dtype="Int64")
    results["config.classifier.decay"] = 0.1
    accuracy = 0.6 + 0.1 * np.log10(results["config.gan.weight"]) + rng.normal(0, 0.01, n)
    return results.assign(validation_accuracy=accuracy, status=pd.array([status] * n, dtype="string"))


@pytest.mark.parametrize("evaluator", ["ped_anova", "fanova"])
def test_what_decides_is_most_important(evaluator):
    rows = importance(search(), SPACE, evaluator)
    assert rows["parameter"].iloc[0] == "gan.weight"
    assert rows["importance"].iloc[0] > 0.6
    assert rows["importance"].sum() == pytest.approx(1)
    assert rows["rank"].tolist() == [1, 2, 3, 4]
    assert set(rows["parameter"]) == set(SPACE) - {"classifier.decay"}
    assert (rows["evaluator"] == evaluator).all()
    pd.testing.assert_frame_equal(importance(search(), SPACE, evaluator), rows)


def test_stopped_suggestions_are_worse_than_all_that_completed():
    results = search()
    good = results["config.gan.weight"] > 1
    results["config.gan.iterations"] = np.where(good, 900, np.random.default_rng(1).integers(100, 800, len(results)))
    # Early accuracies that look better than any final one.
    results.loc[~good, ["status", "validation_accuracy"]] = ["stopped", 0.99]
    rows = importance(results, SPACE)
    assert rows["n"].iloc[0] == 40
    assert rows["parameter"].iloc[0] in ("gan.weight", "gan.iterations")
    assert importance(results, SPACE, "fanova")["n"].iloc[0] == good.sum()


def test_too_few_suggestions_have_no_importance():
    rows = importance(search(9), SPACE)
    assert rows["importance"].isna().all()
    assert rows["rank"].isna().all()
    assert rows["note"].iloc[0] == "9 suggestions inside the space are too few: 10 needed"
    assert importance(search(status="diverged"), SPACE).empty


def test_settings_of_other_methods_are_left_out():
    results = search().assign(**{"config.gan.weight": math.nan, "config.gan.loss": pd.NA})
    assert set(importance(results, SPACE)["parameter"]) == {"gan.iterations", "classifier.iterations"}


def best_at(space=SPACE, **settings: object) -> pd.DataFrame:
    results = search(12)
    results["validation_accuracy"] = 0.5
    results.loc[0, "validation_accuracy"] = 0.9
    for name, value in settings.items():
        results.loc[0, f"config.{name.replace('__', '.')}"] = value
    return edges(results, space).set_index("parameter")


def test_a_best_value_at_an_end_is_flagged():
    rows = best_at(gan__weight=0.0101, gan__iterations=990, classifier__iterations=2000)
    assert rows["edge"].to_dict() == {"gan.weight": "low", "gan.iterations": "high", "classifier.iterations": "high"}
    assert rows.loc["gan.weight", "position"] == pytest.approx(math.log(1.01) / math.log(1000))
    assert rows.loc["gan.iterations", "distance"] == pytest.approx(10 / 900)
    assert rows.loc["gan.iterations", "note"] == "at the upper end: better values may lie beyond it"
    assert "gan.loss" not in rows.index  # without order, without ends


def test_a_best_value_inside_is_not():
    rows = best_at(gan__weight=0.316, gan__iterations=550, classifier__iterations=1000)
    assert (rows["edge"] == "").all()
    # The middle of a logarithmic range is its geometric mean.
    assert rows["position"].tolist() == pytest.approx([0.5, 0.5, 0.5], abs=0.001)
    assert best_at(gan__weight=20.0).loc["gan.weight", "note"] == "outside the searched space"


def test_of_two_values_one_is_always_at_an_end():
    rows = edges(search(12), {"classifier.iterations": {"values": [500, 1000]}, "gan.iterations": {"min": 0, "max": 2}})
    assert rows["edge"].tolist() == ["", ""]
    zero = best_at(gan__iterations=0, space={"gan.iterations": {"min": 0, "max": 990}})
    assert zero["note"].item().startswith("at zero, which may be the natural end")


def test_what_a_method_does_not_search_has_no_end():
    results, space = (
        search(12),
        {"gan.iterations": {"values": [0, 1, 2]}, "classifier.iterations": {"values": [1, 2, 3]}},
    )
    fixed = results.assign(**{"config.gan.iterations": 0, "config.classifier.iterations": 3})
    assert edges(fixed, space)["parameter"].tolist() == ["classifier.iterations"], "KC is read off, so it may not vary"
    one = edges(fixed.head(2), space)
    assert one["edge"].tolist() == ["low", "high"], "of few suggestions nobody knows"


def test_the_space_is_read_from_the_study(make_study):
    from analysis.data.study import load_study

    parameters = searched(load_study(make_study()).space)
    assert list(parameters) == list(PARAMETERS)
    assert parameters["gan.feature_matching_weight"].logarithmic
    assert parameters["gan.iterations"].values == (200, 400)
    with pytest.raises(ResultsError, match="`x` must have `values`, or `min` and `max`, but is 3"):
        searched({"x": 3})


def test_responses_in_bins():
    rows = responses(search(), ["gan.weight", "gan.loss", "classifier.iterations", "classifier.decay"], bins=4)
    weight = rows[rows["parameter"] == "gan.weight"]
    assert weight["n"].tolist() == [10] * 4
    assert weight["mean"].is_monotonic_increasing
    assert (weight["low"] < weight["mean"]).all()
    assert (weight["from"] <= weight["value"]).all()
    assert (weight["value"] <= weight["to"]).all()
    assert rows.loc[rows["parameter"] == "classifier.iterations", "value"].tolist() == [500, 1000, 2000]
    assert set(rows["parameter"]) == {"gan.weight", "classifier.iterations"}  # no numbers, no variation: no rows


def test_responses_to_a_quotient_and_with_unfinished_suggestions():
    results = search()
    results.loc[:9, "status"] = "diverged"
    rows = responses(results, ["gan.iterations / classifier.iterations"], bins=2)
    quotient = results["config.gan.iterations"] / results["config.classifier.iterations"]
    assert rows["from"].min() == pytest.approx(quotient.min())
    assert rows["unfinished"].sum() == 10
    assert rows["n"].sum() == 30
    upper = results[(quotient > rows["to"].iloc[0]) & (results["status"] == "completed")]
    assert rows["mean"].iloc[1] == pytest.approx(upper["validation_accuracy"].mean())
    assert responses(results, ["nothing"]).empty
