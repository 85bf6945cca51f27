"""Draw the figures of a report, named and captioned, as inline elements and as files."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import islice

import pandas as pd
from matplotlib.figure import Figure

from analysis import plots
from analysis.comparison.confirmed import confirmed
from analysis.data.columns import CELL, CELL_METHOD
from analysis.formatting import MINUS
from analysis.methods import ordered
from analysis.reports.evidence import Evidence

MOST = 9  # figures per section; a study of many cells is read from its tables
LEGIBLE = 10  # methods per figure
ROWS = 40  # comparisons per figure
DOTS = 2_000  # single seeds per figure; more would hide one another
Drawn = Iterator[tuple[str, Figure]]


@dataclass(frozen=True)
class NamedFigure:
    """One figure: `title` is plain text for a caption, `inline` SVG for a page, `svg` and `png` to stand alone."""

    name: str
    title: str
    inline: str
    svg: str
    png: bytes


@dataclass(frozen=True)
class Section:
    """Figures that belong together; `omitted` says how many more cells there were."""

    figures: tuple[NamedFigure, ...] = ()
    omitted: int = 0


@dataclass(frozen=True)
class Figures:
    """All figures of a report by section; iterating gives each figure, in the order of its sections."""

    accuracy: Section = Section()
    differences: Section = Section()
    cost: Section = Section()
    confusion: Section = Section()
    ablation: Section = Section()
    budgets: Section = Section()
    effects: Section = Section()
    importance: Section = Section()
    search: Section = Section()
    learning: Section = Section()
    losses: Section = Section()

    def __iter__(self) -> Iterator[NamedFigure]:
        for section in fields(self):
            yield from getattr(self, section.name).figures

    @property
    def searches(self) -> tuple[tuple[str, Section], ...]:
        """The sections about whole searches, with their headings."""
        return ("What a budget buys", self.budgets), ("What the search found, and when", self.search)

    @property
    def details(self) -> tuple[tuple[str, Section], ...]:
        """The sections that a page folds away, with their headings."""
        return (
            ("Accuracy against each searched setting", self.effects),
            ("Which settings decided the search", self.importance),
            ("Losses of both stages, for the methods with a generator", self.losses),
        )


def draw(evidence: Evidence) -> Figures:
    """Draw every figure that the evidence has rows for."""
    shown = legible_methods(evidence)
    cells = len(evidence.cells)
    return Figures(
        accuracy=_section("accuracy", _accuracy(evidence, shown), evidence.results["dataset"].nunique()),
        differences=_section("differences", _differences(evidence), evidence.comparisons["dataset"].nunique()),
        cost=_section("cost", _cost(evidence, shown), 1),
        confusion=_section("confusion", _confusion(evidence), 0),
        ablation=_section("ablation", _ablation(evidence), 0),
        budgets=_section("budgets", _budgets(evidence, shown), cells),
        effects=_section("effects", _effects(evidence, shown), 0),
        importance=_section("importance", _importance(evidence, shown), 0),
        search=_section("search", _search(evidence, shown), cells),
        learning=_section("learning", _learning(evidence, shown), cells),
        losses=_section("losses", _losses(evidence, shown), 0),
    )


def legible_methods(evidence: Evidence) -> list[str]:
    """Choose the methods that figures show, in order: all, or of more than `LEGIBLE` the compared ones, then the best.

    The best are those with the highest mean rank over the cells.
    """
    methods = evidence.methods
    if len(methods) <= LEGIBLE:
        return methods
    family = evidence.study.compare
    declared = [name for method, baselines in family.items() for name in (method, *baselines)]
    ranks = evidence.means.groupby(CELL)["mean"].rank(ascending=False)
    by_rank = ranks.groupby(evidence.means["method"]).mean().sort_values(kind="stable")
    chosen = dict.fromkeys(name for name in (*declared, *by_rank.index, *methods) if name in set(methods))
    return ordered(islice(chosen, LEGIBLE), evidence.study.methods)


def _accuracy(evidence: Evidence, shown: list[str]) -> Drawn:
    means = evidence.means[(evidence.means["n"] > 0) & evidence.means["method"].isin(shown)]
    trials = confirmed(evidence.results)
    trials = trials[(trials["status"] == "completed") & trials["test_accuracy"].notna()]
    trials = trials[trials["method"].isin(shown)]
    for dataset, rows in means.groupby("dataset", sort=False):
        seeds = trials[trials["dataset"] == dataset]
        dots = seeds if rows["n"].max() > 1 and len(seeds) <= DOTS else None
        draw_means = plots.accuracy_by_size if rows["samples_per_class"].nunique() > 1 else plots.accuracy_by_method
        yield str(dataset), draw_means(rows, evidence.study.methods, dots)


def _differences(evidence: Evidence) -> Drawn:
    comparable = evidence.comparisons[evidence.comparisons["n"] > 0]
    designed = (comparable["at"] != "").any()
    for key, rows in comparable.groupby([*CELL, "method", "baseline"] if designed else ["dataset"], sort=False):
        title = f"{key[2]} {MINUS} {key[3]}: {key[0]}, {key[1]:,} per class" if designed else str(key[0])
        title = f"{title}, the first {ROWS} of {len(rows)} comparisons" if len(rows) > ROWS else title
        figure = plots.forest(rows.head(ROWS), evidence.study.smallest_difference, evidence.study.methods)
        yield title, figure


def _cost(evidence: Evidence, shown: list[str]) -> Drawn:
    yield "Compute of each method", plots.cost(_of(evidence.costs, shown), evidence.study.methods)


def _confusion(evidence: Evidence) -> Drawn:
    """The first declared comparison of each cell, the baseline first; without one the method with the highest mean."""
    shares = evidence.confusions
    for (dataset, size), here in shares.groupby(CELL, sort=False):
        best = evidence.means.merge(here[CELL_METHOD].drop_duplicates(), on=CELL_METHOD).nlargest(1, "mean")["method"]
        known = [
            (b, m)
            for m, baselines in evidence.study.compare.items()
            for b in baselines
            if {b, m} <= set(here["method"])
        ]
        for method in known[0] if known else best:
            yield f"{method}, {dataset}, {size:,} per class", plots.confusion(here[here["method"] == method], method)


def _ablation(evidence: Evidence) -> Drawn:
    if evidence.ablation.empty:
        return
    for (dataset, size, method), rows in evidence.ablation.groupby(CELL_METHOD, sort=False):
        yield f"{method}, {dataset}, {size:,} per class", plots.contributions(rows, evidence.study.smallest_difference)


def _budgets(evidence: Evidence, shown: list[str]) -> Drawn:
    for title, rows in _by_cell(_of(evidence.budgets, shown).dropna(subset="expected")):
        yield title, plots.budget_curves(rows, evidence.study.methods)


def _effects(evidence: Evidence, shown: list[str]) -> Drawn:
    tried = _of(evidence.suggestions, shown)
    tried = tried[tried["completed"]]
    for title, rows in _by_cell(_of(evidence.responses, shown).dropna(subset="mean")):
        for parameter, part in rows.groupby("parameter", sort=False):
            here = tried[(tried["dataset"] == part["dataset"].iloc[0])]
            here = here[here["samples_per_class"] == part["samples_per_class"].iloc[0]]
            dots = here.rename(columns={f"config.{parameter}": "value", "accuracy": "validation_accuracy"})
            dots = dots[["method", "value", "validation_accuracy", "trial"]].dropna()
            dots = dots if len(dots) <= DOTS else None
            yield f"{parameter}: {title}", plots.parameter_effects(part, str(parameter), evidence.study.methods, dots)


def _importance(evidence: Evidence, shown: list[str]) -> Drawn:
    for title, rows in _by_cell(_of(evidence.importance, shown).dropna(subset="importance")):
        yield title, plots.importance(rows, evidence.study.methods)


def _search(evidence: Evidence, shown: list[str]) -> Drawn:
    for title, rows in _by_cell(_of(evidence.progress, shown).dropna(subset="best")):
        yield title, plots.search_progress(rows, evidence.study.methods)


def _learning(evidence: Evidence, shown: list[str]) -> Drawn:
    curves = _of(evidence.search_curves, shown)
    drawn = curves[(curves["stage"] == "classification") & curves["validation_accuracy"].notna()]
    for title, rows in _by_cell(drawn):
        yield title, plots.learning_curves(rows, evidence.study.methods)


def _losses(evidence: Evidence, shown: list[str]) -> Drawn:
    for title, rows in _by_cell(_of(_loss_curves(evidence), shown)):
        for method, part in rows.groupby("method", sort=False):
            yield f"{method}, {title}", plots.losses(part)


def _loss_curves(evidence: Evidence) -> pd.DataFrame:
    curves = evidence.search_curves if evidence.confirm_curves.empty else evidence.confirm_curves
    terms = [name for name in curves.columns if name.startswith("loss.")]
    with_generator = set(curves.loc[curves["stage"] == "generation", "method"])
    drawn = curves[curves["method"].isin(with_generator) & curves[terms].notna().any(axis=1)]
    places = ordered(drawn["method"], evidence.study.methods)
    return drawn.sort_values("method", key=lambda names: names.map(places.index), kind="stable")


def _of(table: pd.DataFrame, shown: Iterable[str]) -> pd.DataFrame:
    return table[table["method"].isin(list(shown))]


def _by_cell(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for (dataset, size), rows in table.groupby(CELL, sort=True):
        yield f"{dataset}, {size:,} per class", rows


def _section(kind: str, drawn: Drawn, cells: int) -> Section:
    figures = []
    for place, (title, figure) in enumerate(islice(drawn, MOST), start=1):
        name = f"{kind}-{place}-{slug(title)}"
        file = plots.svg(figure)
        figure.set_layout_engine("none")  # laid out is laid out: the PNG need not do it again
        inline = plots.inline_svg(file, f"{kind}: {title}", prefix=f"{kind}{place}")
        figures.append(NamedFigure(name, title, inline, file, plots.png(figure)))
    return Section(tuple(figures), max(0, cells - MOST) if len(figures) == MOST else 0)


def slug(text: str) -> str:
    """Turn a text into part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "figure"
