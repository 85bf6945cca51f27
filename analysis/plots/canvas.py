"""Elements that all figures share: panel with a grid, lines by method, legend, note, labelled points."""

import json
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.methods import look

# Three colours stand for roles, so that a page can give them light and dark values (see `inline_svg`).
INK, MUTED, PAPER = "#1c2026", "#6b7280", "#fefefe"
WIDTH = 4.7  # inches; a phone shows the whole of it, and the text stays readable
LINE = 76  # characters of a note on a figure of that width
LABELS = "labels:"
STYLE: dict[Any, Any] = {
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

styled = mpl.rc_context(STYLE)


def canvas(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """Create a figure with one panel, in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axisbelow(True)
    axes.grid(axis="both", color=MUTED, alpha=0.18, linewidth=0.6)
    return figure, axes


def line(axes: Axes, x: Any, y: Any, method: str, methods: Sequence[str], **options: Any) -> None:
    """Draw a line with markers in the look of its method."""
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


def bare_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Lay out named rows from top to bottom, for figures without a vertical scale."""
    axes.set_yticks(range(len(labels)), [short(label, 44) for label in labels])
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def label_points(axes: Axes, x: Iterable[float], y: Iterable[float], labels: Iterable[str]) -> None:
    """Label the points at these places: `svg` gives each a title, which a page shows under the pointer."""
    # Never drawn: it only keeps places and words together until the figure is written.
    axes.scatter(list(x), list(y), s=0, gid=LABELS + json.dumps(list(labels)), visible=False)


def legend(figure: Figure, methods: Sequence[str]) -> None:
    """Draw the methods above the panel, in as many columns as there is room for."""
    handles = []
    for method in methods:
        style = look(method, methods)
        face = style.colour if style.filled else PAPER
        handles.append(
            mpl.lines.Line2D(
                [], [], color=style.colour, linestyle=style.line, marker=style.marker, markerfacecolor=face,
                label=short(method),
            )
        )  # fmt: skip
    if handles:
        longest = max(len(short(method)) for method in methods)
        columns = max(1, min(len(handles), 56 // (longest + 3)))
        figure.legend(handles=handles, loc="outside upper left", ncols=columns, frameon=False, fontsize=9)


def note(figure: Figure, text: str) -> None:
    """Write what the reader must know of the figure below it."""
    lines = [line for part in text.split("\n") for line in textwrap.wrap(part, LINE)]
    figure.supxlabel("\n".join(lines), fontsize=8, color=MUTED, x=0.01, ha="left")


def extent(counted: Iterable[int]) -> str:
    """Format counts as `8`, or as `6–8` where they differ."""
    found = sorted({int(n) for n in counted})
    return "–".join(str(n) for n in dict.fromkeys((found[0], found[-1]))) if found else "0"


def short(text: str, most: int = 28) -> str:
    """Shorten a name that would push the panel off the figure."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
