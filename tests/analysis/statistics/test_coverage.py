"""What tests/benchmarks/coverage.py measures, shorter: intervals that hold the truth, families without false claims."""

import importlib.util
import math
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def simulated() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "coverage.py"
    # Not by its own name, which belongs to a well-known package.
    specification = importlib.util.spec_from_file_location("coverage_of_analysis", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def slack(share: float, repetitions: int) -> float:
    return 3 * math.sqrt(share * (1 - share) / repetitions)


@pytest.mark.slow
def test_t_intervals_of_normal_values_cover_and_bca_says_less(simulated):
    rows = simulated.interval_coverage(1000, sizes=(5, 20)).set_index(["accuracies", "seeds"])
    normal = rows.loc["normal, 70 ± 3"]
    assert normal["t"].tolist() == pytest.approx([0.95, 0.95], abs=slack(0.95, 1000))
    # With 5 seeds a bootstrap is too narrow whatever it is called; its docstring says so.
    assert normal.loc[5, "BCa"] < 0.90
    assert normal.loc[20, "BCa"] > 0.90
    # Skewed and bounded accuracies: a little under.
    assert rows["t"].min() > 0.85


@pytest.mark.parametrize("seeds", [8, pytest.param(20, marks=pytest.mark.slow)])  # 20 are tested by drawn signs
def test_false_claims_stay_within_five_per_cent_of_families(simulated, seeds):
    rows = simulated.false_claims(400, families=((4, seeds),))
    symmetric = rows[~rows["differences"].str.startswith("skewness")]
    assert len(symmetric) == 2
    assert symmetric["claim"].max() <= 0.05 + slack(0.05, 400)
    assert symmetric["claim"].max() > 0  # else nothing was tested
    assert (rows["worth having"] <= rows["claim"]).all()


def test_budget_intervals_cover_where_they_are_given(simulated):
    rows = simulated.budget_coverage(300, sizes=(32,)).set_index(["accuracies", "interval"])
    jackknife, bootstrap = rows.loc[("normal, 70 ± 3", "jackknife")], rows.loc[("normal, 70 ± 3", "bootstrap")]
    assert jackknife[["k = 1", "N/8", "N/4"]].min() > 0.85
    assert math.isnan(jackknife["N"])
    assert bootstrap["N/2"] < 0.80  # why there is none beyond N / 4


def test_rank_correlations_and_shares_cover(simulated):
    rows = simulated.correlation_coverage(300, sizes=(12,))
    assert rows[["Spearman", "Kendall"]].min().min() > 0.95 - slack(0.95, 300) - 0.02
    assert simulated.share_coverage()["least"].min() >= 0.95


@pytest.mark.slow
def test_intervals_over_cells_cover_where_the_luck_is_as_supposed(simulated):
    rows = simulated.cell_coverage(60).set_index("luck")
    assert rows.loc["own luck in each cell", ["IQM", "mean"]].min() > 0.83
    assert rows.loc["half of the luck shared", "mean, shared_seeds"] > rows.loc["half of the luck shared", "mean"]
