"""How often the intervals of `analysis` cover the truth, and how often its claims are false: simulated, as Markdown.

    python tests/benchmarks/coverage.py [--repetitions 4000] [--only intervals claims …]

Some minutes on one core. tests/analysis/statistics/test_coverage.py runs the same functions shorter.
"""

import argparse
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats

from analysis.comparison.across_cells import aggregate
from analysis.comparison.verdicts import claimed
from analysis.data.columns import COLUMNS
from analysis.data.tidy import tidy
from analysis.search.budget import expected_best
from analysis.statistics.intervals import bca_limits, cut, spreads, t_limits
from analysis.statistics.paired import paired_statistics, share_limits
from analysis.statistics.power import detectable_difference
from analysis.statistics.rank_correlation import rank_correlations
from analysis.statistics.sign_flips import sign_flip_ps

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]

# Accuracies as they come: around 70 %, with a tail of bad luck below, close to 100 %, with an odd seed now and then.
POPULATIONS: dict[str, tuple[Draw, float]] = {
    "normal, 70 ± 3": (lambda rng, shape: rng.normal(0.70, 0.03, shape), 0.70),
    "skewed, 90 − Γ(1.5)": (lambda rng, shape: 0.90 - rng.gamma(1.5, 0.03, shape), 0.855),
    "bounded, β(20, 1)": (lambda rng, shape: rng.beta(20, 1, shape), 20 / 21),
    "heavy tails, t with 3": (lambda rng, shape: 0.70 + 0.02 * rng.standard_t(3, shape), 0.70),
}


FAMILIES = ((1, 6), (1, 8), (4, 8), (4, 10), (12, 12), (4, 20))  # comparisons, seeds


def interval_coverage(repetitions: int, sizes: tuple[int, ...] = (3, 5, 8, 10, 20, 50)) -> pd.DataFrame:
    """The share of 95 % intervals of the mean that hold the true mean: Student t (cut at 0 and 1) and BCa."""
    rows = []
    for name, (draw, truth) in POPULATIONS.items():
        for n in sizes:
            samples = draw(np.random.default_rng(n), (repetitions, n))
            t = cut(*t_limits(samples.mean(axis=1), spreads(samples), n), within=(0.0, 1.0))
            rows.append([name, n, _covered(t, truth), _covered(bca_limits(samples), truth) if n > 3 else math.nan])
    return pd.DataFrame(rows, columns=["accuracies", "seeds", "t", "BCa"])


def false_claims(repetitions: int, families: tuple[tuple[int, int], ...] = FAMILIES) -> pd.DataFrame:
    """The share of families with any claim where no method differs in mean: the whole rule, Holm included.

    `claim`: better or worse by any amount; `worth having`: by at least 0.5 points. All methods of a family share their
    seeds' luck and their baseline, so their comparisons depend on each other. `skewness …`: the mean difference is zero
    but the differences are not symmetric about it, as the sign-flip test supposes.
    """
    rows = []
    for name, draw in NULLS.items():
        for comparisons, n in families:
            rng = np.random.default_rng(comparisons * 100 + n)
            verdicts = _verdicts([draw(rng, comparisons, n) for _ in range(repetitions)])
            claim = np.mean([any(word.startswith(("better", "worse")) for word in family) for family in verdicts])
            worth = np.mean([any(word in ("better", "worse") for word in family) for family in verdicts])
            rows.append([name, comparisons, n, claim, worth])
    return pd.DataFrame(rows, columns=["differences", "comparisons", "seeds", "claim", "worth having"])


def _shared(noise: Draw) -> Callable[[np.random.Generator, int, int], np.ndarray]:
    return lambda rng, comparisons, n: (lambda runs: runs[1:] - runs[0])(noise(rng, (comparisons + 1, n)))


def _skewed(skewness: float) -> Callable[[np.random.Generator, int, int], np.ndarray]:
    shape = 4 / skewness**2  # of a gamma distribution, negative side up: a few seeds lose much
    return lambda rng, comparisons, n: 0.02 * (shape - rng.gamma(shape, 1, (comparisons, n))) / math.sqrt(shape)


NULLS = {
    "normal": _shared(POPULATIONS["normal, 70 ± 3"][0]),
    "bounded": _shared(POPULATIONS["bounded, β(20, 1)"][0]),
    "skewness −0.5": _skewed(0.5),
    "skewness −1.5": _skewed(1.5),
}


def _verdicts(families: list[np.ndarray]) -> list[list[str]]:
    """The verdicts of each family of differences, shape (comparisons, seeds)."""
    differences = np.concatenate(families)
    index = np.repeat(np.arange(len(differences)), differences.shape[1])
    said = paired_statistics(pd.Series(differences.ravel(), index=index), len(differences), bootstrap=False)
    each = len(families[0])
    starts = range(0, len(differences), each)
    return [claimed(said.iloc[start : start + each], 0.5)["verdict"].tolist() for start in starts]


def budget_coverage(repetitions: int, sizes: tuple[int, ...] = (16, 32, 64)) -> pd.DataFrame:
    """The share of 95 % intervals of the expected best of k suggestions that hold it: jackknife and bootstrap.

    The bootstrap is here to show why it is not used.
    """
    rows = []
    for name, (draw, _) in POPULATIONS.items():
        for n in sizes:
            rng = np.random.default_rng(n)
            tried = np.array([1, n // 8, n // 4, n // 2, n])
            truth = np.array([draw(rng, (20_000, k)).max(axis=1).mean() for k in tried])
            # The expected best is linear in the ordered values: differences of steps give their weights.
            steps = np.array([expected_best((np.arange(n) >= i).astype(float), tried)[0] for i in range(n)])
            highest = steps - np.vstack([steps[1:], np.zeros(len(tried))])
            drawn = np.sort(rng.integers(0, n, (500, n)), axis=1)
            jackknife, bootstrap = np.zeros(len(tried)), np.zeros(len(tried))
            for _ in range(repetitions):
                accuracy = np.sort(draw(rng, (n,)))
                best, error, _none = expected_best(accuracy, tried)
                half = stats.t.ppf(0.975, n - 1) * error
                jackknife += np.where(np.isnan(half), math.nan, np.abs(best - truth) <= half)
                again = accuracy[drawn] @ highest
                low, high = np.quantile(again, [0.025, 0.975], axis=0)
                bootstrap += (low <= truth) & (truth <= high)
            for method, covered in (("jackknife", jackknife), ("bootstrap", bootstrap)):
                rows.append([name, n, method, *covered / repetitions])
    return pd.DataFrame(rows, columns=["accuracies", "suggestions", "interval", "k = 1", "N/8", "N/4", "N/2", "N"])


def cell_coverage(repetitions: int, seeds: int = 8, cells: int = 4) -> pd.DataFrame:
    """The share of 95 % intervals of inter-quartile mean and mean over cells that hold the truth.

    With luck of its own in every cell, and with half of the variance shared by a seed's runs in all cells.
    """
    rows = []
    level = np.linspace(0.5, 0.8, cells)
    for name, share in (("own luck in each cell", 0.0), ("half of the luck shared", 0.5)):

        def draw(rng: np.random.Generator, n: int, share: float = share) -> np.ndarray:
            common, own = rng.normal(0, 1, (n, 1)), rng.normal(0, 1, (n, cells))
            return level + 0.03 * (math.sqrt(share) * common + math.sqrt(1 - share) * own)

        rng = np.random.default_rng(0)
        truth = {"iqm": float(stats.trim_mean(draw(rng, 200_000).ravel(), 0.25)), "mean": float(level.mean())}
        covered = {(kind, shared): 0.0 for kind in truth for shared in (False, True)}
        for _ in range(repetitions):
            results = results_of(draw(rng, seeds))
            for shared in (False, True):
                row = aggregate(results, shared_seeds=shared).iloc[0]
                for kind, value in truth.items():
                    covered[kind, shared] += row[f"{kind}_low"] <= value <= row[f"{kind}_high"]
        rows.append([name, seeds, *(count / repetitions for count in covered.values())])
    return pd.DataFrame(rows, columns=["luck", "seeds", "IQM", "IQM, shared_seeds", "mean", "mean, shared_seeds"])


def results_of(accuracies: np.ndarray) -> pd.DataFrame:
    """Confirm trials of one method with these accuracies, shape (seeds, cells)."""
    seeds, cells = accuracies.shape
    table = pd.DataFrame(dict.fromkeys(COLUMNS), index=range(accuracies.size))
    return tidy(
        table.assign(
            signature=[str(i) for i in range(accuracies.size)],
            study="s",
            phase="confirm",
            dataset="d",
            method="c",
            status="completed",
            samples_per_class=np.tile(np.arange(cells), seeds),
            seed=np.repeat(np.arange(seeds), cells),
            trial=np.repeat(np.arange(seeds), cells),
            test_accuracy=accuracies.ravel(),
        )
    )


def correlation_coverage(repetitions: int, sizes: tuple[int, ...] = (8, 12, 30)) -> pd.DataFrame:
    """The share of 95 % intervals of rank correlations that hold the truth, for normal pairs of correlation r."""
    rows = []
    for r in (0.0, 0.5, 0.8):
        truth = {"spearman": 6 / math.pi * math.asin(r / 2), "kendall": 2 / math.pi * math.asin(r)}
        for n in sizes:
            rng = np.random.default_rng(n)
            first, other = rng.normal(size=(2, repetitions * n))
            second = r * first + math.sqrt(1 - r**2) * other
            table = pd.DataFrame({"a": first, "b": second, "group": np.repeat(np.arange(repetitions), n)})
            found = rank_correlations(table, "a", "b", ["group"])
            covered = [
                # An order that agrees wholly has no interval; it is counted as one that misses.
                np.mean((found[f"{kind}_low"] <= value) & (value <= found[f"{kind}_high"]))
                for kind, value in truth.items()
            ]
            rows.append([r, n, *covered])
    return pd.DataFrame(rows, columns=["r", "pairs", "Spearman", "Kendall"])


def share_coverage() -> pd.DataFrame:
    """The chance that the 95 % interval of the probability of improvement holds it: exact, no simulation."""
    rows = []
    for n in (6, 8, 10, 20):
        hits = np.arange(n + 1)
        low, high = share_limits(hits, n)
        truths = np.linspace(0.01, 0.99, 99)
        chance = [stats.binom.pmf(hits, n, truth)[(low <= truth) & (truth <= high)].sum() for truth in truths]
        rows.append([n, min(chance), float(np.mean(chance))])
    return pd.DataFrame(rows, columns=["seeds", "least", "mean"])


def power_found(repetitions: int) -> pd.DataFrame:
    """The share of true differences found by the sign-flip test where 80 % are promised."""
    rows = []
    for n, comparisons in ((6, 1), (8, 1), (8, 4), (12, 8), (16, 20), (20, 4)):
        alpha = 0.05 / comparisons
        difference = detectable_difference(1.0, n, alpha=alpha, test="sign_flip")
        samples = np.random.default_rng(n).normal(difference, 1, (repetitions, n))
        rows.append([n, comparisons, difference, np.mean(sign_flip_ps(samples) < alpha)])
    return pd.DataFrame(rows, columns=["seeds", "comparisons", "detectable, in sd", "found"])


def _covered(limits: tuple[np.ndarray, np.ndarray], truth: float) -> float:
    return float(np.mean((limits[0] <= truth) & (truth <= limits[1])))


def markdown(table: pd.DataFrame) -> str:
    """The table with shares in per cent."""
    shares = [name for name in table if table[name].dtype == float and name not in ("r", "detectable, in sd")]
    text = table.astype(object)
    for name in shares:
        text[name] = ["–" if math.isnan(value) else f"{100 * value:.1f}" for value in table[name]]
    lines = [list(map(str, table.columns)), ["---:" if name in shares else "---" for name in table]]
    lines += [[f"{value:.3g}" if isinstance(value, float) else str(value) for value in row] for row in text.to_numpy()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


TABLES: dict[str, Callable[[int], pd.DataFrame]] = {
    "intervals": interval_coverage,
    "claims": lambda repetitions: false_claims(repetitions // 2),
    "budgets": lambda repetitions: budget_coverage(repetitions // 4),
    "cells": lambda repetitions: cell_coverage(repetitions // 4),
    "correlations": lambda repetitions: correlation_coverage(repetitions // 2),
    "shares": lambda _: share_coverage(),
    "power": power_found,
}


def main() -> None:
    """Print every table, or those asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=4000)
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES))
    options = parser.parse_args()
    for name in options.only:
        print(f"{name}\n\n{markdown(TABLES[name](options.repetitions))}\n", flush=True)


if __name__ == "__main__":
    main()
