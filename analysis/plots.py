"""Figures from tables, computing nothing; each says its unit, its n and its kind of interval."""

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.methods import look, ordered
from analysis.wording import MINUS

# Three colours stand for roles, so that a page can give them light and dark values (see `inline_svg`).
INK, MUTED, PAPER = "#1c2026", "#6b7280", "#fefefe"
_TERMS = ("#2f84c6", "#d55e00", "#0e9375", "#b07a00", "#b8609a", "#7d828c")
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.parse_math": False,
    "axes.facecolor": PAPER,
    "figure.dpi": 96,
}


@mpl.rc_context(_STYLE)
def accuracy_by_size(means: pd.DataFrame, methods: Sequence[str] = ()) -> Figure:
    """Mean test accuracy against samples per class, with intervals, for the rows of one dataset."""
    means = means[means["n"] > 0]
    sizes = sorted(means["samples_per_class"].unique())
    shown = ordered(means["method"], methods)
    figure, axes = _figure(4.7, 3.5)
    for place, method in enumerate(shown):
        rows = means[means["method"] == method].sort_values("samples_per_class")
        # Beside one another, not over one another: the sizes are places on the axis, not a scale.
        shift = (place - (len(shown) - 1) / 2) * min(0.09, 0.6 / len(shown))
        x = [sizes.index(size) + shift for size in rows["samples_per_class"]]
        y = 100 * rows["mean"].to_numpy(float)
        low, high = 100 * rows["low"].to_numpy(float), 100 * rows["high"].to_numpy(float)
        _line(axes, x, y, method, shown, linewidth=1.1)
        axes.vlines(x, low, high, colors=look(method, shown).colour, linewidth=1.8, zorder=2)
    axes.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes])
    axes.set_xlim(-0.5, len(sizes) - 0.5)
    axes.set(xlabel="images per class", ylabel="test accuracy, %")
    # A t interval from few seeds can reach beyond what an accuracy can be; the axis does not.
    bottom, top = axes.get_ylim()
    axes.set_ylim(max(bottom, 0), min(top, 100.5))
    counted = sorted(set(means["n"]))
    kind = "95 % Student t intervals over seeds" if max(counted, default=0) > 1 else "one seed: no interval"
    _legend(figure, shown)
    _note(figure, f"{kind}; n = {_extent(counted)} per point")
    return figure


@mpl.rc_context(_STYLE)
def forest(comparisons: pd.DataFrame, smallest_difference: float, methods: Sequence[str] = ()) -> Figure:
    """Paired differences with intervals, a line each, and the band of those too small to matter (points)."""
    rows = comparisons[comparisons["n"] > 0].reset_index(drop=True)
    figure, axes = _figure(4.7, 1.25 + 0.29 * max(len(rows), 1))
    axes.axvspan(-smallest_difference, smallest_difference, color=MUTED, alpha=0.16, linewidth=0)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    for place, row in enumerate(rows.to_dict("records")):
        style = look(row["method"], ordered(rows["method"], methods))
        shown = row["verdict"].startswith(("better", "worse"))
        axes.hlines(place, 100 * row["low"], 100 * row["high"], colors=style.colour, linewidth=1.8)
        axes.plot(
            *(100 * row["difference"], place),
            marker=style.marker,
            markersize=6.5,
            color=style.colour,
            markerfacecolor=style.colour if shown else PAPER,
        )
    labels = [f"{r.method} {MINUS} {r.baseline}, {r.samples_per_class:,} per class" for r in rows.itertuples()]
    axes.set_yticks(range(len(rows)), labels)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("difference, points")
    counted = sorted(set(rows["n"])) or [0]
    kind = f"test accuracy, 95 % Student t intervals, n = {_extent(counted)} paired seeds"
    if counted[-1] == 1:
        kind = "test accuracy, one paired seed: no interval"
    band = f"band: below {smallest_difference:g} points, too small to matter"
    _note(figure, f"{kind};\nfilled: significant after Holm; {band}")
    return figure


@mpl.rc_context(_STYLE)
def search_progress(progress: pd.DataFrame, methods: Sequence[str] = ()) -> Figure:
    """Best validation accuracy so far against the number of suggestions tried, for the rows of one cell."""
    shown = ordered(progress["method"], methods)
    figure, axes = _figure(4.7, 3.1)
    for method in shown:
        rows = progress[progress["method"] == method].sort_values("trial")
        best = 100 * rows["best"].to_numpy(float)
        style = look(method, shown)
        axes.step(rows["tried"], best, where="post", color=style.colour, linestyle=style.line, linewidth=1.4)
        _line(axes, rows["tried"].iloc[-1:], best[-1:], method, shown)
    axes.set(xlabel="search trials", ylabel="best validation accuracy, %")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(figure, shown)
    _note(figure, "best so far, n = 1 search; optimistic, so no evidence; no interval")
    return figure


@mpl.rc_context(_STYLE)
def learning_curves(averages: pd.DataFrame, methods: Sequence[str] = ()) -> Figure:
    """Validation accuracy against iteration of the classifier's training, for the rows of one cell."""
    rows = averages[(averages["stage"] == "classification") & averages["validation_accuracy"].notna()]
    shown = ordered(rows["method"], methods)
    figure, axes = _figure(4.7, 3.1)
    for method in shown:
        line = rows[rows["method"] == method].sort_values("iteration")
        _line(axes, line["iteration"], 100 * line["validation_accuracy"], method, shown, markersize=3.5)
    axes.set(xlabel="iteration of the classifier (stage 2)", ylabel="validation accuracy, %")
    _legend(figure, shown)
    _note(figure, f"best configuration of each search; {_seeds(rows)}; no interval")
    return figure


@mpl.rc_context(_STYLE)
def losses(averages: pd.DataFrame) -> Figure:
    """Every loss term against iteration, one panel per stage, for the rows of one cell and method."""
    stages = [stage for stage in ("generation", "classification") if (averages["stage"] == stage).any()]
    losses = [name for name in averages.columns if name.startswith("loss.")]
    drawn = [t for s in stages for t in losses if averages.loc[averages["stage"] == s, t].notna().any()]
    terms = list(dict.fromkeys(drawn))
    colours = {term: _TERMS[place % len(_TERMS)] for place, term in enumerate(terms)}
    figure = Figure(figsize=(4.7, 2.9), layout="constrained")
    panels = [figure.add_subplot(1, max(len(stages), 1), place + 1) for place in range(len(stages))]
    for axes, stage in zip(panels, stages, strict=True):
        rows = averages[averages["stage"] == stage].sort_values("iteration")
        for term in terms:
            if rows[term].notna().any():
                axes.plot(rows["iteration"], rows[term], color=colours[term], linewidth=1.3)
        axes.set_title(f"{stage} (stage {1 if stage == 'generation' else 2})", fontsize=9, loc="left")
        axes.set_xlabel("iteration")
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    if panels:
        panels[0].set_ylabel("loss")
    handles = [mpl.lines.Line2D([], [], color=colours[t], label=_short(t.removeprefix("loss."))) for t in terms]
    if handles:
        figure.legend(handles=handles, loc="outside upper left", ncols=3, frameon=False, fontsize=8)
    _note(figure, f"{_seeds(averages)}; no interval")
    return figure


def svg(figure: Figure) -> str:
    """The figure as SVG with real text on a white ground, the same bytes for the same figure."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": "analysis"}):
        target = io.StringIO()
        figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None}, facecolor=PAPER)
    return target.getvalue()


def inline_svg(file: str, label: str, prefix: str) -> str:
    """What `svg` returned as an element of an HTML page whose CSS sets `--ink`, `--muted` and `--paper`.

    `label` is read by screen readers, without its markup; `prefix` keeps the ids of several figures apart.
    """
    opening = re.search(r"<svg [^>]*?(viewBox=\"0 0 ([\d.]+) [^\"]*\")[^>]*>", file, flags=re.DOTALL)
    if opening is None:
        raise ValueError("file must be SVG as written by `svg`.")
    inside = re.sub(r"<metadata>.*?</metadata>", "", file[opening.end() :], flags=re.DOTALL)
    inside = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", inside)
    for role, colour in (("ink", INK), ("muted", MUTED), ("paper", PAPER)):
        inside = inside.replace(colour, f"var(--{role})")
    view, width = opening.group(1), float(opening.group(2)) / 0.75  # points to pixels
    plain = re.sub(r"[^\w\s.,%-]", " ", label)
    return f'<svg role="img" aria-label="{plain}" {view} style="max-width:{width:.0f}px">{inside}'


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axisbelow(True)
    axes.grid(axis="both", color=MUTED, alpha=0.18, linewidth=0.6)
    return figure, axes


def _line(axes: Axes, x: Any, y: Any, method: str, methods: Sequence[str], **options: Any) -> None:
    style = look(method, methods)
    axes.plot(
        x,
        y,
        color=style.colour,
        linestyle=style.line,
        marker=style.marker,
        markerfacecolor=style.colour if style.filled else PAPER,
        **{"markersize": 6, "linewidth": 1.4, "zorder": 3, **options},
    )


def _legend(figure: Figure, methods: Sequence[str]) -> None:
    handles = []
    for method in methods:
        style = look(method, methods)
        face = style.colour if style.filled else PAPER
        handles.append(
            mpl.lines.Line2D(
                [], [], color=style.colour, linestyle=style.line, marker=style.marker, markerfacecolor=face,
                label=_short(method),
            )
        )  # fmt: skip
    if handles:
        longest = max(len(_short(method)) for method in methods)
        columns = max(1, min(len(handles), 56 // (longest + 3)))
        figure.legend(handles=handles, loc="outside upper left", ncols=columns, frameon=False, fontsize=9)


def _note(figure: Figure, text: str) -> None:
    figure.supxlabel(text, fontsize=8, color=MUTED, x=0.01, ha="left")


def _seeds(averages: pd.DataFrame) -> str:
    counted = sorted(set(averages["n"]))
    return "one seed" if counted in ([], [1]) else f"mean of {_extent(counted)} seeds"


def _extent(counted: Sequence[int]) -> str:
    return "–".join(str(n) for n in dict.fromkeys((counted[0], counted[-1]))) if counted else "0"


def _short(text: str, most: int = 28) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
