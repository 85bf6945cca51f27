"""Figures of comparisons: means with intervals, paired differences, contributions of an ablation's factors."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.comparison.points import shortened
from analysis.formatting import MINUS, interval, percent, plural, points
from analysis.methods import look, ordered
from analysis.plots.canvas import INK, MUTED, PAPER, bare_rows, canvas, extent, label_points, legend, line, note, styled

Row = Mapping[Any, Any]


@styled
def accuracy_by_size(means: pd.DataFrame, methods: Sequence[str] = (), trials: pd.DataFrame | None = None) -> Figure:
    """Draw mean test accuracy against samples per class, with intervals, for the rows of one dataset.

    `trials` (samples_per_class, method, seed, test_accuracy) adds each seed as a pale dot.
    """
    means = means[means["n"] > 0]
    sizes = sorted(means["samples_per_class"].unique())
    shown = ordered(means["method"], methods)
    figure, axes = canvas(3.5)
    for place, method in enumerate(shown):
        rows = means[means["method"] == method].sort_values("samples_per_class")
        # Beside one another, not over one another: the sizes are places on the axis, not a scale.
        shift = (place - (len(shown) - 1) / 2) * min(0.12, 0.7 / len(shown))
        x = [sizes.index(size) + shift for size in rows["samples_per_class"]]
        low, high = 100 * rows["low"].to_numpy(float), 100 * rows["high"].to_numpy(float)
        if trials is not None:
            _seeds(axes, trials[trials["method"] == method], sizes, shift, shown)
        line(axes, x, 100 * rows["mean"].to_numpy(float), method, shown, linewidth=1.1)
        axes.vlines(x, low, high, colors=look(method, shown).colour, linewidth=1.8, zorder=2)
        label_points(axes, x, 100 * rows["mean"], map(_mean, rows.to_dict("records")))
    axes.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes])
    axes.set_xlim(-0.5, len(sizes) - 0.5)
    axes.set(xlabel="images per class", ylabel="test accuracy, %")
    # A t interval from few seeds can reach beyond what an accuracy can be; the axis does not.
    bottom, top = axes.get_ylim()
    axes.set_ylim(max(bottom, 0), min(top, 100.5))
    kind = "95 % Student t intervals over seeds" if means["n"].max() > 1 else "one seed: no interval"
    legend(figure, shown)
    dots = "; pale dots: single seeds" if trials is not None else ""
    note(figure, f"{kind}; n = {extent(means['n'])} per point{dots}")
    return figure


@styled
def accuracy_by_method(means: pd.DataFrame, methods: Sequence[str] = (), trials: pd.DataFrame | None = None) -> Figure:
    """Draw mean test accuracy at one number of images per class, a row for each method; `trials` as for sizes."""
    means = means[means["n"] > 0]
    rows = {row["method"]: row for row in means.to_dict("records")}
    shown = ordered(rows, methods)
    figure, axes = canvas(1.1 + 0.36 * len(shown))
    for place, method in enumerate(shown):
        row, style = rows[method], look(method, shown)
        if trials is not None:
            _seeds_in_row(axes, trials[trials["method"] == method], place, style.colour)
        axes.hlines(place, 100 * row["low"], 100 * row["high"], colors=style.colour, linewidth=1.8, zorder=2)
        line(axes, [100 * row["mean"]], [place], method, shown)
        label_points(axes, [100 * row["mean"]], [place], [_mean(row)])
    bare_rows(axes, shown)
    axes.set_xlabel("test accuracy, %")
    left, right = axes.get_xlim()
    axes.set_xlim(max(left, 0), min(right, 100.5))
    kind = "95 % Student t intervals over seeds" if means["n"].max() > 1 else "one seed: no interval"
    dots = "; pale dots: single seeds" if trials is not None else ""
    note(figure, f"{means['samples_per_class'].iloc[0]:,} images per class; {kind}; n = {extent(means['n'])}{dots}")
    return figure


@styled
def forest(comparisons: pd.DataFrame, smallest_difference: float, methods: Sequence[str] = ()) -> Figure:
    """Draw paired differences with intervals, a line each, and the band of those too small to matter (points).

    Lines are named by pair and size; by the point where the rows are those of one pair in a design.
    """
    rows = comparisons[comparisons["n"] > 0].reset_index(drop=True)
    figure, axes = canvas(1.25 + 0.29 * max(len(rows), 1))
    axes.axvspan(-smallest_difference, smallest_difference, color=MUTED, alpha=0.16, linewidth=0)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    for place, row in enumerate(rows.to_dict("records")):
        style = look(row["method"], ordered(rows["method"], methods))
        shown = row["verdict"].startswith(("better", "worse"))
        _difference(axes, place, row, style.colour, style.marker, filled=shown)
    designed = "at" in rows and rows["at"].ne("").all()
    pairs = [f"{r.method} {MINUS} {r.baseline}, {r.samples_per_class:,}" for r in rows.itertuples()]
    bare_rows(
        axes, [point.replace(" ", ", ").replace("=", " ") for point in shortened(rows["at"])] if designed else pairs
    )
    axes.set_xlabel("difference, points")
    kind = f"95 % Student t intervals, n = {extent(rows['n'])} paired seeds"
    if rows["n"].max() == 1:
        kind = "one paired seed: no interval"
    band = f"band: below {smallest_difference:g} points, too small to matter"
    where = "points of the design" if designed else "so many images per class"
    note(figure, f"test accuracy at {where}; {kind}; filled: significant after correction; {band}")
    return figure


@styled
def contributions(ablation: pd.DataFrame, smallest_difference: float = 0.5) -> Figure:
    """Draw what each level of each factor adds to the base.

    Columns as `analysis.comparison.ablation.contributions`: factor, level, difference, low, high, n, verdict.
    """
    rows = ablation[ablation["n"] > 0].reset_index(drop=True)
    figure, axes = canvas(1.25 + 0.29 * max(len(rows), 1))
    axes.axvspan(-smallest_difference, smallest_difference, color=MUTED, alpha=0.16, linewidth=0)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    limit = _far(rows)
    for place, row in enumerate(rows.to_dict("records")):
        filled = row["verdict"].startswith(("better", "worse"))
        if 100 * abs(row["difference"]) > limit:
            _beyond(axes, place, row, limit, filled=filled)
        else:
            _difference(axes, place, row, INK, "o", filled=filled)
    bare_rows(axes, [f"{row.factor}: {row.level}" for row in rows.itertuples()])
    axes.set_xlabel("points")
    kind = f"95 % intervals, n = {extent(rows['n'])} paired seeds; filled: stands out (q < 0.05)"
    band = f"band: below {smallest_difference:g} points, too small to matter"
    arrows = ""
    if limit < math.inf:
        axes.set_xlim(-limit, limit)
        arrows = "; arrow: beyond the axis"
    note(figure, f"test accuracy against the base; {kind}; {band}{arrows}")
    return figure


def _far(rows: pd.DataFrame) -> float:
    """End of the axis, in points, so that one huge contribution does not squeeze all others; infinity if none is."""
    reach = 100 * rows[["difference", "low", "high"]].abs().max(axis="columns")
    usual = reach[reach <= 4 * reach.quantile(0.75)]
    return 1.4 * float(usual.max()) if len(usual) < len(reach) else math.inf


def _beyond(axes: Axes, place: int, row: Row, limit: float, *, filled: bool) -> None:
    """Draw an arrow at the end of the axis, with the value."""
    side = math.copysign(0.94 * limit, row["difference"])
    face = INK if filled else PAPER
    axes.plot(side, place, marker="<" if side < 0 else ">", markersize=6.5, color=INK, markerfacecolor=face)
    words, align = points(row["difference"]), "left" if side < 0 else "right"
    axes.annotate(words, (0.86 * side / 0.94, place), ha=align, va="center", color=INK, fontsize="small")
    label_points(axes, [side], [place], [f"{words} points ({interval(row['low'], row['high'])}), n = {row['n']}"])


def _difference(axes: Axes, place: int, row: Row, colour: str, marker: str, *, filled: bool) -> None:
    axes.hlines(place, 100 * row["low"], 100 * row["high"], colors=colour, linewidth=1.8)
    face = colour if filled else PAPER
    axes.plot(100 * row["difference"], place, marker=marker, markersize=6.5, color=colour, markerfacecolor=face)
    limits = interval(row["low"], row["high"])
    label_points(
        axes, [100 * row["difference"]], [place], [f"{points(row['difference'])} points ({limits}), n = {row['n']}"]
    )


def _seeds(axes: Axes, trials: pd.DataFrame, sizes: list[Any], shift: float, methods: Sequence[str]) -> None:
    if trials.empty:
        return
    x = [sizes.index(size) + shift for size in trials["samples_per_class"]]
    y = 100 * trials["test_accuracy"].to_numpy(float)
    method = str(trials["method"].iloc[0])
    axes.scatter(x, y, s=11, color=look(method, methods).colour, alpha=0.45, linewidths=0, zorder=1)
    label_points(axes, x, y, _seed_labels(trials))


def _seeds_in_row(axes: Axes, trials: pd.DataFrame, place: int, colour: str) -> None:
    if len(trials):
        x = 100 * trials["test_accuracy"].to_numpy(float)
        axes.scatter(x, [place] * len(x), s=11, color=colour, alpha=0.45, linewidths=0, zorder=1)
        label_points(axes, x, [place] * len(x), _seed_labels(trials))


def _seed_labels(trials: pd.DataFrame) -> list[str]:
    rows = trials[["method", "samples_per_class", "seed", "test_accuracy"]].itertuples(index=False, name=None)
    return [f"{method}, {size:,} per class, seed {seed}: {percent(value)} %" for method, size, seed, value in rows]


def _mean(row: Row) -> str:
    limits = "no interval" if math.isnan(row["low"]) else f"{percent(row['low'])} to {percent(row['high'])}"
    seeds = plural(int(row["n"]), "seed")
    return f"{row['method']}, {row['samples_per_class']:,} per class: {percent(row['mean'])} % ({limits}), {seeds}"
