"""Statistics against worked arithmetic, scipy, statsmodels and simulation."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from analysis.corrections import holm
from analysis.intervals import spread, t_interval
from analysis.power import detectable_difference, seeds_needed
from analysis.sign_flips import sign_flip_p, smallest_attainable_p


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
