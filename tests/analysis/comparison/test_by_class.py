"""What test images of each class were taken for: worked by hand."""

import pandas as pd
import pytest
from synthetic import entry, write_entry, write_study

from analysis import load, load_confusions
from analysis.comparison.by_class import average_confusions, balanced_accuracies, class_accuracies

FIRST = [[3, 1, 0], [0, 2, 0], [0, 0, 0]]
SECOND = [[2, 0, 2], [1, 1, 0], [0, 0, 0]]
CLASSES = ["ape", "bee", "cat"]


@pytest.fixture
def shares(tmp_path):
    """Of two seeds with four apes, two bees and no cat in the test; searches and other trials have no counts."""
    folder = write_study(tmp_path / "s", methods=("c",), sizes=(5,), compare={}, trials=1, seeds=0)
    for trial, counts in enumerate((FIRST, SECOND), start=1):
        confusion = {"classes": CLASSES, "counts": counts}
        write_entry(folder, entry("s", trial=trial, confusion=confusion))
    return average_confusions(load_confusions(folder))


def test_shares_are_means_over_seeds_of_each_class(shares):
    found = shares.set_index(["label", "predicted"])
    assert found["share"].to_dict() == {
        ("ape", "ape"): pytest.approx(5 / 8),
        ("ape", "bee"): pytest.approx(1 / 8),
        ("ape", "cat"): pytest.approx(2 / 8),
        ("bee", "ape"): pytest.approx(1 / 4),
        ("bee", "bee"): pytest.approx(3 / 4),
        ("bee", "cat"): 0,
    }
    assert set(found["n"]) == {2}
    assert found["images"].to_dict()["ape", "bee"] == 4


def test_accuracy_by_class_and_balanced(shares):
    accuracies = class_accuracies(shares)
    assert accuracies[["label", "accuracy", "images"]].to_numpy().tolist() == [["ape", 0.625, 4], ["bee", 0.75, 2]]
    (row,) = balanced_accuracies(accuracies).to_dict("records")
    assert (row["method"], row["samples_per_class"], row["unbalanced"]) == ("c", 5, True)
    assert row["balanced"] == pytest.approx((0.625 + 0.75) / 2)
    even = balanced_accuracies(accuracies.assign(images=[4, 3]))
    assert not even["unbalanced"].any()


def test_a_confusion_that_is_no_square_is_named_as_damaged(tmp_path):
    folder = write_study(tmp_path / "s", methods=("c",), sizes=(5,), compare={}, trials=1, seeds=0)
    for trial, counts in enumerate((FIRST[:2], [row[:2] for row in FIRST], 3)):
        write_entry(folder, entry("s", trial=trial, confusion={"classes": CLASSES, "counts": counts}))
    reasons = load(folder).attrs["damaged"].values()
    assert list(reasons) == ["its confusion must have a row and a column for each class"] * 3
    assert load_confusions(folder).empty


def test_classes_of_one_name_count_together():
    rows = [("s", "d", 5, "c", "", 0, "a", "a", images) for images in (1, 0, 0, 3)]
    columns = ["signature", "dataset", "samples_per_class", "method", "point", "seed", "label", "predicted", "images"]
    (found,) = average_confusions(pd.DataFrame(rows, columns=columns)).to_dict("records")
    assert (found["share"], found["images"]) == (1.0, 4)


def test_only_the_trials_asked_for(tmp_path):
    folder = write_study(tmp_path / "s", methods=("c",), sizes=(5,), compare={}, trials=1, seeds=0)
    assert load_confusions(folder).empty
    asked = entry("s", trial=1, confusion={"classes": CLASSES, "counts": FIRST})
    for one in (asked, entry("s", trial=2, confusion={"classes": CLASSES, "counts": SECOND})):
        write_entry(folder, one)
    found = load_confusions(folder, signatures=[asked["signature"]])
    assert found["images"].tolist() == [3, 1, 0, 0, 2, 0, 0, 0, 0]
    assert set(found["seed"]) == {asked["seed"]}
    assert average_confusions(pd.DataFrame(found.head(0))).empty
