"""Early rungs against the ends of trials."""

import pytest

from analysis import load, load_curves, rungs_and_finals


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
