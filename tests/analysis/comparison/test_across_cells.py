"""Many cells in one number: against rliable and scipy where they overlap, by hand elsewhere."""

import math

import numpy as np
import pandas as pd
import pytest
from rliable import metrics
from scipy import stats
from synthetic import table

from analysis import aggregate, improvement, profiles
from analysis.comparison.across_cells import RESAMPLES, inter_quartile_mean

CELLS = (5, 20, 50)


def study(seeds: int = 8, methods: tuple[str, ...] = ("c", "dagan"), gain: float = 0.02) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    cells = []
    for place, size in enumerate(CELLS):
        shared = rng.normal(0.5 + 0.1 * place, 0.03, seeds)
        runs = {m: list(shared + gain * k + rng.normal(0, 0.01, seeds)) for k, m in enumerate(methods)}
        cells.append(table(runs, size=size))
    return pd.concat(cells, ignore_index=True)


def scores(results: pd.DataFrame, method: str) -> np.ndarray:
    """Shape (seeds, cells), as rliable wants them."""
    rows = results[results["method"] == method]
    return rows.pivot(index="seed", columns="samples_per_class", values="test_accuracy").to_numpy(float)


@pytest.mark.parametrize("runs", [5, 8, 13, 80])
def test_inter_quartile_mean_equals_scipy(runs):
    values = np.random.default_rng(runs).normal(size=(3, runs))
    assert inter_quartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25, axis=1), rel=1e-12)


def test_aggregates_equal_rliable():
    results = study()
    for row in aggregate(results).to_dict("records"):
        theirs = scores(results, row["method"])
        assert row["iqm"] == pytest.approx(metrics.aggregate_iqm(theirs), rel=1e-12)
        assert row["mean"] == pytest.approx(metrics.aggregate_mean(theirs), rel=1e-12)
        assert (row["n"], row["cells"], row["note"]) == (24, 3, "")


def test_the_interval_is_that_of_scipys_bootstrap_within_cells():
    results = study()
    row = aggregate(results).iloc[0]
    cells = scores(results, "c").T
    theirs = stats.bootstrap(
        tuple(cells),
        lambda *cells, axis: stats.trim_mean(np.concatenate(cells, axis=-1), 0.25, axis=axis),
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(5),
    ).confidence_interval
    assert (row["iqm_low"], row["iqm_high"]) == pytest.approx(tuple(theirs), abs=0.1 * np.ptp(theirs))


def test_gains_take_out_how_hard_a_cell_is():
    results = study()
    gains = aggregate(results, against="c")
    assert gains["method"].tolist() == ["dagan"]
    differences = scores(results, "dagan") - scores(results, "c")
    assert gains["mean"].item() == pytest.approx(differences.mean())
    assert gains["iqm_high"].item() - gains["iqm_low"].item() < 0.02 < np.ptp(scores(results, "c"))


def test_shared_seeds_draws_whole_seeds():
    rng = np.random.default_rng(0).normal(0, 0.03, 10)
    results = pd.concat([table({"c": list(0.5 + rng)}, size=size) for size in CELLS])  # one luck in all cells
    own, shared = aggregate(results).iloc[0], aggregate(results, shared_seeds=True).iloc[0]
    ratio = (shared["mean_high"] - shared["mean_low"]) / (own["mean_high"] - own["mean_low"])
    assert ratio == pytest.approx(math.sqrt(3), rel=0.1)


def test_what_keeps_an_interval_away_is_said():
    one = aggregate(study(seeds=1)).iloc[0]
    assert math.isnan(one["iqm_low"])
    assert one["note"] == "no interval: a cell has one seed"
    equal = aggregate(pd.concat([table({"c": [0.5] * 8}, size=n) for n in CELLS])).iloc[0]
    assert math.isnan(equal["iqm_low"])
    assert equal["note"] == "no interval: all values are equal"
    uneven = study().drop(index=0)
    assert aggregate(uneven).iloc[0]["note"] == "cells with more seeds count more"
    assert aggregate(uneven, shared_seeds=True).iloc[0]["note"].startswith("2 runs left out")
    assert aggregate(table({"c": [None]})).empty


def test_profiles_by_hand():
    results = pd.concat([table({"c": [0.4, 0.6]}, size=5), table({"c": [0.7, 0.8]}, size=20)])
    rows = profiles(results, [0.3, 0.5, 0.7, 0.8])
    assert rows["share"].tolist() == [1.0, 0.75, 0.25, 0.0]  # strictly above, as in rliable
    assert rows["low"].isna().tolist() == [True, False, False, True]
    assert rows.loc[1, ["low", "high"]].tolist() == [0.5, 1.0]  # of the hard cell's two seeds 0, 1 or 2 are drawn
    assert len(profiles(study())) == 2 * 51
    assert profiles(table({"c": [None]})).empty


def test_improvement_counts_seeds_ahead_cells_alike():
    results = pd.concat(
        [
            table({"c": [0.5] * 4, "dagan": [0.6, 0.6, 0.6, 0.4]}, size=5),
            table({"c": [0.5] * 2, "dagan": [0.5, 0.6]}, size=20),
        ]
    )
    row = improvement(results, {"dagan": ["c"]}).iloc[0]
    assert row["probability"] == pytest.approx((3 / 4 + 1.5 / 2) / 2)
    assert (row["n"], row["cells"]) == (6, 2)
    assert row["low"] < row["probability"] < row["high"]
    assert improvement(results, {"dagan": ["c_aug"]}).iloc[0]["note"] == "no values"


def test_improvement_equals_rliable_where_runs_are_not_paired():
    # With one seed a cell, pairing or not is the same.
    results = study(seeds=1, gain=0.005)
    row = improvement(results, {"dagan": ["c"]}).iloc[0]
    theirs = metrics.probability_of_improvement(scores(results, "dagan"), scores(results, "c"))
    assert row["probability"] == pytest.approx(theirs)
    assert math.isnan(row["low"])
