"""What the trials cost and how they ended: counts against a plan, shares of outcomes."""

import pandas as pd
import pytest
from synthetic import table

from analysis import costs, counts, load, outcome_shares


def test_counts_against_a_plan(make_study):
    results = load(make_study(sizes=(5,)))
    plan = {"dataset": "digits", "samples_per_class": 5, "method": "c"}
    planned = pd.DataFrame([plan | {"phase": "search", "trials": 8}, plan | {"phase": "confirm", "trials": 10}])
    planned = pd.concat([planned, pd.DataFrame([plan | {"phase": "confirm", "method": "cgan", "trials": 4}])])
    rows = counts(results, planned).set_index(["phase", "method"])
    assert rows.loc[("search", "c"), ["planned", "completed", "stopped", "missing"]].tolist() == [8, 6, 2, 0]
    assert rows.loc[("confirm", "c"), ["planned", "completed", "missing"]].tolist() == [10, 8, 2]
    assert rows.loc[("confirm", "cgan"), ["planned", "completed", "missing"]].tolist() == [4, 0, 4]
    assert counts(results)["missing"].isna().all()


def test_a_surplus_in_one_cell_does_not_hide_what_another_lacks(make_study):
    results = load(make_study(methods=("c",), seeds=8))
    plan = [{"phase": "confirm", "dataset": "digits", "samples_per_class": n, "method": "c"} for n in (5, 20)]
    planned = pd.DataFrame([plan[0] | {"trials": 4}, plan[1] | {"trials": 12}])
    rows = counts(results, planned).set_index("phase")
    assert rows.loc["confirm", "missing"] == 4


def test_costs_include_every_outcome():
    row = costs(table({"c": [0.5, None, 0.7]})).iloc[0]
    assert (row["trials"], row["pflop"]) == (3, 1.5)


def test_outcomes_that_did_not_occur_may_still():
    results = table({"dagan": [None] * 8}, phase="search").assign(status=pd.array(["completed"] * 8, dtype="string"))
    results.loc[:1, "status"] = "diverged"
    rows = outcome_shares(results).set_index("outcome")
    assert rows.loc["diverged", ["trials", "count", "share"]].tolist() == [8, 2, 0.25]
    assert rows.loc["oom", "high"] == pytest.approx(1 - 0.025 ** (1 / 8))
    assert rows["count"].sum() == 8
