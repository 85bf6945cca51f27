"""Print a table as HTML, Markdown, LaTeX (booktabs) or CSV; each format escapes every text."""

import csv
import html
import io
import re
from collections.abc import Callable
from dataclasses import dataclass

from analysis.data.csv_guard import guarded_text


@dataclass(frozen=True)
class Cell:
    """One cell; `strong` where the evidence allows it."""

    text: str
    strong: bool = False


@dataclass(frozen=True)
class Grid:
    """A table to print: the first column names its rows, the others are numbers."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


def to_html(grid: Grid) -> str:
    """Print a `<table>` with a caption, and the note below it."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in grid.columns)
    rows = "\n".join("<tr>" + "".join(map(_html_cell, range(len(row)), row)) + "</tr>" for row in grid.rows)
    note = f"\n<p>{html.escape(grid.note)}</p>" if grid.note else ""
    caption = f"<caption>{html.escape(grid.caption)}</caption>"
    return f"<table>\n{caption}\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>{note}\n"


def to_markdown(grid: Grid) -> str:
    """Print a GitHub table below its caption."""
    lines = [" | ".join(map(escape_markdown, grid.columns)), "|".join(["---", *["---:"] * (len(grid.columns) - 1)])]
    for row in grid.rows:
        texts = [escape_markdown(cell.text) for cell in row]
        lines.append(" | ".join(f"**{t}**" if c.strong else t for c, t in zip(row, texts, strict=True)))
    table = "\n".join(f"| {line} |" for line in lines)
    note = f"\n{escape_markdown(grid.note)}\n" if grid.note else ""
    return f"{escape_markdown(grid.caption)}\n\n{table}\n{note}"


def to_latex(grid: Grid) -> str:
    r"""Print a `table` environment; the document needs `\usepackage{booktabs}`."""

    def line(cells: tuple[Cell, ...]) -> str:
        texts = [rf"\textbf{{{escape_latex(cell.text)}}}" if cell.strong else escape_latex(cell.text) for cell in cells]
        return " & ".join(texts) + r" \\"

    body = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape_latex(grid.caption)}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(grid.columns) - 1)}}}",
        r"\toprule",
        line(tuple(map(Cell, grid.columns))),
        r"\midrule",
        *map(line, grid.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    note = [rf"\par\smallskip\footnotesize {escape_latex(grid.note)}"] if grid.note else []
    return "\n".join([*body, *note, r"\end{table}"]) + "\n"


def to_csv(grid: Grid) -> str:
    """Print the cells for a spreadsheet; no text is a formula."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(map(guarded_text, grid.columns))
    writer.writerows([guarded_text(cell.text) for cell in row] for row in grid.rows)
    return target.getvalue()


FORMS: dict[str, Callable[[Grid], str]] = {
    "html": to_html,
    "md": to_markdown,
    "tex": to_latex,
    "csv": to_csv,
}
"""The printer of each format, by the ending of its file."""


def escape_markdown(value: object) -> str:
    """Escape a text so that Markdown shows it as it is: no markup, HTML, link, cell or line of its own."""
    text = " ".join(str(value).split())
    text = re.sub(r"([\\`*_\[\]|~#])", r"\\\1", text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("://", "&#58;//").replace("www.", "www&#46;").replace("@", "&#64;")


def escape_latex(value: object) -> str:
    """Escape a text so that LaTeX prints it as it is: no command, mathematics, comment, cell or line of its own."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    return "".join(_LATEX.get(character, character) for character in text)


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\char34}",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "×": r"$\times$",
    "λ": r"$\lambda$",
    # A bracket after \\ would be its argument, a star its starred form; "?`" and "!`" are ligatures.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "`": r"\textasciigrave{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def _html_cell(place: int, cell: Cell) -> str:
    text = html.escape(cell.text)
    if place == 0:
        return f'<th scope="row">{text}</th>'
    return f"<td>{f'<strong>{text}</strong>' if cell.strong else text}</td>"
