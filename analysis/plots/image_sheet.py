"""Sheets of images as PNG data, with a title, names beside the rows and above the columns."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from analysis.findings.pictures import Pixels

CELL = 56
"""Least height of an image on the sheet; smaller ones are enlarged by a whole factor, so that pixels stay sharp."""
GAP, MARGIN, PANEL_GAP = 3, 20, 26
INK, MUTED, PAPER = "#1b1b1b", "#6b6b6b", "white"


@dataclass(frozen=True)
class Panel:
    """A block of images, of shape (rows, columns, height, width, 1 or 3), uint8, with a name above each column.

    Without column names `heading` stands above them all.
    """

    images: Pixels
    columns: tuple[str, ...] = ()
    heading: str = ""


def sheet(panels: Sequence[Panel], *, rows: Sequence[str], title: str, note: str) -> bytes:
    """Draw panels side by side with common rows, as PNG data."""
    height, width = panels[0].images.shape[2:4]
    factor = max(1, -(-CELL // height))
    down, across = height * factor + GAP, width * factor + GAP
    names = [short(name) for name in rows]
    upright = all(wide(short(name)) <= across - GAP for panel in panels for name in panel.columns)
    deepest = max((wide(short(name)) for panel in panels for name in panel.columns), default=0)
    left = MARGIN + max(map(wide, names), default=0) + 10
    top = MARGIN + 56 + (24 if upright else deepest + 8)
    widths = [panel.images.shape[1] * across - GAP for panel in panels]
    right = left + sum(widths) + PANEL_GAP * (len(panels) - 1)
    full = max(right, MARGIN + wide(title, 17, bold=True), MARGIN + wide(note, 12))
    canvas = Image.new("RGB", (full + MARGIN, top + len(rows) * down - GAP + MARGIN), PAPER)
    pen = ImageDraw.Draw(canvas)
    pen.text((MARGIN, MARGIN), title, INK, font(17, bold=True), anchor="lt")
    pen.text((MARGIN, MARGIN + 25), note, MUTED, font(12), anchor="lt")
    for row, name in enumerate(names):
        pen.text((left - 10, top + row * down + (down - GAP) / 2), name, INK, font(), anchor="rm")
    start = left
    for panel, breadth in zip(panels, widths, strict=True):
        pen.text((start, top - 9), panel.heading, INK, font(), anchor="ls")
        for column, name in enumerate(panel.columns):
            middle = start + column * across + (across - GAP) // 2
            write_above(canvas, short(name), middle, top - 8, upright=upright)
        for row, column in np.ndindex(panel.images.shape[:2]):
            enlarged = panel.images[row, column].repeat(factor, axis=0).repeat(factor, axis=1)
            image = Image.fromarray(enlarged[..., 0] if enlarged.shape[-1] == 1 else enlarged)
            canvas.paste(image, (start + column * across, top + row * down))
        start += breadth + PANEL_GAP
    target = io.BytesIO()
    canvas.save(target, "PNG", optimize=True)
    return target.getvalue()


def write_above(canvas: Image.Image, text: str, middle: int, bottom: int, *, upright: bool) -> None:
    """Write a text that ends at `bottom`: across if `upright`, otherwise from the bottom up."""
    if upright:
        ImageDraw.Draw(canvas).text((middle, bottom), text, INK, font(), anchor="ms")
        return
    strip = Image.new("RGB", (wide(text) + 2, 18), PAPER)
    ImageDraw.Draw(strip).text((0, 9), text, INK, font(), anchor="lm")
    turned = strip.rotate(90, expand=True)
    canvas.paste(turned, (middle - turned.width // 2, bottom - turned.height + 2))


def wide(text: str, size: int = 14, *, bold: bool = False) -> int:
    """Width of a text in pixels."""
    return round(font(size, bold=bold).getlength(text)) + 1


def short(text: str, most: int = 28) -> str:
    """Shorten a name that would push the images off the sheet."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


@cache
def font(size: int = 14, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Load the font that comes with matplotlib, the same on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / name, size)
