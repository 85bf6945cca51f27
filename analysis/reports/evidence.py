"""The evidence of a study: every table of the report, computed once, before any is drawn or printed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from analysis.accounting.costs import costs
from analysis.accounting.outcomes import OUTCOMES, counts
from analysis.comparison.ablation import contributions
from analysis.comparison.across_cells import aggregate
from analysis.comparison.by_class import average_confusions
from analysis.comparison.confirmed import confirmed
from analysis.comparison.differences import compare
from analysis.comparison.image_quality import gains, generators
from analysis.comparison.learning_curves import average_curves, of_trials
from analysis.comparison.means import means
from analysis.comparison.references import behind, reference_means
from analysis.data.columns import CELL, CELL_METHOD
from analysis.data.entries import confusions as confusions_of
from analysis.data.entries import curves as curves_of
from analysis.data.results import load, load_confusions, load_curves
from analysis.data.study import Study, load_study
from analysis.data.tidy import in_order, of_reference
from analysis.errors import ResultsError
from analysis.findings.cards import Card, load_cards
from analysis.findings.leaks import doubts
from analysis.findings.pictures import Duplicates, load_duplicates
from analysis.findings.references import load_references, no_references
from analysis.methods import ordered
from analysis.reports.accuracy_table import AccuracyTable, accuracy_tables
from analysis.reports.answer import Answer, answer
from analysis.reports.limits import falling_behind, length_limit, limits
from analysis.search.budget import budget_curves
from analysis.search.early_stopping import rungs_and_finals
from analysis.search.epochs import paper_epochs
from analysis.search.importance import importance
from analysis.search.late_gains import late_gains, lengths, longest
from analysis.search.range_edges import edges
from analysis.search.response import responses
from analysis.search.suggestions import best_suggestions, search_progress, suggestions
from analysis.search.thoroughness import thoroughness

CURVES = 32  # confirm trials of a cell and method whose curves are averaged; more would not move the mean
LOOKED_BACK_ON = 200  # search trials of a cell and method whose curves say whether early stopping was justified
CELLS = 9  # of which parameter importance is computed


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
    budgets: pd.DataFrame
    responses: pd.DataFrame
    importance: pd.DataFrame
    edges: pd.DataFrame
    aggregate: pd.DataFrame  # over cells; empty for one cell
    ablation: pd.DataFrame  # empty without a design
    generators: pd.DataFrame  # empty where no images were judged; so is the next
    gains: pd.DataFrame
    rungs: pd.DataFrame  # empty where the search stopped no trial early
    late_gains: pd.DataFrame  # with epochs and the paper's; empty without curves
    suggestions: pd.DataFrame
    remarks: tuple[str, ...]  # why something that was asked for is not there
    search_curves: pd.DataFrame  # of the best suggestion of each search
    confirm_curves: pd.DataFrame
    confusions: pd.DataFrame  # what classes were taken for; empty where the ledger does not say
    answer: Answer
    accuracy: tuple[AccuracyTable, ...]
    doubts: tuple[str, ...] = ()  # what a run has found that may make all of this worth nothing
    cards: tuple[Card, ...] = ()  # of the folders of images that a run has looked at
    duplicates: tuple[Duplicates, ...] = ()  # of the data sets in which somebody has looked for them

    @property
    def cells(self) -> list[tuple[str, int]]:
        """Dataset and samples per class of every cell, in the order of the results."""
        pairs = self.results[CELL].drop_duplicates()
        return list(pairs.itertuples(index=False, name=None))

    @property
    def methods(self) -> list[str]:
        """Every method of the results, in the order of the study, else of the paper."""
        return ordered(self.results["method"], self.study.methods)

    @property
    def outcomes(self) -> list[str]:
        """The outcomes that are told of: those that there are, of planned and completed trials in any case.

        Without a plan nobody knows what was planned, and what is missing.
        """
        known = [name for name in OUTCOMES if self.counts[name].notna().any()]
        return [name for name in known if name in ("planned", "completed") or (self.counts[name] > 0).any()]

    @property
    def damaged(self) -> dict[str, str]:
        """Files and runs that could not be read, with the reason."""
        return dict(self.results.attrs.get("damaged", {}))

    @property
    def repeated(self) -> int:
        """Rows left out because an earlier source has the same trial."""
        return int(self.results.attrs.get("repeated", 0))

    @property
    def left_out(self) -> int:
        """Finished trials of the ledger that the study as it is now does not ask for."""
        return int(self.results.attrs.get("left_out", 0))

    @property
    def superseded(self) -> int:
        """Confirm trials of an earlier choice, kept in the tables but not in the means."""
        return int((of_reference(self.results)["phase"] == "confirm").sum()) - len(confirmed(self.results))


def gather(directory: Path, planned: pd.DataFrame | None = None, points: Mapping[str, str] | None = None) -> Evidence:
    """Read a study directory and compute its evidence; `planned` as in `analysis.accounting.outcomes.counts`.

    With `points`, from signature to label, only these trials count, at these points of the design: a study file that
    was changed leaves others behind in the ledger, and where a new point comes first the labels are others.
    """
    study, results = load_study(directory), load(directory)
    if points is not None:
        attributes = results.attrs
        asked = results["signature"].isin(points.keys())
        results = results[asked].reset_index(drop=True)
        results["point"] = results["signature"].map(points).astype("string")
        results.attrs |= attributes | {"left_out": int((~asked).sum())}
    # Of a hundred thousand trials the curves of few are drawn, and only those are read.
    searched = _chosen(of_reference(results))
    drawn = {*searched["signature"], *_of_first_seeds(_completed(results))["signature"]}
    drawn |= set(_looked_back_on(of_reference(results), study)["signature"]) | set(longest(results)["signature"])
    references = reference_means(load_references(directory))
    tested = _confusions(directory, _completed(results))
    found = weigh(study, results, planned, load_curves(directory, signatures=drawn), references, tested)
    looked = [one for one in load_duplicates(directory) if one.dataset in set(results["dataset"])]
    cards = [one for one in load_cards(directory) if one.dataset in set(results["dataset"])]
    said = doubts(directory, study.smallest_difference)
    return replace(found, doubts=said, cards=tuple(cards), duplicates=tuple(looked))


def weigh(
    study: Study,
    results: pd.DataFrame,
    planned: pd.DataFrame | None = None,
    curves: pd.DataFrame | None = None,
    references: pd.DataFrame | None = None,
    confusions: pd.DataFrame | None = None,
) -> Evidence:
    """Compute the evidence of results; without `curves`, as from `load_curves`, none are shown.

    `references` as from `reference_means`; without them nothing stands beside the methods. `confusions` as from
    `average_confusions`; without them nothing is said of single classes.

    Raises:
        ResultsError: There are no results.
    """
    if results.empty:
        raise ResultsError(f"{study.name} must hold a finished trial, but there is none. Run the study first.")
    curves = curves_of([]) if curves is None else curves
    references = reference_means(no_references()) if references is None else references
    central = of_reference(results)
    measured, tally = means(results), counts(results, planned)
    comparisons = compare(results, study.compare, study.smallest_difference, planned)
    ablation, remarks = _ablation(results, study)
    ends, images, late = edges(central, study.space), generators(results), _late_gains(results, curves, study)
    said = [
        *falling_behind(behind(measured, references)),
        *limits(late, thoroughness(central, study.space), ends, images, ablation, study.smallest_difference),
    ]
    return Evidence(
        study=study,
        results=results,
        means=measured,
        comparisons=comparisons,
        counts=tally,
        costs=costs(results),
        progress=search_progress(central),
        budgets=budget_curves(central),
        responses=responses(central, study.parameters),
        importance=_importance(central, study),
        edges=ends,
        aggregate=_over_cells(results),
        ablation=ablation,
        generators=images,
        gains=gains(results, study.compare),
        rungs=_rungs(central, curves, study),
        late_gains=late,
        remarks=remarks,
        suggestions=suggestions(central),
        search_curves=average_curves(of_trials(curves, best_suggestions(central), "search")),
        confirm_curves=average_curves(of_trials(curves, _completed(results), "confirm")),
        confusions=average_confusions(confusions_of([])) if confusions is None else confusions,
        answer=answer(study, measured, comparisons, tally, ablation, said, is_short=any(length_limit(late))),
        accuracy=tuple(accuracy_tables(results, measured, comparisons, study.methods, references)),
    )


def _confusions(directory: Path, trials: pd.DataFrame) -> pd.DataFrame:
    """Average the confusions of trials, one cell and method after the other: those of all would fill the memory."""
    groups = (set(group["signature"]) for _, group in trials.groupby(CELL_METHOD, sort=False))
    parts = [average_confusions(load_confusions(directory, signatures=group)) for group in groups]
    told = [part for part in parts if len(part)]
    return pd.concat(told, ignore_index=True) if told else average_confusions(confusions_of([]))


def _importance(results: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Importance in the first cells only: it takes a moment for each search, and figures show no more."""
    if find_spec("optuna") is None or not study.space:
        return pd.DataFrame(columns=[*CELL_METHOD, "parameter", "importance", "n"])
    cells = results[CELL].drop_duplicates().head(CELLS)
    return importance(results.merge(cells, on=CELL), study.space)


def _ablation(results: pd.DataFrame, study: Study) -> tuple[pd.DataFrame, tuple[str, ...]]:
    if not study.factors:
        return pd.DataFrame(), ()
    known = "point" in results and (results["point"] != "").any()
    base = {} if known else {key: level for key, level in study.factors.items() if level is not None}
    try:
        return contributions(results, list(study.factors), base, study.smallest_difference), ()
    except ResultsError as error:  # a report without its ablation is still a report
        return pd.DataFrame(), (f"no ablation: {error}",)


def _over_cells(results: pd.DataFrame) -> pd.DataFrame:
    table = aggregate(results)
    return table[table["n"] > 0] if table["cells"].max() > 1 else table.head(0)


def _looked_back_on(results: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Search trials by which early stopping can be judged, where a study has it: those that it let end."""
    search = results[(results["phase"] == "search") & (results["status"] == "completed")]
    groups = search.groupby(CELL_METHOD, sort=False)
    return groups.head(LOOKED_BACK_ON) if study.rungs else search.head(0)


def _rungs(results: pd.DataFrame, curves: pd.DataFrame, study: Study) -> pd.DataFrame:
    if not study.rungs or curves.empty:
        return pd.DataFrame()
    trials = _looked_back_on(results, study)
    table = rungs_and_finals(curves[curves["signature"].isin(trials["signature"])], trials)
    first, factor = study.rungs
    return table[table["iteration"].isin([first * factor**k for k in range(32)])].reset_index(drop=True)


def _late_gains(results: pd.DataFrame, curves: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Lengths of all trainings with their late gains, beside the paper's."""
    classes = curves.groupby("dataset")["classes"].max().dropna()
    table = lengths(results, {str(dataset): count for dataset, count in classes.items()})
    found = late_gains(curves[curves["signature"].isin(longest(results)["signature"])], study.smallest_difference)
    table = table.merge(found.drop(columns="iterations"), on=[*CELL_METHOD, "stage"], how="left")
    table = table.fillna({"n": 0, "improving": "unclear"}).astype({"n": int})
    table = in_order(table, CELL_METHOD, study.methods)  # in each, stage 1 comes first
    generating = set(table.loc[table["stage"] == "generation", "method"])
    pairs = zip(table["stage"], table["method"], strict=True)
    return table.assign(paper=[paper_epochs(stage, generator=method in generating) for stage, method in pairs])


def _of_first_seeds(trials: pd.DataFrame) -> pd.DataFrame:
    return trials.groupby(CELL_METHOD, sort=False).head(CURVES)


def _chosen(results: pd.DataFrame) -> pd.DataFrame:
    keys = [*CELL_METHOD, "trial"]
    return results[results["phase"] == "search"].merge(best_suggestions(results)[keys], on=keys)


def _completed(results: pd.DataFrame) -> pd.DataFrame:
    trials = confirmed(results)
    return trials[trials["status"] == "completed"]
