"""Suggestions beside the number of settings that they searched."""

import pytest

from analysis import load, thoroughness
from analysis.data.study import load_study
from analysis.search.space import domain, suggestions_advised


@pytest.mark.parametrize(
    ("forms", "advised"),
    [
        ([{"min": 0.0, "max": 1.0}], 10),
        ([{"min": 0.0, "max": 1.0}, {"values": [1, 2]}], 20),
        ([{"values": [1, 2]}, {"values": ["a", "b", "c"]}], 6),  # every combination
        ([{"min": 1, "max": 4}], 4),
        ([{"min": 0.0, "max": 1.0, "distribution": "q_uniform", "q": 0.25}], 5),
    ],
)
def test_ten_for_each_setting_or_every_combination(forms, advised):
    assert suggestions_advised([domain(form) for form in forms]) == advised


def test_settings_that_vary_are_counted(make_study):
    directory = make_study(sizes=(5,), trials=12)
    results, space = load(directory), load_study(directory).space
    rows = thoroughness(results, space).set_index("method")
    # In the made-up study the learning rate alone is sampled.
    assert rows[["suggestions", "settings", "advised"]].drop_duplicates().values.tolist() == [[12, 1, 10]]
    assert not rows["few"].any()
    fewer = thoroughness(results[results["trial"] < 9], space)
    assert fewer["few"].all()
    assert thoroughness(results[results["phase"] == "confirm"], space).empty


def test_what_is_read_off_is_not_sampled(make_study):
    directory = make_study(sizes=(5,), trials=12, methods=("c",), compare={})
    results, space = load(directory), load_study(directory).space
    read_off = {"readings.400": [0.9, 0.1] * 10, "readings.800": [0.5, 0.6] * 10}
    (row,) = thoroughness(results.assign(**read_off), space).to_dict("records")
    assert row["settings"] == 1
