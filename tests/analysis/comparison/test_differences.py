"""Comparisons of made-up seeds: by hand where that is possible, by simulation where it is not."""

import math
import time

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from synthetic import METHODS, table

from analysis import ResultsError, compare, explore, load, means
from analysis.comparison.verdicts import ALPHA
from analysis.statistics.power import detectable_difference, seeds_needed

CLEAR = [0.80, 0.81, 0.79, 0.82, 0.78, 0.80, 0.83, 0.77, 0.80, 0.81, 0.79, 0.80]
BASE = [0.50, 0.52, 0.48, 0.51, 0.49, 0.53, 0.47, 0.50]


def one(a: list[float | None], b: list[float | None], smallest: float = 0.5) -> pd.Series:
    return compare(table({"dagan": a, "c": b}), {"dagan": ["c"]}, smallest).iloc[0]


def test_a_clear_difference_is_better_one_way_and_worse_the_other():
    gain = [0.03, 0.02, 0.04, 0.03, 0.02, 0.03, 0.05, 0.04]
    higher = [b + g for b, g in zip(BASE, gain, strict=True)]
    row = one(higher, BASE)
    assert (row["verdict"], row["n"], row["unpaired"]) == ("better", 8, 0)
    assert row["difference"] == pytest.approx(np.mean(gain))
    assert (row["low"], row["high"]) == pytest.approx(stats.t.interval(0.95, 7, np.mean(gain), stats.sem(gain)))
    assert row["p"] == row["p_holm"] == 2 / 2**8
    mirrored = one(BASE, higher)
    assert mirrored["verdict"] == "worse"
    assert mirrored["high"] == pytest.approx(-row["low"])


def test_significant_but_too_small_to_matter():
    row = one([b + g for b, g in zip(BASE, [0.002, 0.003] * 4, strict=True)], BASE)
    assert row["verdict"] == "better, but smaller than 0.5 points"
    row = one(BASE, [b + g for b, g in zip(BASE, [0.002, 0.003] * 4, strict=True)])
    assert row["verdict"] == "worse, but smaller than 0.5 points"


def test_a_difference_of_exactly_the_smallest_one_reaches_it():
    gain = [0.004, 0.006] * 5
    assert one([0.5 + g for g in gain], [0.5] * 10, smallest=0.5)["verdict"] == "better"
    assert one([0.5 + g for g in gain], [0.5] * 10, smallest=0.51)["verdict"].startswith("better, but")


def test_differences_without_spread_are_no_evidence():
    row = one([0.8] * 8, [0.5] * 8)
    assert math.isnan(row["low"])
    assert (row["p"], row["verdict"]) == (2 / 2**8, "no difference shown")
    assert row["note"] == "no interval: all 8 values are equal"


def test_noise_shows_nothing_and_says_how_many_seeds_would():
    differences = np.array([0.02, -0.02, 0.03, -0.03, 0.01, -0.01, 0.02, -0.01])
    row = one(list(np.array(BASE) + differences), BASE)
    assert row["verdict"] == "no difference shown"
    effect = 0.005 / differences.std(ddof=1)
    n = int(row["seeds_needed"])
    power = stats.nct.sf(stats.t.ppf(0.975, n - 1), n - 1, effect * math.sqrt(n))
    assert power == pytest.approx(0.8, abs=0.005)


def test_five_seeds_are_too_few_whatever_they_say():
    row = one([0.9] * 5, [0.1] * 5)
    assert (row["p"], row["verdict"]) == (0.0625, "too few seeds")
    assert row["note"] == "no interval: all 5 values are equal"


def test_the_correction_decides_what_is_too_few():
    # 2 / 2^6 = 0.031 passes alone, but not as one of two.
    results = pd.concat([table({"dagan": CLEAR[:6], "c": [0.5] * 6}, size=size) for size in (5, 20)])
    assert compare(results[results["samples_per_class"] == 5], {"dagan": ["c"]})["verdict"].item() == "better"
    assert compare(results, {"dagan": ["c"]})["verdict"].tolist() == ["looks better, too few seeds"] * 2


def test_a_large_difference_that_lacks_seeds_is_told_from_no_difference():
    drop = [-0.40, -0.25, -0.33, -0.21, -0.31]
    row = one([0.9 + d for d in drop], [0.9] * 5)
    assert (row["verdict"], row["high"] < 0) == ("looks worse, too few seeds", True)
    assert row["seeds_needed_seen"] == 6, "2 / 2^6 is the first p below 0.05"
    assert row["seeds_needed"] > 1000
    noise = one([0.5 + d for d in (0.2, -0.3, 0.1, -0.2, 0.1)], [0.5] * 5)
    assert noise["verdict"] == "too few seeds"
    assert noise["seeds_needed_seen"] == seeds_needed(
        noise["sd"], -noise["difference"], alpha=0.05, power=0.8, test="sign_flip"
    )


def test_what_the_correction_takes_away_still_looks_like_something():
    gain = [0.03, -0.01, 0.04, 0.02, 0.02, 0.03, 0.05, 0.04]
    mixed = [0.01, -0.01] * 4
    runs = {m: [b + g for b, g in zip(BASE, gain if m == "dagan" else mixed, strict=True)] for m in METHODS}
    rows = compare(table(runs | {"c": BASE}), {"dagan": ["c"], "dagan_aug": ["c"], "c_aug": ["c"], "semi_gan": ["c"]})
    assert rows["verdict"].tolist() == ["looks better, not shown", *["no difference shown"] * 2, "too few seeds"]
    assert rows["seeds_needed_seen"].isna().tolist() == [False, True, True, True], "nothing was seen of these"


def test_a_cell_with_many_seeds_helps_one_with_few():
    # Holm: the second p is corrected by 1 once the first is out of the way, and 0.031 < 0.05.
    few, many = (table({"dagan": CLEAR[:n], "c": [0.5] * n}, size=n) for n in (6, 12))
    assert compare(pd.concat([few, many]), {"dagan": ["c"]})["verdict"].tolist() == ["better", "better"]


def test_equal_accuracies_are_ties_and_show_nothing():
    row = one(BASE, BASE)
    assert (row["difference"], row["p"], row["verdict"]) == (0, 1, "no difference shown")


def test_only_seeds_that_both_completed_are_paired():
    row = one([0.6, None, 0.7, 0.8], [0.5, 0.5, None, 0.5, 0.9])
    assert (row["n"], row["unpaired"]) == (2, 3)
    assert row["difference"] == pytest.approx(0.2)


def test_one_seed_has_no_interval():
    row = one([0.6], [0.5])
    assert math.isnan(row["low"])
    assert math.isnan(row["seeds_needed"])
    assert (row["n"], row["verdict"], row["note"]) == (1, "too few seeds", "no interval: one value")


def test_cells_and_baselines_without_data_stay_in_the_family():
    rows = compare(table({"dagan": [0.8] * 8, "c": [0.5] * 8}), {"dagan": ["c", "c_aug"], "semi_gan": ["c"]})
    assert rows[["method", "baseline", "n"]].values.tolist() == [
        ["dagan", "c", 8],
        ["dagan", "c_aug", 0],
        ["semi_gan", "c", 0],
    ]
    assert rows["p_holm"].iloc[0] == pytest.approx(3 * 2 / 2**8)
    assert rows["p"].iloc[1:].isna().all()
    assert rows["verdict"].iloc[1:].tolist() == ["too few seeds"] * 2


def test_a_part_of_the_declared_family_is_told_to_be_one(make_study):
    results = load(make_study(sizes=(5,)))  # declares three pairs
    part = compare(results, {"dagan": ["c"]})
    assert part["note"].tolist() == ["p_holm is for 1 of the 3 pairs that the study declares"]
    whole = compare(results, {"dagan_aug": ["c_aug", "dagan"], "dagan": ["c"]})
    others = compare(results, {"dagan": ["c_aug"]})
    assert not (pd.concat([whole, others])["note"].str.contains("declares")).any()


def test_misspelt_and_senseless_comparisons_are_refused_all_at_once():
    results = table({"dagan": BASE, "c": BASE})
    with pytest.raises(ResultsError, match=r"unknown method `dagann` \(did you mean `dagan`\?\)\. Methods: c, dagan\."):
        compare(results, {"dagann": ["c"]})
    with pytest.raises(ResultsError, match=r"`c` is\. a pair is declared once, but `dagan` against `c`"):
        compare(results, {"c": ["c"], "dagan": ["c", "c"]})
    with pytest.raises(ResultsError, match="unknown method `c_augg`"):
        explore(results, against=["c_augg"])


def test_a_method_of_the_study_without_results_is_no_misspelling():
    results = table({"dagan": BASE, "c": BASE})
    with pytest.raises(ResultsError, match="unknown method `mine`"):
        compare(results, {"mine": ["c"]})
    results.attrs["methods"] = ["mine", "c", "dagan"]
    assert compare(results, {"mine": ["c"]})["n"].item() == 0


def test_effect_size_test_and_power_stand_in_their_columns():
    noisy = [b + g for b, g in zip(BASE, [0.03, -0.01, 0.04, 0.0, 0.02, 0.03, 0.05, 0.04], strict=True)]
    row = one(noisy, BASE)
    differences = np.array(noisy) - BASE
    assert row["d_z"] == pytest.approx(differences.mean() / differences.std(ddof=1))
    assert (row["ahead"], row["test"]) == (6.5 / 8, "exact")
    assert row["note"] == "1 tie"
    assert row["detectable_difference"] == pytest.approx(
        detectable_difference(row["sd"], 8, alpha=0.05, test="sign_flip")
    )
    assert row["bca_low"] > row["low"]
    many = one([0.5 + 0.01 * k for k in range(17)], [0.5] * 17)
    assert many["test"] == "Monte Carlo, 99,999 draws"


def test_accuracies_near_the_top_have_intervals_that_end_there():
    row = means(table({"c": [1.0, 0.99, 0.93]})).iloc[0]
    low, high = stats.t.interval(0.95, 2, np.mean([1.0, 0.99, 0.93]), stats.sem([1.0, 0.99, 0.93]))
    assert high > 1
    assert row["low"] == pytest.approx(low)
    assert row["high"] == 1
    assert row["note"] == "interval cut at the end of the scale"


def test_exploring_leaves_out_the_declared_pairs_and_claims_nothing():
    rng = np.random.default_rng(1)
    runs = {m: list(0.5 + 0.1 * (m == "dagan") + rng.normal(0, 0.01, 8)) for m in ("c", "c_aug", "dagan")}
    results = table(runs)
    found = explore(results, {"dagan": ["c"]}).set_index(["method", "baseline"])
    assert list(found.index) == [("c_aug", "c"), ("dagan", "c_aug")]
    assert found["p_bh"].tolist() == pytest.approx(multipletests(found["p"], method="fdr_bh")[1])
    assert found["promising"].tolist() == [False, True]
    assert "verdict" not in found
    assert len(explore(results)) == 3
    assert explore(results, against=["dagan"])["baseline"].tolist() == ["dagan"] * 2
    assert explore(table({"c": BASE})).empty


def test_hundreds_of_methods_are_compared_in_a_moment():
    rng = np.random.default_rng(0)
    names = [f"m{k}" for k in range(300)]
    results = pd.concat([table({m: list(rng.normal(0.5, 0.02, 8)) for m in names}, size=n) for n in (5, 20, 50)])
    began = time.process_time()
    rows = compare(results, {m: ["m0"] for m in names[1:]})
    assert time.process_time() - began < 10  # one t interval, bootstrap and test at a time took a minute
    assert len(rows) == 299 * 3
    assert rows["verdict"].str.endswith("too few seeds").all()  # 2 / 2^8 cannot survive 897 comparisons
    assert len(means(results)) == 900


def test_no_declared_family_gives_an_empty_table():
    assert compare(table({"c": BASE}), {}).empty


@pytest.mark.slow  # the same rule on more families, faster: tests/analysis/statistics/test_coverage.py
def test_false_claims_stay_below_five_per_cent_of_families():
    random = np.random.default_rng(2)
    claimed = 0
    for _ in range(100):
        noise = {m: list(0.5 + random.normal(0, 0.03, 8)) for m in METHODS}
        rows = compare(table(noise), {"dagan_aug": ["c", "c_aug"], "dagan": ["c"]})
        claimed += rows["verdict"].str.match("better|worse").any()
    assert claimed / 100 <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / 100)
