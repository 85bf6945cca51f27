"""Rows of the report's tables as plain text, for HTML and Markdown alike; neither is escaped here."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.comparison.confirmed import confirmed
from analysis.comparison.image_quality import MEASURES
from analysis.comparison.points import settings
from analysis.data.columns import CELL, CELL_METHOD
from analysis.formatting import MINUS, interval, listed, p_value, percent, plural, points, quantity, tflop
from analysis.methods import ordered
from analysis.reports.evidence import Evidence
from analysis.reports.table_formats import Cell, Grid
from analysis.search.suggestions import best_suggestions

MOST_SEEDS = 10_000  # that are told; more is never
PARTS = ("classifier", "generator")
END = {"low": "lower end", "high": "upper end"}


@dataclass(frozen=True)
class Choices:
    """Each cell's and method's configuration: `columns` are keys, `rows` (dataset, size, method, values)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, int, str, tuple[str, ...]], ...]
    title: str
    """Description of these configurations."""


def choices(evidence: Evidence) -> Choices:
    """Table of chosen configurations: the searched keys, then every other one in which the choices differ.

    Confirm trials say it; where there are none yet, the search's best suggestions so far.
    """
    trials = confirmed(evidence.results)
    is_confirmed = not trials.empty
    if not is_confirmed:
        keys = [*CELL_METHOD, "trial"]
        trials = evidence.results.merge(best_suggestions(evidence.results)[keys], on=keys)
        trials = trials[trials["phase"] == "search"]
    columns = _telling(trials, evidence.study.parameters)
    rows = []
    for (dataset, size, method), group in trials.groupby(CELL_METHOD, sort=False):
        values = tuple(_distinct(group[f"config.{column}"]) for column in columns)
        rows.append((str(dataset), int(str(size)), str(method), values))
    return Choices(columns, tuple(rows), _whose(evidence, confirmed=is_confirmed))


def _whose(evidence: Evidence, *, confirmed: bool) -> str:
    if not confirmed:
        return "the best configurations so far"
    if len(evidence.ablation):
        return "the base configurations"
    searched = (evidence.results["phase"] == "search").any()
    return "the chosen configurations" if searched else "the configurations"


def ends(edges: pd.DataFrame) -> dict[tuple[str, int, str, str], str]:
    """Map cell, method and key to `lower end` or `upper end` where the best value lies at an end of its range."""
    return {
        (row["dataset"], row["samples_per_class"], row["method"], row["parameter"]): END[row["edge"]]
        for row in edges.to_dict("records")
        if row["edge"]
    }


def _telling(trials: pd.DataFrame, searched: Sequence[str]) -> tuple[str, ...]:
    present = [name.removeprefix("config.") for name in trials.columns if name.startswith("config.")]
    by_cell = trials.groupby(CELL_METHOD)
    shown_elsewhere = {"method", "seed", "data.dataset", "data.name", "data.samples_per_class"}

    def differs(name: str) -> bool:
        column = f"config.{name}"
        # What varies between the seeds of one choice comes from the seed, not from the choice.
        return trials[column].nunique() > 1 and bool((by_cell[column].nunique() <= 1).all())

    first = [name for name in searched if name in present]
    others = [name for name in present if name not in first and not name.startswith("compute.")]
    return tuple(first + [name for name in others if name not in shown_elsewhere and differs(name)])


def _distinct(values: pd.Series) -> str:
    return ", ".join(value_text(value) for value in values.dropna().unique()) or "–"


def value_text(value: object) -> str:
    """Format a config value: floats with four significant figures, everything else as it is."""
    if isinstance(value, float):
        return "–" if math.isnan(value) else f"{value:.4g}"
    return str(value)


def provenance(results: pd.DataFrame) -> list[tuple[str, str]]:
    """List each provenance key with its distinct values, most frequent first, six at most; times as a range."""
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


@dataclass(frozen=True)
class DesignTable:
    """A declared comparison in one cell at the points of a design."""

    dataset: str
    samples_per_class: int
    method: str
    baseline: str
    heads: tuple[str, ...]
    """The factors; or one word, where each point is named by what it changes."""
    rows: tuple[tuple[tuple[str, ...], Mapping[Any, Any]], ...]
    """Levels of a point in the order of `heads`, and its row of `analysis.compare`."""

    @property
    def title(self) -> str:
        """Description of the comparison."""
        return f"{self.method} {MINUS} {self.baseline}: {self.dataset}, {self.samples_per_class:,} per class"


def design_tables(evidence: Evidence) -> list[DesignTable]:
    """Split the declared comparisons of a design, one table per pair and cell; none without a design."""
    table = evidence.comparisons
    tables = []
    for key, group in table[table["at"] != ""].groupby([*CELL, "method", "baseline"], sort=False):
        dataset, size, method, baseline = key
        levels = [settings(point) for point in group["at"]]
        heads = tuple(levels[0])
        if any(tuple(one) != heads for one in levels):
            heads, named = ("point",), [(point,) for point in group["at"]]
        else:
            named = [tuple(one.values()) for one in levels]
        rows = tuple(zip(named, group.to_dict("records"), strict=True))
        tables.append(DesignTable(str(dataset), int(str(size)), str(method), str(baseline), heads, rows))
    return tables


def design_grid(one: DesignTable, smallest: float) -> Grid:
    """Turn a comparison at the points of a design into cells ready to be printed."""
    accuracies = (f"{one.method}, %", f"{one.baseline}, %")
    numbers = (
        "difference, points",
        "95 % interval",
        "p, corrected",
        "seeds",
        "seeds needed",
        f"for {smallest:g} points",
        "verdict",
    )
    rows = tuple(
        (
            *map(Cell, levels),
            Cell(percent(row["method_mean"])),
            Cell(percent(row["baseline_mean"])),
            Cell(points(row["difference"]), strong=row["verdict"] in ("better", "worse")),
            Cell(interval(row["low"], row["high"]) if row["n"] else "no pairs"),
            Cell(p_value(row["p_holm"])),
            Cell(str(row["n"])),
            Cell(needed(row["seeds_needed_seen"])),
            Cell(needed(row["seeds_needed"])),
            Cell(row["verdict"]),
        )
        for levels, row in one.rows
    )
    note = (
        "Paired by seed; 95 % Student t intervals. Bold: shown after correction for all declared comparisons. Seeds "
        "needed: to show the difference that was seen, were it the true one, in 80 % of studies."
    )
    return Grid(one.title, (*one.heads, *accuracies, *numbers), rows, note)


def needed(seeds: float) -> str:
    """Format a number of seeds; a dash where it is unknown, or no number would do."""
    if not math.isfinite(seeds):
        return "–"
    return quantity(seeds) if seeds <= MOST_SEEDS else f"> {MOST_SEEDS:,}"


def generator_rows(evidence: Evidence) -> list[tuple[str, int, str, list[str]]]:
    """Dataset, size, method and the judge's numbers in words, in the order of `generator_heads`."""
    heads = generator_heads(evidence)
    rows = []
    for (dataset, size, method), group in evidence.generators.groupby(CELL_METHOD, sort=False):
        numbers = {row["measure"]: _spread(row) for row in group.to_dict("records")}
        rows.append((str(dataset), int(str(size)), str(method), [numbers.get(measure, "–") for measure in heads]))
    return rows


def generator_heads(evidence: Evidence) -> dict[str, str]:
    """Measures of the judge that there are, with their titles."""
    found = set(evidence.generators["measure"])
    return {measure: title for measure, title in MEASURES.items() if measure in found}


def _spread(row: Mapping[Any, Any]) -> str:
    half = (row["high"] - row["low"]) / 2
    if math.isnan(half):
        return f"{row['mean']:.3g}".replace("-", MINUS)
    places = max(2, 1 - math.floor(math.log10(half)))  # two figures of the interval, or more of the mean
    return f"{row['mean']:.{places}f} ± {half:.{places}f}".replace("-", MINUS)


def length_rows(evidence: Evidence) -> list[dict[Any, Any]]:
    """Length of each method's trainings beside the paper's, and what they still gained, in words ready to print."""
    stages = {"generation": ("GAN", _diversity), "classification": ("classifier", points)}
    rows = []
    for row in evidence.late_gains.to_dict("records"):
        stage, text = stages[row["stage"]]
        limits = "no interval" if math.isnan(row["low"]) else f"{text(row['low'])} to {text(row['high'])}"
        took = "–" if math.isnan(row["epochs"]) else f"{row['epochs']:,.0f}"
        said = {"stage": stage, "took": took, "gained": text(row["gain"]), "limits": limits if row["n"] else "no curve"}
        rows.append(row | said)
    return rows


def _diversity(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:+.2f}".replace("-", MINUS)


def totals(evidence: Evidence) -> list[tuple[str, int, bool]]:
    """Status line: (words, trials, whether to worry), with every outcome that is known."""
    summed = evidence.counts.drop(columns=["phase", "method"]).sum(min_count=1)
    names = {"oom": "out of memory"}
    line = []
    for name in ("planned", "completed", "stopped", "diverged", "oom", "failed", "missing"):
        if not pd.isna(summed[name]):
            worrying = name in ("diverged", "oom", "failed", "missing") and summed[name] > 0
            line.append((names.get(name, name), int(summed[name]), bool(worrying)))
    if evidence.damaged:
        files = len(evidence.damaged)
        line.append(("damaged file" if files == 1 else "damaged files", files, True))
    return line


@dataclass(frozen=True)
class NetworkRow:
    """The networks of a method in words ready to print: parameters and operations per image of each."""

    method: str
    classifier: tuple[str, str]
    generator: tuple[str, str]
    """Dashes for a method without a GAN of its own."""


def network_rows(evidence: Evidence) -> list[NetworkRow]:
    """List the networks of each method's confirm trials, where the ledger tells them; of several sizes the range."""
    trials, rows = confirmed(evidence.results), []
    if "networks.classifier.parameters" not in trials:
        return []
    for method in ordered(trials["method"], evidence.study.methods):
        own = trials[trials["method"] == method]
        classifier, generator = (
            (_extent(own, f"networks.{part}.parameters"), _extent(own, f"networks.{part}.mflop")) for part in PARTS
        )
        rows.append(NetworkRow(method, classifier, generator))
    return rows


def _extent(trials: pd.DataFrame, column: str) -> str:
    values = sorted(set(trials[column].dropna())) if column in trials else []
    return " to ".join(dict.fromkeys(quantity(float(value)) for value in (values[:1] + values[-1:]))) or "–"


def cost_rows(evidence: Evidence) -> list[dict[Any, Any]]:
    """Cost of each phase and method with the saving by shared work, in words ready to print."""
    return [
        row | {"tflop": tflop(row["pflop"]), "tflop_unshared": tflop(row["pflop_unshared"])}
        for row in evidence.costs.to_dict("records")
    ]
