"""Reports read back: the elements and the text of a page."""

import re
from html.parser import HTMLParser

VOID = {"col", "meta", "img", "wbr", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """The elements and the text of a page; fails on tags that do not match."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(source)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read(report) -> tuple[Page, str]:
    return Page(report.html.read_text()), report.markdown.read_text()


def broken_tables(markdown: str) -> list[str]:
    """Lines of a Markdown table that an empty line parts from the rest, or that have another number of cells."""
    broken = []
    for block in re.split(r"\n(?:[ \t]*\n)+", markdown):
        rows = [row for row in block.splitlines() if row.startswith("|")]
        cells = [len(re.findall(r"(?<!\\)\|", row)) for row in rows]
        ruled = len(rows) > 1 and set(rows[1]) <= set("|-: ")
        broken += [row for row, count in zip(rows, cells, strict=True) if not ruled or count != cells[0]]
    return broken
