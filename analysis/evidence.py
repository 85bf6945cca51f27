"""Everything a report says, computed once, before any of it is drawn or printed."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.accounting import best_suggestions, costs, counts, search_progress
from analysis.answer import Answer, answer
from analysis.comparison import compare, means
from analysis.confirmation import confirmed
from analysis.curves import average_curves, of_trials
from analysis.errors import ResultsError
from analysis.results import load, load_curves
from analysis.study import Study, load_study


@dataclass(frozen=True)
class Evidence:
    """The tables of one study; each is described where it is computed."""

    study: Study
    results: pd.DataFrame
    means: pd.DataFrame
    comparisons: pd.DataFrame
    counts: pd.DataFrame
    costs: pd.DataFrame
    progress: pd.DataFrame
    search_curves: pd.DataFrame  # of the best suggestion of each search
    confirm_curves: pd.DataFrame
    answer: Answer

    @property
    def cells(self) -> list[tuple[str, int]]:
        """Dataset and samples per class of every cell, in the order of the results."""
        pairs = self.results[["dataset", "samples_per_class"]].drop_duplicates()
        return list(pairs.itertuples(index=False, name=None))

    @property
    def superseded(self) -> int:
        """Confirm trials of an earlier choice, kept in the tables but not in the means."""
        return int((self.results["phase"] == "confirm").sum()) - len(confirmed(self.results))


def gather(directory: Path, planned: pd.DataFrame | None = None, signatures: Collection[str] | None = None) -> Evidence:
    """Read a study directory and compute its evidence; `planned` as in `analysis.accounting.counts`.

    With `signatures` only these trials count: a study file that was changed leaves others behind in the ledger.
    """
    study = load_study(directory)
    results, curves = load(directory), load_curves(directory)
    if signatures is not None:
        results = results[results["signature"].isin(signatures)].reset_index(drop=True)
        curves = curves[curves["signature"].isin(signatures)].reset_index(drop=True)
    if results.empty:
        raise ResultsError(f"{directory} must hold a finished trial, but its ledger has none. Run the study first.")
    measured, tally = means(results), counts(results, planned)
    comparisons = compare(results, study.compare, study.smallest_difference)
    return Evidence(
        study=study,
        results=results,
        means=measured,
        comparisons=comparisons,
        counts=tally,
        costs=costs(results),
        progress=search_progress(results),
        search_curves=average_curves(of_trials(curves, best_suggestions(results), "search")),
        confirm_curves=average_curves(of_trials(curves, _completed(results), "confirm")),
        answer=answer(study, measured, comparisons, tally),
    )


def _completed(results: pd.DataFrame) -> pd.DataFrame:
    trials = confirmed(results)
    return trials[trials["status"] == "completed"]
