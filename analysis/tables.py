"""The tables of a report as plain rows of text, for HTML and Markdown alike; neither is escaped here."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.accounting import best_suggestions
from analysis.confirmation import confirmed
from analysis.evidence import Evidence
from analysis.methods import ordered
from analysis.wording import listed, percent, plural, quantity

CELL = ["dataset", "samples_per_class"]


@dataclass(frozen=True)
class Entry:
    """One number of the accuracy table, in per cent; `best` only where the evidence allows."""

    value: str
    half: str = ""
    note: str = ""
    best: bool = False


@dataclass(frozen=True)
class AccuracyTable:
    """Methods × samples per class of one dataset; `validation` marks numbers of the search: no evidence."""

    dataset: str
    sizes: tuple[int, ...]
    rows: tuple[tuple[str, tuple[Entry, ...]], ...]
    validation: bool


def accuracy_tables(evidence: Evidence) -> list[AccuracyTable]:
    """One table per dataset: test accuracy or, before any confirm trial, the best validation accuracy."""
    return [_accuracy_table(evidence, dataset) for dataset in evidence.results["dataset"].unique()]


def _accuracy_table(evidence: Evidence, dataset: str) -> AccuracyTable:
    results = evidence.results[evidence.results["dataset"] == dataset]
    measured = evidence.means[(evidence.means["dataset"] == dataset) & (evidence.means["n"] > 0)]
    sizes = tuple(int(size) for size in results["samples_per_class"].unique())
    methods = ordered(results["method"], evidence.study.methods)
    keys = ["method", "samples_per_class"]
    if measured.empty:
        best = best_suggestions(results).set_index(keys)["validation_accuracy"]
        entries = {key: Entry(percent(value)) for key, value in best.items()}
    else:
        winners = _winners(measured, evidence.comparisons)
        most = measured["n"].max()
        rows = measured.to_dict("records")
        entries = {(r["method"], r["samples_per_class"]): _entry(r, most, winners) for r in rows}
    table = tuple((m, tuple(entries.get((m, size), Entry("–")) for size in sizes)) for m in methods)
    return AccuracyTable(dataset, sizes, table, validation=measured.empty)


def _entry(row: Mapping[Any, Any], most: int, winners: set[tuple[str, int, str]]) -> Entry:
    best = (row["dataset"], row["samples_per_class"], row["method"]) in winners
    if math.isnan(row["low"]):  # one seed, or seeds that all gave the same
        return Entry(percent(row["mean"]), note="no interval", best=best)
    half = f"{100 * max(row['high'] - row['mean'], row['mean'] - row['low']):.1f}"  # one side may be cut
    return Entry(percent(row["mean"]), half, f"n = {row['n']}" if row["n"] < most else "", best)


def _winners(measured: pd.DataFrame, comparisons: pd.DataFrame) -> set[tuple[str, int, str]]:
    """The best means that won every declared comparison they took part in, and took part in one at least."""
    winners = set()
    for row in measured.loc[measured.groupby(CELL)["mean"].idxmax()].to_dict("records"):
        key, name = (row["dataset"], row["samples_per_class"]), row["method"]
        here = comparisons[(comparisons["dataset"] == key[0]) & (comparisons["samples_per_class"] == key[1])]
        as_method, as_baseline = here[here["method"] == name], here[here["baseline"] == name]
        won = [*(as_method["verdict"] == "better"), *(as_baseline["verdict"] == "worse")]
        if won and all(won):
            winners.add((*key, name))
    return winners


@dataclass(frozen=True)
class Choices:
    """Each cell's and method's configuration: `columns` are keys, `rows` (dataset, size, method, values)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, int, str, tuple[str, ...]], ...]
    confirmed: bool


def choices(evidence: Evidence) -> Choices:
    """What was chosen: the searched keys, then every other one in which the choices differ.

    Confirm trials say it; where there are none yet, the search's best suggestions so far.
    """
    trials = confirmed(evidence.results)
    is_confirmed = not trials.empty
    if not is_confirmed:
        keys = [*CELL, "method", "trial"]
        trials = evidence.results.merge(best_suggestions(evidence.results)[keys], on=keys)
        trials = trials[trials["phase"] == "search"]
    columns = _telling(trials, evidence.study.parameters)
    rows = []
    for (dataset, size, method), group in trials.groupby([*CELL, "method"], sort=False):
        values = tuple(_distinct(group[f"config.{column}"]) for column in columns)
        rows.append((str(dataset), int(str(size)), str(method), values))
    return Choices(columns, tuple(rows), is_confirmed)


def _telling(trials: pd.DataFrame, searched: Sequence[str]) -> tuple[str, ...]:
    present = [name.removeprefix("config.") for name in trials.columns if name.startswith("config.")]
    by_cell = trials.groupby([*CELL, "method"])
    told_elsewhere = {"method", "seed", "data.dataset", "data.name", "data.samples_per_class"}

    def differs(name: str) -> bool:
        column = f"config.{name}"
        # What varies between the seeds of one choice is luck, not choice.
        return trials[column].nunique() > 1 and bool((by_cell[column].nunique() <= 1).all())

    first = [name for name in searched if name in present]
    others = [name for name in present if name not in first and not name.startswith("compute.")]
    return tuple(first + [name for name in others if name not in told_elsewhere and differs(name)])


def _distinct(values: pd.Series) -> str:
    return ", ".join(value_text(value) for value in values.dropna().unique()) or "–"


def value_text(value: object) -> str:
    """A config value for reading: floats with four significant figures, everything else as it is."""
    if isinstance(value, float):
        return "–" if math.isnan(value) else f"{value:.4g}"
    return str(value)


def provenance(results: pd.DataFrame) -> list[tuple[str, str]]:
    """Each provenance key with its distinct values, most frequent first, six at most; times as a range."""
    rows = []
    for column in (c for c in results.columns if c.startswith("provenance.")):
        found = results[column].dropna().value_counts()
        if found.empty:
            continue
        name, values = column.removeprefix("provenance."), [str(value) for value in found.index]
        if len(values) == 1:
            text = values[0]
        elif name.endswith("_at"):
            text = f"{min(values)} to {max(values)}"
        else:
            counted = [f"{value} ({plural(int(n), 'trial')})" for value, n in zip(values, found, strict=True)]
            text = listed(counted, most=6)
        rows.append((name, text))
    return rows


def totals(evidence: Evidence) -> list[tuple[str, int, bool]]:
    """The status line: (words, trials, whether to worry), with every outcome that is known."""
    summed = evidence.counts.drop(columns=["phase", "method"]).sum(min_count=1)
    names = {"oom": "out of memory"}
    line = []
    for name in ("planned", "completed", "stopped", "diverged", "oom", "failed", "missing"):
        if not pd.isna(summed[name]):
            worrying = name in ("diverged", "oom", "failed", "missing") and summed[name] > 0
            line.append((names.get(name, name), int(summed[name]), bool(worrying)))
    if evidence.results.attrs["damaged"]:
        files = len(evidence.results.attrs["damaged"])
        line.append(("damaged ledger file" if files == 1 else "damaged ledger files", files, True))
    return line


def cost_rows(evidence: Evidence) -> list[dict[Any, Any]]:
    """Cost of each phase and method with the saving by shared work, in words ready to print."""
    return [
        row | {"pflop": quantity(row["pflop"]), "pflop_unshared": quantity(row["pflop_unshared"])}
        for row in evidence.costs.to_dict("records")
    ]
