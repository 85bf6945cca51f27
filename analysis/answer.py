"""The answer to a study's question from the evidence alone: a paragraph, and a few lines for a terminal."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.study import Study
from analysis.wording import interval, listed, p_statement, percent, plural, points

CELL = ["dataset", "samples_per_class"]
DETAILED = 8  # comparisons up to which each has its own numbers; beyond, each pair's cells are counted
Row = Mapping[Any, Any]


@dataclass(frozen=True)
class Answer:
    """Plain text: `paragraph` for a report, `lines` for a terminal; neither is escaped for any markup."""

    paragraph: str
    lines: tuple[str, ...]


def answer(study: Study, means: pd.DataFrame, comparisons: pd.DataFrame, counts: pd.DataFrame) -> Answer:
    """What the evidence says: the declared comparisons, the best method of each cell, and what is missing.

    `means` and `comparisons` as from `analysis.comparison`, `counts` as from `analysis.accounting`.
    """
    measured = means[means["n"] > 0]
    gaps = list(_gaps(counts))
    if measured.empty:
        searched = int(counts.loc[counts["phase"] == "search", "completed"].sum())
        opening = "The question is open: no confirm trial has been completed yet."
        sentences = [opening, f"The search has completed {plural(searched, 'trial')}.", *gaps]
        return Answer(" ".join(sentences), tuple(sentences))
    sentences = [*_in_short(comparisons), *_compared(study, comparisons, measured), *_best(measured), *gaps]
    lines = [*_in_short(comparisons), *_best_lines(measured), *_comparison_lines(comparisons), *gaps]
    paragraph = _said_once(" ".join(sentences), {"95 % interval ": "", "corrected p ": "p "})
    return Answer(paragraph, tuple(lines))


def _in_short(comparisons: pd.DataFrame) -> Iterator[str]:
    """One sentence over all declared comparisons, where there are several."""
    if len(comparisons) < 2:
        return
    better = int(comparisons["verdict"].str.startswith("better").sum())
    worse = int(comparisons["verdict"].str.startswith("worse").sum())
    family = f"{len(comparisons)} declared comparisons"
    undecidable = int((comparisons["verdict"] == "too few seeds").sum())
    if undecidable == len(comparisons):
        yield f"The {family} cannot be decided: too few seeds."
    elif not better + worse:
        yield f"None of the {family} shows a difference."
    else:
        yield f"Of the {family}, {better or 'none'} shown better, {worse or 'none'} shown worse."


def _said_once(text: str, shorter: Mapping[str, str]) -> str:
    """The text with each phrase shortened after its first appearance, as a writer would."""
    for phrase, short in shorter.items():
        first, found, rest = text.partition(phrase)
        text = first + found + rest.replace(phrase, short)
    return text


def _compared(study: Study, comparisons: pd.DataFrame, measured: pd.DataFrame) -> Iterator[str]:
    if comparisons.empty:
        if measured["method"].nunique() == 1:
            yield "There is one method, so nothing to compare."
        else:
            yield "The study declares no comparisons, so no difference was tested."
        return
    one_dataset = comparisons["dataset"].nunique() == 1
    for (method, baseline), rows in comparisons.groupby(["method", "baseline"], sort=False):
        if len(comparisons) > DETAILED:
            yield f"{method} against {baseline}: {_tally(rows, study, one_dataset)}."
            continue
        clauses: dict[str, list[str]] = {}
        for row in rows.to_dict("records"):
            clause = f"{_cell(row, one_dataset)} {_numbers(row, study)}"
            clauses.setdefault(_opening(row["n"], row["verdict"], method, baseline), []).append(clause)
        for opening, alike in clauses.items():
            yield f"{opening} {listed(alike, most=DETAILED)}."


def _opening(pairs: int, verdict: str, method: object, baseline: object) -> str:
    if pairs == 0:
        return f"{method} and {baseline} have no seed in common"
    if pairs == 1:
        return f"{method} against {baseline} has a single seed, so no interval and no test,"
    if verdict == "too few seeds":
        return f"Too few seeds to show any difference between {method} and {baseline}"
    if verdict == "no difference shown":
        return f"No difference between {method} and {baseline} could be shown"
    direction, _, limit = verdict.partition(", ")
    return f"{method} is {direction} than {baseline}{', ' + limit + ',' if limit else ''}"


def _numbers(row: Row, study: Study) -> str:
    if row["n"] == 0:
        return "yet"
    measured = f"({points(row['difference'])} points"
    if row["n"] == 1:
        return f"{measured})"
    limits = interval(row["low"], row["high"])
    measured = f"{measured}, {limits if math.isnan(row['low']) else f'95 % interval {limits}'}"
    if row["verdict"] == "too few seeds":
        return f"{measured}, {plural(row['n'], 'seed')})"
    tested = f"{measured}, corrected {p_statement(row['p_holm'])}"
    if row["verdict"] == "no difference shown" and row["seeds_needed"] > row["n"]:
        needed = f"{row['seeds_needed']:,.0f} seeds would be needed to find {study.smallest_difference:g} points"
        return f"{tested}; about {needed})"
    return f"{tested})"


def _tally(rows: pd.DataFrame, study: Study, one_dataset: bool) -> str:
    parts = []
    for verdict in sorted(rows["verdict"].unique(), key=_rank):
        group = rows[rows["verdict"] == verdict]
        part = f"{verdict} in {len(group)} of {plural(len(rows), 'cell')}"
        differences = group["difference"].dropna()
        if len(differences):
            part += f" ({_extent(points(differences.min()), points(differences.max()))} points)"
        if _rank(verdict) < 2:
            part += f", {_cells(group, one_dataset)}"
        needed = group.loc[group["seeds_needed"] > group["n"], "seeds_needed"]
        if verdict == "no difference shown" and len(needed):
            extent = _extent(f"{needed.min():,.0f}", f"{needed.max():,.0f}")
            part += f", where it would take {extent} seeds to find {study.smallest_difference:g} points"
        parts.append(part)
    return "; ".join(parts)


def _rank(verdict: str) -> int:
    order = ("better", "worse", "better, but", "worse, but", "no difference shown", "too few seeds")
    return max(place for place, start in enumerate(order) if verdict.startswith(start))


def _extent(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"


def _best(measured: pd.DataFrame) -> Iterator[str]:
    if measured["method"].nunique() == 1:
        return
    best = measured.loc[measured.groupby(CELL, sort=False)["mean"].idxmax()]
    one_dataset = measured["dataset"].nunique() == 1
    parts = []
    for method, rows in best.groupby("method", sort=False):
        everywhere = len(rows) == len(best) > 1
        parts.append(f"for {method} {'throughout' if everywhere else _cells(rows, one_dataset)}")
    yield f"The mean is highest {listed(parts)}."


def _gaps(counts: pd.DataFrame) -> Iterator[str]:
    outcomes = {"diverged": "diverged", "oom": "ran out of memory", "failed": "failed"}
    outcomes |= {"missing": "in the plan without a result yet"}
    for phase, words in (("search", "Search"), ("confirm", "Confirm, and so not in the means")):
        total = counts.loc[counts["phase"] == phase, list(outcomes)].sum()
        lost = [f"{plural(int(total[k]), 'trial')} {text}" for k, text in outcomes.items() if total[k] > 0]
        if lost:
            yield f"{words}: {listed(lost)}."


def _best_lines(measured: pd.DataFrame) -> Iterator[str]:
    best = measured.loc[measured.groupby(CELL, sort=False)["mean"].idxmax()]
    for row in best.to_dict("records"):
        yield f"{row['dataset']} n={row['samples_per_class']}: best by mean {row['method']}, {_mean(row)}"


def _mean(row: Row) -> str:
    mean = f"{percent(row['mean'])} %"
    if math.isnan(row["low"]):
        return f"{mean}, {'one seed' if row['n'] == 1 else plural(row['n'], 'equal seed')}, no interval"
    limits = f"{percent(row['low'])} to {percent(row['high'])}"
    return f"{mean}, 95 % interval {limits}, {plural(row['n'], 'seed')}"


def _comparison_lines(comparisons: pd.DataFrame) -> Iterator[str]:
    for row in comparisons.to_dict("records"):
        pair = f"{row['dataset']} n={row['samples_per_class']}: {row['method']} − {row['baseline']}"
        if row["n"] == 0:
            yield f"{pair}: no seed that both completed"
            continue
        measured = f"{points(row['difference'])} points ({interval(row['low'], row['high'])})"
        tested = f", corrected {p_statement(row['p_holm'])}" if row["n"] > 1 else ""
        yield f"{pair}: {measured}{tested}, {row['verdict']}"


def _cell(row: Row, one_dataset: bool) -> str:
    size = f"with {row['samples_per_class']:,} per class"
    return size if one_dataset else f"{size} of {row['dataset']}"


def _cells(rows: pd.DataFrame, one_dataset: bool) -> str:
    parts = []
    for dataset, group in rows.groupby("dataset", sort=False):
        sizes = listed([f"{size:,}" for size in group["samples_per_class"]], most=6)
        parts.append(f"with {sizes} per class" + ("" if one_dataset else f" of {dataset}"))
    return listed(parts)
