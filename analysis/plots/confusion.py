"""Figure of what test images were taken for."""

import pandas as pd
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.methods import look
from analysis.plots.canvas import WIDTH, canvas, extent, label_points, note, short, styled

WITH_NUMBERS = 12
"""Most classes of which each cell has room for its number."""
WITH_NAMES = 30
"""Most classes of which each row has room for its name."""
SEEN = 0.005
"""Least share that is drawn where there are more."""


@styled
def confusion(shares: pd.DataFrame, method: str) -> Figure:
    """Draw the share of each class, a row, that was taken for each class, a column, in per cent.

    Columns as `analysis.comparison.by_class.average_confusions`, of one cell and method.
    """
    classes = list(pd.unique(shares["predicted"]))
    places = {name: place for place, name in enumerate(classes)}
    taken = [
        (places[row["label"]], places[row["predicted"]], 100 * row["share"])
        for row in shares[shares["share"] > (0 if len(classes) <= WITH_NAMES else SEEN)].to_dict("records")
    ]
    figure, axes = canvas(WIDTH)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    # Paler by being seen through: a page may be light or dark.
    colour = look(method, [method]).colour
    squares = [Rectangle((column - 0.5, row - 0.5), 1, 1) for row, column, _ in taken]
    colours = [to_rgba(colour, value / 100) for _, _, value in taken]
    axes.add_collection(PatchCollection(squares, facecolors=colours, edgecolors="none"))
    axes.set_xlim(-0.5, len(classes) - 0.5)
    axes.set_ylim(len(classes) - 0.5, -0.5)
    axes.set_aspect("equal")
    if len(classes) <= WITH_NAMES:
        names = [short(str(name), 12) for name in classes]
        upright = max(map(len, names)) > 3
        axes.set_xticks(range(len(classes)), names, rotation=90 if upright else 0, fontsize=8)
        axes.set_yticks(range(len(classes)), names, fontsize=8)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
    axes.tick_params(length=0)
    for row, column, value in taken if len(classes) <= WITH_NUMBERS else []:
        if round(value):
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=7.5)
    words = [f"{classes[row]} taken for {classes[column]}: {value:.1f} %" for row, column, value in taken]
    label_points(axes, [column for _, column, _ in taken], [row for row, _, _ in taken], words)
    axes.set_xlabel("taken for")
    axes.set_ylabel("class")
    note(figure, f"% of each class's test images; mean over n = {extent(shares['n'])} seeds")
    return figure
