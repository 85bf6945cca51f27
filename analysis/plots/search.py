"""Figures of the search: progress, what a budget buys, what each parameter does and how much it matters."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from analysis.formatting import percent, tflop
from analysis.methods import look, ordered
from analysis.plots.canvas import PAPER, bare_rows, canvas, extent, label_points, legend, line, note, styled

LEVELS = 6  # a parameter with no more values is drawn as levels, not on a scale
DECADES = 30  # a positive axis that spans more than this factor is logarithmic


@styled
def search_progress(progress: pd.DataFrame, methods: Sequence[str] = ()) -> Figure:
    """Draw the best validation accuracy so far against the number of suggestions tried, for the rows of one cell.

    Columns as `analysis.search.suggestions.search_progress`; each suggestion is a pale dot that says which it is.
    """
    shown = ordered(progress["method"], methods)
    figure, axes = canvas(3.1)
    for method in shown:
        rows = progress[progress["method"] == method].sort_values("tried")
        found = rows.dropna(subset="validation_accuracy")
        style = look(method, shown)
        best = 100 * rows["best"].to_numpy(float)
        axes.step(rows["tried"], best, where="post", color=style.colour, linestyle=style.line, linewidth=1.4)
        y = 100 * found["validation_accuracy"].to_numpy(float)
        axes.scatter(found["tried"], y, s=14, color=style.colour, alpha=0.5, linewidths=0)
        labelled = zip(found["trial"], found["validation_accuracy"], found["pflop"], strict=True)
        words = [f"{method}, suggestion {k}: {percent(value)} %, {tflop(cost)} TFLOP" for k, value, cost in labelled]
        label_points(axes, found["tried"], y, words)
        line(axes, rows["tried"].iloc[-1:], best[-1:], method, shown)
    axes.set(xlabel="search trials", ylabel="validation accuracy, %")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(figure, shown)
    note(figure, "line: best so far; dots: suggestions; n = 1 search, so no interval and no evidence")
    return figure


@styled
def budget_curves(curves: pd.DataFrame, methods: Sequence[str] = ()) -> Figure:
    """Draw the expected best validation accuracy against compute, with bands, for the rows of one cell.

    Columns as `analysis.search.budget.budget_curves`: method, tried, of, pflop, expected, low, high.
    """
    shown = ordered(curves["method"], methods)
    figure, axes = canvas(3.1)
    for method in shown:
        rows = curves[(curves["method"] == method) & curves["expected"].notna()].sort_values("tried")
        x, y = 1000 * rows["pflop"].to_numpy(float), 100 * rows["expected"].to_numpy(float)
        low, high = 100 * rows["low"].to_numpy(float), 100 * rows["high"].to_numpy(float)
        axes.fill_between(x, low, high, color=look(method, shown).colour, alpha=0.12, linewidth=0)
        line(axes, x, y, method, shown, markersize=3.5)
        labelled = zip(rows["tried"], rows["expected"], rows["pflop"], strict=True)
        label_points(
            axes, x, y, [f"{method}, {k} trials, {tflop(cost)} TFLOP: {percent(best)} %" for k, best, cost in labelled]
        )
    _scale(axes, 1000 * curves["pflop"])
    axes.set(xlabel="compute of the search, TFLOP", ylabel="expected best validation, %")
    legend(figure, shown)
    bands = "95 % jackknife bands up to a quarter of them" if curves["low"].notna().any() else "too few for an interval"
    note(figure, f"best to be expected of so many of n = {extent(curves['of'])} suggestions in random order; {bands}")
    return figure


@styled
def parameter_effects(
    effects: pd.DataFrame, parameter: str, methods: Sequence[str] = (), trials: pd.DataFrame | None = None
) -> Figure:
    """Draw validation accuracy against the values of one parameter, with intervals, for the rows of one cell.

    `effects`: method, value, mean, low, high, n. `trials` (method, value, validation_accuracy, trial) adds each
    trial as a pale dot that says which it is.
    """
    shown = ordered(effects["method"], methods)
    levels = _levels(effects["value"] if trials is None else pd.concat([effects["value"], trials["value"]]))
    figure, axes = canvas(3.1)
    for place, method in enumerate(shown):
        shift = (place - (len(shown) - 1) / 2) * min(0.12, 0.7 / len(shown)) if levels else 0.0
        rows = effects[effects["method"] == method]
        rows = rows if levels else rows.sort_values("value")
        x, y = _places(rows["value"], levels, shift), 100 * rows["mean"].to_numpy(float)
        line(axes, x, y, method, shown, markersize=5, linewidth=1.1)
        if trials is not None:
            found = trials[(trials["method"] == method) & trials["validation_accuracy"].notna()]
            x, y = _places(found["value"], levels, shift), 100 * found["validation_accuracy"].to_numpy(float)
            axes.scatter(x, y, s=14, color=look(method, shown).colour, alpha=0.5, linewidths=0)
            labelled = zip(found["trial"], found["value"], found["validation_accuracy"], strict=True)
            words = [f"{method}, suggestion {k}: {_value(v)}, {percent(accuracy)} %" for k, v, accuracy in labelled]
            label_points(axes, x, y, words)
    # The interval of two trials is wider than the whole figure: it may go on beyond it, and does not set its scale.
    axes.set_ylim(axes.get_ylim())
    for line_, method in zip(axes.lines, shown, strict=True):
        rows = effects[effects["method"] == method]
        rows = rows if levels else rows.sort_values("value")
        low, high = 100 * rows["low"].to_numpy(float), 100 * rows["high"].to_numpy(float)
        axes.vlines(line_.get_xdata(), low, high, colors=look(method, shown).colour, linewidth=1.3, alpha=0.6, zorder=2)
    if levels:
        axes.set_xticks(range(len(levels)), levels)
    else:
        _scale(axes, pd.to_numeric(effects["value"]))
    axes.set(xlabel=parameter, ylabel="validation accuracy, %")
    legend(figure, shown)
    counted = extent(effects["n"])
    kind = "means of neighbouring values with 95 % intervals, which may leave the figure"
    note(figure, f"{kind}; n = {counted} trials each; no evidence")
    return figure


@styled
def importance(table: pd.DataFrame, methods: Sequence[str] = ()) -> Figure:
    """Draw how much each parameter decided the search of one cell: method, parameter, importance (0..1), n."""
    table = table.dropna(subset="importance")
    shown = ordered(table["method"], methods)
    parameters = list(table.groupby("parameter")["importance"].max().sort_values(ascending=False).index)
    figure, axes = canvas(1.35 + 0.27 * max(len(parameters), 1))
    for place, method in enumerate(shown):
        rows = table[table["method"] == method]
        style = look(method, shown)
        y = [parameters.index(name) + (place - (len(shown) - 1) / 2) * 0.5 / len(shown) for name in rows["parameter"]]
        x = 100 * rows["importance"].to_numpy(float)
        face = style.colour if style.filled else PAPER
        axes.plot(x, y, linestyle="", marker=style.marker, color=style.colour, markerfacecolor=face, markersize=6)
        labelled = zip(rows["parameter"], rows["importance"], strict=True)
        label_points(axes, x, y, [f"{method}, {name}: {percent(share)} %" for name, share in labelled])
    bare_rows(axes, parameters)
    axes.set_xlim(left=0)
    axes.set_xlabel("importance, % of all parameters")
    legend(figure, shown)
    note(figure, f"PED-ANOVA over n = {extent(table['n'])} suggestions of one search; no interval")
    return figure


def _levels(values: pd.Series) -> list[str]:
    """Values as words where they are few or no numbers; an empty list where they belong on a scale."""
    numbers = pd.to_numeric(values, errors="coerce")
    if numbers.isna().any():
        return [str(value) for value in values.drop_duplicates()]
    distinct = sorted(set(numbers))
    return [f"{value:g}" for value in distinct] if len(distinct) <= LEVELS else []


def _places(values: pd.Series, levels: list[str], shift: float) -> Any:
    if not levels:
        return pd.to_numeric(values).to_numpy(float)
    words = [value if isinstance(value, str) else f"{value:g}" for value in values]
    return [levels.index(word) + shift for word in words]


def _scale(axes: Any, values: pd.Series) -> None:
    low, high = values.min(), values.max()
    if low > 0 and high / low > DECADES:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))


def _value(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
