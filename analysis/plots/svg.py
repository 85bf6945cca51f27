"""Write a figure as a file or as part of a page."""

import io
import json
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from analysis.plots.canvas import INK, LABELS, MUTED, PAPER, STYLE

REACH = 6  # radius of what a pointer must hit, in points
DOTS_PER_INCH = 200  # of PNG files: sharp in print at half a column


def svg(figure: Figure) -> str:
    """Render the figure as SVG with real text on a white ground, the same bytes for the same figure."""
    with _any_script(), mpl.rc_context({**STYLE, "svg.hashsalt": "analysis"}):
        target = io.StringIO()
        figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None}, facecolor=PAPER)
    before, end, after = target.getvalue().rpartition("</svg>")
    return before + _points(figure) + end + after


def png(figure: Figure) -> bytes:
    """Render the figure as PNG, for where SVG cannot go."""
    with _any_script(), mpl.rc_context(STYLE):
        target = io.BytesIO()
        figure.savefig(target, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None}, facecolor="white")
    return target.getvalue()


@contextmanager
def _any_script() -> Iterator[None]:
    """Without matplotlib's warning of letters that its font lacks: a browser has others for the text of an SVG."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from font")
        yield


def inline_svg(file: str, label: str, prefix: str) -> str:
    """Turn the output of `svg` into an element of an HTML page whose CSS sets `--ink`, `--muted` and `--paper`.

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


def _points(figure: Figure) -> str:
    """Draw unseen circles with titles over the points that `label_points` labelled, in the units of the file."""
    circles = []
    height = figure.get_figheight() * 72
    for artist in figure.findobj(_is_labelled):
        offsets: Any = artist
        places = offsets.get_offset_transform().transform(offsets.get_offsets()) / figure.dpi * 72
        for (x, y), words in zip(places, json.loads(str(artist.get_gid()).removeprefix(LABELS)), strict=True):
            title = f"<title>{escape(words)}</title>"
            circle = f'<circle class="point" cx="{x:.1f}" cy="{height - y:.1f}" r="{REACH}" fill="transparent">'
            circles.append(f"{circle}{title}</circle>")
    return f"<g>{''.join(circles)}</g>\n" if circles else ""


def _is_labelled(artist: Any) -> bool:
    return str(artist.get_gid() or "").startswith(LABELS)
