"""Figures of the training: validation accuracy and losses against iterations."""

from collections.abc import Sequence

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.methods import look, ordered
from analysis.plots.canvas import canvas, extent, legend, line, note, short, styled

TERMS = ("#2f84c6", "#d55e00", "#0e9375", "#b07a00", "#b8609a", "#7d828c")


@styled
def learning_curves(averages: pd.DataFrame, methods: Sequence[str] = ()) -> Figure:
    """Draw validation accuracy against iteration of the classifier's training, with bands, for the rows of one cell."""
    rows = averages[(averages["stage"] == "classification") & averages["validation_accuracy"].notna()]
    shown = ordered(rows["method"], methods)
    figure, axes = canvas(3.1)
    for method in shown:
        one = rows[rows["method"] == method].sort_values("iteration")
        x = one["iteration"].to_numpy(float)
        low, high = 100 * one["low"].to_numpy(float), 100 * one["high"].to_numpy(float)
        axes.fill_between(x, low, high, color=look(method, shown).colour, alpha=0.12, linewidth=0)
        line(axes, x, 100 * one["validation_accuracy"], method, shown, markersize=3.5)
    axes.set(xlabel="iteration of the classifier (stage 2)", ylabel="validation accuracy, %")
    legend(figure, shown)
    band = "bands: 95 % Student t intervals" if rows["n"].max() > 1 else "no interval"
    note(figure, f"best configuration of each search; {_seeds(rows)}; {band}")
    return figure


@styled
def losses(averages: pd.DataFrame) -> Figure:
    """Draw every loss term against iteration, one panel per stage, for the rows of one cell and method."""
    stages = [stage for stage in ("generation", "classification") if (averages["stage"] == stage).any()]
    names = [name for name in averages.columns if name.startswith("loss.")]
    drawn = [t for s in stages for t in names if averages.loc[averages["stage"] == s, t].notna().any()]
    terms = list(dict.fromkeys(drawn))
    colours = {term: TERMS[place % len(TERMS)] for place, term in enumerate(terms)}
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
    handles = [mpl.lines.Line2D([], [], color=colours[t], label=short(t.removeprefix("loss."))) for t in terms]
    if handles:
        figure.legend(handles=handles, loc="outside upper left", ncols=3, frameon=False, fontsize=8)
    note(figure, f"{_seeds(averages)}; no interval")
    return figure


def _seeds(averages: pd.DataFrame) -> str:
    counted = sorted(set(averages["n"]))
    return "one seed" if counted in ([], [1]) else f"mean of n = {extent(counted)} seeds"
