"""What trainings still gained at their end, on made-up curves."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import late_gains, load, load_curves
from analysis.search.epochs import is_short, paper_epochs
from analysis.search.late_gains import lengths, longest


def curves(slopes, stage="classification", length=400, method="dagan", phase="search", start=0.5):
    """Straight curves of one cell, a slope per 100 iterations for each trial, with a point every 25."""
    measure = {"classification": "validation_accuracy", "generation": "diversity"}[stage]
    rows = [
        {"signature": f"{method}{phase}{length}{trial}", "phase": phase, "dataset": "digits", "samples_per_class": 5}
        | {"method": method, "point": "", "seed": trial, "trial": trial, "stage": stage, "iteration": iteration}
        | {"validation_accuracy": np.nan, "diversity": np.nan, measure: start + slope * iteration / 100}
        for trial, slope in enumerate(slopes)
        for iteration in range(25, length + 1, 25)
    ]
    return pd.DataFrame(rows)


def test_gains_of_the_last_quarter_by_hand():
    slopes = [0.010, 0.020, 0.015, 0.011]
    row = late_gains(curves(slopes)).iloc[0]
    assert (row["stage"], row["iterations"], row["n"], row["improving"]) == ("classification", 400, 4, "yes")
    assert row["gain"] == pytest.approx(np.mean(slopes)), "a quarter is 100 iterations"
    assert (row["low"], row["high"]) == pytest.approx(stats.t.interval(0.95, 3, np.mean(slopes), stats.sem(slopes)))
    assert row["end"] == pytest.approx(0.5 + np.mean(slopes) * 3.625)


@pytest.mark.parametrize(
    ("slopes", "improving"),
    [
        ([0.010, 0.012, 0.011], "yes"),
        ([0.001, 0.002, 0.0015], "no"),  # it rises, by less than what is worth having
        ([-0.01, 0.001, -0.005], "unclear"),
        ([0.03, -0.01, 0.02], "unclear"),
        ([0.05], "unclear"),
    ],
)
def test_whether_a_gain_counts(slopes, improving):
    assert late_gains(curves(slopes))["improving"].tolist() == [improving]
    assert late_gains(curves([slope * 6 for slope in slopes], "generation"))["improving"].tolist() == [improving]


def test_what_counts_is_the_smallest_difference():
    assert late_gains(curves([0.010, 0.012, 0.011]), smallest_difference=2)["improving"].tolist() == ["no"]


def test_only_the_longest_trainings_count():
    both = pd.concat([curves([0.1, 0.1], length=200), curves([0.0, 0.001, 0.0005])])
    row = late_gains(both).iloc[0]
    assert (row["n"], row["iterations"], row["improving"]) == (3, 400, "no")


def test_of_a_stage_1_the_confirm_trials_count_and_shared_ones_once():
    confirm = curves([0.2, 0.22], "generation", phase="confirm")
    shared = confirm.assign(signature=confirm["signature"] + "-other-ratio")
    row = late_gains(pd.concat([curves([0.0, 0.0], "generation", length=800), confirm, shared])).iloc[0]
    assert (row["n"], row["iterations"], row["improving"]) == (2, 400, "yes")


def test_equal_curves_of_a_stage_2_are_trials_of_their_own():
    first = curves([0.01])
    assert late_gains(pd.concat([first, first.assign(signature="other", trial=1)]))["n"].tolist() == [2]


def test_curves_of_a_study_are_found_and_measured(make_study):
    results = load(directory := make_study(sizes=(5,)))
    found = late_gains(load_curves(directory, signatures=set(longest(results)["signature"])))
    # The made-up accuracies go to their end by exp(−iteration / 150), and a quarter of the trials is stopped.
    # The diversity of a pair of classes rises too, on all of the 8 confirm trials.
    assert found["n"].tolist() == [8] * 2 + [6] * 4
    assert set(found["improving"]) == {"yes"}
    assert late_gains(load_curves(directory, signatures=set())).empty


def test_lengths_in_epochs_beside_the_papers(make_study):
    results = load(make_study(sizes=(5,)))
    table = lengths(results, {"digits": 2})
    assert table.set_index("stage")["epochs"].to_dict() == {"generation": 1000, "classification": 2000}
    for unknown in (
        lengths(results, {}),
        lengths(results.assign(**{"config.data.validation": "within"}), {"digits": 2}),
    ):
        assert unknown.set_index("stage")["epochs"].isna()["classification"].all()
    said = lengths(results.assign(**{"config.classifier.epochs": 30.0}), {})
    assert set(said.loc[said["stage"] == "classification", "epochs"]) == {30}
    found = table.set_index(["stage", "method"])["iterations"].to_dict()
    assert found == {("generation", "dagan"): 400, ("generation", "dagan_aug"): 400} | {
        ("classification", method): 800 for method in ("c", "c_aug", "dagan", "dagan_aug")
    }
    assert paper_epochs("generation", generator=True) == 200
    assert is_short(99, 200)
    assert not is_short(100, 200)
    assert not is_short(math.nan, 200)
    assert [paper_epochs("classification", generator=known) for known in (True, False)] == [500, 600]
