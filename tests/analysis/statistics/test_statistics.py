"""Statistics against worked arithmetic, scipy, statsmodels and simulation."""

import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import proportion_confint

from analysis.statistics.corrections import benjamini_hochberg, holm
from analysis.statistics.intervals import FEWEST, RESAMPLES, bca_interval, bca_limits, spread, t_interval
from analysis.statistics.paired import paired_statistics, share_limits
from analysis.statistics.power import detectable_difference, paired_power, plan_seeds, seeds_needed, spread_limit
from analysis.statistics.sign_flips import sign_flip_p, sign_flip_ps, smallest_attainable_p


def test_t_interval_by_hand():
    interval = t_interval([1.0, 2.0, 3.0])  # sd 1, t(0.975, 2) = 4.30265
    assert interval.mean == 2
    assert interval.high - interval.mean == pytest.approx(4.302653 / math.sqrt(3), abs=1e-6)
    assert (interval.n, interval.note) == (3, "")


@pytest.mark.parametrize("n", [2, 5, 30])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_t_interval_equals_scipy(n, level):
    values = np.random.default_rng(n).normal(0.7, 0.03, n)
    expected = stats.t.interval(level, n - 1, values.mean(), stats.sem(values))
    interval = t_interval(values, level)
    assert (interval.low, interval.high) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n", [3, 8])
def test_t_interval_covers_the_truth_as_often_as_it_says(n):
    samples = np.random.default_rng(0).normal(0, 1, (2000, n))
    covered = np.mean([i.low <= 0 <= i.high for i in map(t_interval, samples)])
    assert covered == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / 2000))


def test_one_value_has_no_interval_and_none_no_mean():
    one, none = t_interval([0.8]), t_interval([])
    assert one.mean == 0.8
    assert math.isnan(one.low)
    assert math.isnan(one.high)
    assert one.note == "no interval: one value"
    assert math.isnan(none.mean)
    assert none.note == "no values"


def test_equal_values_have_no_interval():
    interval = t_interval([0.1 + 0.2, 0.3, 0.3])  # differ by rounding only
    assert math.isnan(interval.low)  # one of zero width would look like certainty
    assert math.isnan(interval.high)
    assert interval.note == "no interval: all 3 values are equal"
    assert spread([0.3, 0.1 + 0.2]) == 0


def test_missing_values_are_refused():
    with pytest.raises(ValueError, match="Drop missing values"):
        t_interval([0.5, math.nan])


def test_sign_flip_by_hand():
    # Of the 8 assignments of (1, 2, 4), only +++ and −−− reach |sum| = 7.
    assert sign_flip_p([1, 2, 4]) == 2 / 8
    # |1 + 2 − 4| = 1: every assignment reaches it but none is excluded, for |sums| are 1, 3, 5, 7.
    assert sign_flip_p([1, 2, -4]) == 1


@pytest.mark.parametrize("n", [1, 4, 10])
def test_sign_flip_equals_scipy(n):
    differences = np.random.default_rng(n).normal(0.3, 1, n)
    expected = 1.0
    if n > 1:
        mean = lambda x, axis: np.mean(x, axis=axis)  # noqa: E731
        outcome = stats.permutation_test(
            (differences,), mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
        )
        expected = outcome.pvalue
    assert sign_flip_p(differences) == pytest.approx(expected, rel=1e-12)


def test_sign_flip_counts_ties_despite_rounding():
    # 0.1 + 0.2 − 0.3 is not 0 in floating point, and sums in another order differ in the last bit.
    assert sign_flip_p([0.1, 0.2, 0.3]) == 2 / 8
    assert sign_flip_p([0.1, 0.2, -0.3]) == 1
    # |sum| is 0.2; of 16 assignments the 6 with sum 0 fall short. Floating point alone would say 2 / 16.
    assert sign_flip_p([0.1, 0.1, 0.1, -0.1]) == 10 / 16


def test_sign_flip_of_nothing_and_of_no_difference():
    assert math.isnan(sign_flip_p([]))
    assert sign_flip_p([0, 0, 0]) == 1


def test_sign_flip_monte_carlo_is_near_the_exact_one_and_repeats():
    differences = np.random.default_rng(3).normal(0.45, 1, 17)
    signs = 1 - 2 * ((np.arange(2**16)[:, None] >> np.arange(17)) & 1)
    exact = np.mean(np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12)
    sampled = sign_flip_p(differences)
    assert 0.01 < exact < 0.5
    assert sampled == pytest.approx(exact, abs=4 * math.sqrt(exact / 1e5))
    assert sampled == sign_flip_p(differences)
    assert sign_flip_p(np.full(30, 0.1)) == pytest.approx(1e-5)


def test_sign_flip_holds_its_level():
    p = [sign_flip_p(d) for d in np.random.default_rng(1).normal(0, 1, (1500, 7))]
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1500)


def test_five_seeds_cannot_reach_five_per_cent():
    assert smallest_attainable_p(5) == 0.0625
    assert smallest_attainable_p(6) < 0.05
    assert smallest_attainable_p(0) == 1
    assert sign_flip_p([1, 2, 3, 4, 5]) == smallest_attainable_p(5)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]).size == 0


def test_holm_equals_statsmodels():
    p = np.random.default_rng(4).uniform(0, 0.2, 12).round(2)  # with ties
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], rel=1e-12)


def test_holm_counts_missing_tests_in_the_family():
    corrected = holm([0.01, np.nan, np.nan])
    assert corrected[0] == pytest.approx(0.03)
    assert np.isnan(corrected[1:]).all()


@pytest.mark.parametrize(("n", "alpha"), [(3, 0.05), (10, 0.05), (40, 0.01)])
def test_detectable_difference_equals_statsmodels(n, alpha):
    effect = TTestPower().solve_power(nobs=n, alpha=alpha, power=0.8)
    assert detectable_difference(0.02, n, alpha=alpha) == pytest.approx(0.02 * float(effect), rel=1e-4)


@pytest.mark.parametrize("n", [8, 12, 16])
def test_sign_flips_detect_what_a_t_test_does_at_the_level_that_they_attain(n):
    level = (math.ceil(0.05 * 2 ** (n - 1)) - 1) / 2 ** (n - 1)
    effect = detectable_difference(1.0, n, test="sign_flip")
    assert TTestPower().power(effect, n, level) == pytest.approx(0.8, abs=1e-9)


def test_six_seeds_detect_by_their_signs_alone():
    effect = detectable_difference(1.0, 6, test="sign_flip")
    signs = np.random.default_rng(0).normal(effect, 1, (20_000, 6)) > 0
    assert np.mean(signs.all(axis=1) | ~signs.any(axis=1)) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("difference", [0.005, 0.02, 0.1])
def test_seeds_needed_equals_statsmodels(difference):
    power = TTestPower()
    n = int(seeds_needed(0.02, difference))
    assert power.power(difference / 0.02, n, 0.05) >= 0.8
    assert n == 2 or power.power(difference / 0.02, n - 1, 0.05) < 0.8


def test_seeds_needed_and_detectable_difference_agree():
    n = int(seeds_needed(0.02, 0.01))
    assert detectable_difference(0.02, n) <= 0.01 < detectable_difference(0.02, n - 1)


def test_seeds_needed_by_simulation():
    n = int(seeds_needed(1.0, 0.8))
    samples = np.random.default_rng(5).normal(0.8, 1, (3000, n))
    found = np.mean(stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05)
    assert found == pytest.approx(0.8, abs=0.04)


def test_power_at_the_edges():
    assert math.isnan(detectable_difference(0.02, 1))
    assert math.isnan(seeds_needed(math.nan, 0.005))
    assert detectable_difference(0.0, 8) == 0
    assert seeds_needed(0.0, 0.005) == 2
    assert seeds_needed(1.0, 1e-3) == pytest.approx(7.849e6, rel=1e-3)
    with pytest.raises(ValueError, match="difference > 0"):
        seeds_needed(0.02, 0)


@pytest.mark.parametrize("n", [20, 40])  # few enough values and resamples repeat the sample, where rounding decides
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_bca_equals_scipy_draw_for_draw(n, level):
    values = 0.9 - np.random.default_rng(n).gamma(1.5, 0.03, n)
    rng = np.random.default_rng(0)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=RESAMPLES, confidence_level=level, method="BCa", rng=rng
    ).confidence_interval
    ours = bca_interval(values, level)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-9)


def test_bca_of_few_values_is_near_scipys():
    values = np.random.default_rng(2).normal(0.7, 0.03, 8)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=RESAMPLES, method="BCa", rng=np.random.default_rng(1))
    ours, width = bca_interval(values), np.ptp(theirs.confidence_interval)
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.05 * width)


def test_bca_does_not_depend_on_its_neighbours_or_on_order():
    samples = np.random.default_rng(0).normal(0.7, 0.03, (600, 8))
    low, high = bca_limits(samples)
    alone = bca_limits(samples[[599]])
    assert (low[599], high[599]) == pytest.approx((alone[0][0], alone[1][0]), rel=1e-12)
    assert bca_interval(samples[0]) == bca_interval(samples[0])


def test_bca_of_a_skewed_sample_leans_with_it():
    values = [0.90, 0.90, 0.89, 0.90, 0.89, 0.90, 0.70, 0.89]
    bca, t = bca_interval(values), t_interval(values)
    assert bca.low > min(values)
    assert bca.high <= max(values) < t.high
    assert bca.mean - bca.low > bca.high - bca.mean


@pytest.mark.parametrize("values", [[], [0.5], [0.5, 0.6, 0.7], [0.3, 0.1 + 0.2, 0.3, 0.3]])
def test_bca_has_no_interval_where_there_can_be_none(values):
    assert FEWEST == 4
    assert math.isnan(bca_interval(values).low)
    assert math.isnan(bca_interval(values).high)


def test_limits_beyond_the_scale_are_cut_and_said():
    values = [0.99, 1.0, 0.93]
    uncut, cut = t_interval(values), t_interval(values, within=(0, 1))
    assert uncut.high > 1 == cut.high
    assert (cut.low, cut.note) == (uncut.low, "interval cut at the end of the scale")
    assert uncut.note == ""


def test_sign_flips_of_many_rows_are_those_of_each():
    for n in (6, 20):
        rows = np.random.default_rng(n).normal(0.3, 1, (70, n))
        assert sign_flip_ps(rows) == pytest.approx([sign_flip_p(row) for row in rows], rel=1e-12)


def test_benjamini_hochberg_by_hand_and_as_statsmodels():
    assert benjamini_hochberg([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.04, 0.04])
    p = np.random.default_rng(4).uniform(0, 0.2, 12).round(2)
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1], rel=1e-12)
    missing = benjamini_hochberg([0.01, np.nan, 0.5])
    assert missing[[0, 2]] == pytest.approx([0.03, 0.75])
    assert np.isnan(missing[1])
    assert benjamini_hochberg([]).size == 0


@pytest.mark.parametrize(("count", "of"), [(0, 8), (3, 8), (8, 8), (11, 20)])
def test_share_limits_equal_statsmodels(count, of):
    low, high = share_limits(np.array([count]), of)
    assert (low[0], high[0]) == pytest.approx(proportion_confint(count, of, method="beta"), abs=1e-10)


def test_probability_of_improvement_counts_ties_half():
    row = paired_statistics(pd.Series([0.1, -0.1, 0.0, 0.2], index=[0] * 4), 1).iloc[0]
    assert row["ahead"] == 2.5 / 4
    assert row["ahead_low"] < 2.5 / 4 < row["ahead_high"]
    assert row["note"] == "1 tie"


@pytest.mark.parametrize(
    ("n", "alpha"),
    [(6, 0.05), (8, 0.05), (10, 0.01), (12, 0.05 / 8), pytest.param(20, 0.05 / 4, marks=pytest.mark.slow)],
)
def test_sign_flip_power_by_simulation(n, alpha):
    difference = detectable_difference(0.02, n, alpha=alpha, test="sign_flip")
    samples = np.random.default_rng(n).normal(difference, 0.02, (1500, n))
    assert np.mean(sign_flip_ps(samples) < alpha) == pytest.approx(0.8, abs=0.05)


def test_below_the_floor_no_difference_can_be_found():
    assert math.isinf(detectable_difference(0.02, 5, test="sign_flip"))  # 2 / 2^5 = 0.0625
    assert math.isfinite(detectable_difference(0.02, 6, test="sign_flip"))
    assert detectable_difference(0.02, 5) < 0.05  # a t test would
    assert seeds_needed(0.001, 0.1, test="sign_flip") == 6
    assert seeds_needed(0.001, 0.1, alpha=0.05 / 4, test="sign_flip") == 8  # 2 / 2^8 < 0.0125 <= 2 / 2^7
    assert math.isinf(seeds_needed(0.02, 0.005, alpha=1e-6, test="sign_flip"))  # 1 / 100,000 is the least p
    assert paired_power(5.0, 5, test="sign_flip") == 0


@pytest.mark.parametrize("n", [2, 5, 30, 400])
def test_power_equals_scipys_noncentral_t(n):
    effects = np.linspace(0, 4, 9)
    critical, shift = stats.t.isf(0.025, n - 1), effects * math.sqrt(n)
    expected = stats.nct.sf(critical, n - 1, shift) + np.nan_to_num(stats.nct.cdf(-critical, n - 1, shift))
    assert paired_power(effects, n) == pytest.approx(expected, abs=1e-6)


def test_power_is_never_missing():
    effects, pairs = np.meshgrid(np.linspace(0, 40, 80), [2, 3, 5, 8, 17, 300])
    for alpha in (0.05, 1e-3, 1e-5):  # scipy's far tail is nan for some of these
        found = paired_power(effects, pairs, alpha=alpha)
        assert ((found >= 0) & (found <= 1 + 1e-12)).all()


def test_spread_limit_holds_the_true_spread_as_often_as_it_says():
    samples = np.random.default_rng(0).normal(0, 1, (4000, 6))
    held = np.mean(spread_limit(samples.std(axis=1, ddof=1), 6) >= 1)
    assert held == pytest.approx(0.8, abs=3 * math.sqrt(0.16 / 4000))


def test_a_plan_from_a_pilot():
    pilot = pd.DataFrame({"dataset": "d", "method": ["a", "b"], "n": [5, 1], "sd": [0.02, math.nan]})
    plan = plan_seeds(pilot, differences=[0.5, 2])
    assert plan[["method", "points"]].to_numpy().tolist() == [["a", 0.5], ["a", 2.0], ["b", 0.5], ["b", 2.0]]
    assert plan["seeds"][1] == seeds_needed(0.02, 0.02, alpha=0.025, test="sign_flip")
    assert plan["seeds_cautious"][1] > plan["seeds"][1]
    assert plan["seeds"][2:].isna().all()
    assert plan_seeds(pilot, differences=2, family=10)["seeds"][0] > plan["seeds"][1]


def test_what_planning_needs_is_imported_in_a_moment():
    code = "import sys, analysis.statistics.power, analysis.search.space; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "scipy.special" in loaded
    assert not {"scipy.stats", "scipy.optimize", "pandas"} & set(loaded)
