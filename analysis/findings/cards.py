"""Cards of folders of images: what they hold, in sentences, and thumbnails; written by a run."""

import json
from dataclasses import dataclass
from pathlib import Path

CARDS = "cards"
"""The folder with a JSON and a PNG for each data set."""
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Card:
    """What a data set holds: sentences, and a PNG with a row of images per class; empty where there is none."""

    dataset: str
    lines: tuple[str, ...]
    thumbnails: bytes


def load_cards(directory: Path) -> tuple[Card, ...]:
    """Read the cards of a study directory; one that is damaged counts as absent."""
    cards = []
    for path in sorted((directory / CARDS).glob("*.json")):
        try:
            lines = json.loads(path.read_bytes())
            picture = path.with_suffix(".png")
            thumbnails = picture.read_bytes() if picture.is_file() else b""
        except (OSError, ValueError):
            continue
        if isinstance(lines, list) and all(isinstance(line, str) for line in lines):
            cards.append(Card(path.stem, tuple(lines), thumbnails if thumbnails.startswith(PNG) else b""))
    return tuple(cards)
