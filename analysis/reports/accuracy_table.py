"""The accuracy table of a paper: methods × samples per class, mean ± interval, bold only where the evidence allows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import pandas as pd

from analysis.comparison.confirmed import confirmed
from analysis.comparison.differences import compare
from analysis.comparison.means import means
from analysis.comparison.published import beside
from analysis.data.columns import CELL
from analysis.formatting import listed, percent, tflop, times
from analysis.methods import ordered
from analysis.reports.table_formats import FORMS, Cell, Grid
from analysis.search.suggestions import best_suggestions


@dataclass(frozen=True)
class Entry:
    """One number in per cent; `best` only where the evidence allows; `published` is the papers', if they have one.

    `cost` is what one training took, and how many times as much as one of the first declared baseline.
    """

    value: str
    half: str = ""
    note: str = ""
    best: bool = False
    published: str = ""
    cost: str = ""

    @property
    def text(self) -> str:
        """The entry in one line, without its cost."""
        notes = [self.note, f"published {self.published}" if self.published else ""]
        remarks = f" ({', '.join(filter(None, notes))})" if any(notes) else ""
        return f"{self.value}{f' ± {self.half}' if self.half else ''}{remarks}"


NOTHING = Entry("–")
REFERENCES_NOTE = "Last rows: what takes no network, on the pixels of the same images."


@dataclass(frozen=True)
class AccuracyTable:
    """Methods × samples per class of one dataset; `validation` marks numbers of the search: no evidence."""

    dataset: str
    sizes: tuple[int, ...]
    rows: tuple[tuple[str, tuple[Entry, ...]], ...]
    validation: bool
    seeds: str = ""
    sources: tuple[str, ...] = ()
    design: bool = False
    """Whether the trials vary factors: the means are then those of the base configurations."""
    references: tuple[tuple[str, tuple[Entry, ...]], ...] = ()
    """Rows of what takes no network."""

    @property
    def has_costs(self) -> bool:
        """Whether it is known what trainings took."""
        return any(entry.cost for _, entries in self.rows for entry in entries)

    @property
    def note(self) -> str:
        """Description of the numbers."""
        if self.validation:
            return (
                "Nothing is confirmed yet. These accuracies chose the configuration: they are too high to be evidence."
            )
        text = f"Mean ± half of the 95 % Student t interval over seeds (n = {self.seeds})."
        if self.design:
            text += " Of the base configurations alone; what changes to them do is in the ablation."
        if any(entry.best for _, entries in self.rows for entry in entries):
            text += " Bold: the highest mean, where it won every declared comparison it took part in."
        if self.references:
            text += f" {REFERENCES_NOTE}"
        if self.has_costs:
            text += " TFLOP: counted operations of one training by itself; ×: times those of the baseline."
        if self.sources:
            text += f" Published: {listed(list(self.sources))}; one run each, no interval."
        return text


def accuracy_tables(
    results: pd.DataFrame,
    measured: pd.DataFrame,
    comparisons: pd.DataFrame,
    methods: Sequence[str] = (),
    references: pd.DataFrame | None = None,
) -> list[AccuracyTable]:
    """Build one table per dataset: test accuracy or, before any confirm trial, the best validation accuracy.

    `measured` as from `means`, `comparisons` as from `compare`, `references` as from `reference_means`; `methods` is
    the order of the rows.
    """
    at_reference = comparisons[(comparisons["point"] == "") & (comparisons["baseline_point"] == "")]
    found = []
    for dataset in results["dataset"].unique():
        one = _accuracy_table(
            results[results["dataset"] == dataset],
            measured[(measured["dataset"] == dataset) & (measured["n"] > 0)],
            at_reference[at_reference["dataset"] == dataset],
            methods,
        )
        if references is not None and not one.validation:
            one = replace(one, references=_references(references[references["dataset"] == dataset], one.sizes))
        found.append(one)
    return found


def table(
    results: pd.DataFrame,
    family: Mapping[str, Sequence[str]] | None = None,
    *,
    form: str = "md",
    smallest_difference: float = 0.5,
) -> str:
    """Print the accuracy tables of results as text to paste: `form` is `md`, `tex` (booktabs), `html` or `csv`.

    `family` holds the declared comparisons, as for `compare`; without them nothing is bold.

    Raises:
        ValueError: There is no such form.
    """
    if form not in FORMS:
        raise ValueError(f"`form` must be one of {', '.join(FORMS)}, but got {form}.")
    comparisons = compare(results, family or {}, smallest_difference)
    tables = accuracy_tables(results, means(results), comparisons, results.attrs.get("methods", ()))
    return "\n".join(FORMS[form](grid(one)) for one in tables)


def grid(one: AccuracyTable) -> Grid:
    """Turn the table into cells ready to be printed."""
    kind = "best validation accuracy of the search" if one.validation else "test accuracy"
    width = 2 if one.has_costs else 1

    def cells(entry: Entry) -> tuple[Cell, ...]:
        return (Cell(entry.text, strong=entry.best), Cell(entry.cost or "–"))[:width]

    heads = [(f"{size:,}", f"cost at {size:,}")[:width] for size in one.sizes]
    rows = [(Cell(method), *chain(*map(cells, entries))) for method, entries in (*one.rows, *one.references)]
    return Grid(f"{one.dataset}: {kind}, %", ("images per class", *chain(*heads)), tuple(rows), one.note)


def _accuracy_table(
    results: pd.DataFrame, measured: pd.DataFrame, comparisons: pd.DataFrame, methods: Sequence[str]
) -> AccuracyTable:
    sizes = tuple(int(size) for size in sorted(results["samples_per_class"].unique()))
    keys = ["method", "samples_per_class"]
    sources: tuple[str, ...] = ()
    if measured.empty:
        best = best_suggestions(results).set_index(keys)["validation_accuracy"]
        entries = {key: Entry(percent(value)) for key, value in best.items()}
    else:
        winners = _winners(measured, comparisons)
        known = beside(measured)
        sources = tuple(dict.fromkeys(source for source in known["source"] if source))
        usual = measured["n"].mode().max()
        entries = {(r["method"], r["samples_per_class"]): _entry(r, usual, winners) for r in known.to_dict("records")}
        costs = _costs(results, comparisons)
        entries = {key: replace(entry, cost=costs.get(key, "")) for key, entry in entries.items()}
    names = ordered(results["method"], methods)
    rows = tuple((name, tuple(entries.get((name, size), NOTHING) for size in sizes)) for name in names)
    counted = sorted(set(measured["n"]))
    design = bool("point" in results and (results["point"] != "").any())
    seeds = "–".join(str(n) for n in dict.fromkeys((counted[0], counted[-1]))) if counted else ""
    return AccuracyTable(str(results["dataset"].iloc[0]), sizes, rows, measured.empty, seeds, sources, design)


def _references(references: pd.DataFrame, sizes: Sequence[int]) -> tuple[tuple[str, tuple[Entry, ...]], ...]:
    """Make the rows of references, the best at the top."""
    rows = {(row["reference"], row["samples_per_class"]): row for row in references.to_dict("records")}
    usual = 0 if references.empty else references["n"].mode().max()
    alike = {name: row | {"method": name[0], "published": math.nan} for name, row in rows.items()}
    entries = {key: _entry(row, usual, set()) for key, row in alike.items()}
    names = references.groupby("reference")["mean"].max().sort_values(ascending=False, kind="stable").index
    return tuple((name, tuple(entries.get((name, size), NOTHING) for size in sizes)) for name in names)


def _entry(row: Mapping[Any, Any], usual: int, winners: set[tuple[int, str]]) -> Entry:
    best = (row["samples_per_class"], row["method"]) in winners
    published = "" if pd.isna(row["published"]) else percent(row["published"])
    if math.isnan(row["low"]):  # one seed, or seeds that all gave the same
        return Entry(percent(row["mean"]), note="no interval", best=best, published=published)
    half = f"{100 * max(row['high'] - row['mean'], row['mean'] - row['low']):.1f}"  # one side may be cut
    note = f"n = {row['n']}" if row["n"] != usual else ""
    return Entry(percent(row["mean"]), half, note, best, published)


def _costs(results: pd.DataFrame, comparisons: pd.DataFrame) -> dict[Any, str]:
    """Describe what one training of each method and size took, on average, where the results say it."""
    trials, keys = confirmed(results), ["method", "samples_per_class"]
    average = trials[trials["status"] == "completed"].groupby(keys)["pflop_unshared"].mean().dropna()
    spent = {
        (r["method"], r["samples_per_class"]): r["pflop_unshared"] for r in average.reset_index().to_dict("records")
    }
    first = comparisons.drop_duplicates(keys).to_dict("records")
    baselines = {(r["method"], r["samples_per_class"]): r["baseline"] for r in first}
    found = {}
    for (method, size), cost in spent.items():
        baseline = baselines.get((method, size))
        usual = spent.get((baseline, size))
        found[method, size] = f"{tflop(cost)} TFLOP" + (f" ({times(cost / usual)} {baseline})" if usual else "")
    return found


def _winners(measured: pd.DataFrame, comparisons: pd.DataFrame) -> set[tuple[int, str]]:
    """Find the best means that won every declared comparison they took part in, at least one."""
    winners = set()
    for row in measured.loc[measured.groupby(CELL)["mean"].idxmax()].to_dict("records"):
        size, name = row["samples_per_class"], row["method"]
        here = comparisons[comparisons["samples_per_class"] == size]
        won = here.loc[here["method"] == name, "verdict"].eq("better").tolist()
        won += here.loc[here["baseline"] == name, "verdict"].eq("worse").tolist()
        if won and all(won):
            winners.add((size, name))
    return winners
