"""The card of an image folder: what it holds, what of it is odd, what cannot be read; every image is opened once."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from dagan.data.folders import Part, listed
from dagan.data.generated import of_generated
from dagan.data.images import UNREADABLE, read_image, unreadable
from dagan.errors import InvalidInput, Problem

PARTS: tuple[Part, ...] = ("train", "validation", "test")
PURPOSES: dict[Part, str] = {"train": "training", "validation": "validation", "test": "test"}
GREY_MODES = {"1", "L", "LA", "I", "F", "I;16", "I;16B", "I;16L"}
SPREAD = 4
"""Levels of 256 by which the channels of a grey image in colour may differ, as JPEGs do."""


@dataclass(frozen=True)
class Card:
    """What a folder of images holds, or a zip of one."""

    place: Path
    classes: tuple[str, ...]
    counts: dict[Part, tuple[int, ...]]
    """Images of each class, for each part that there is."""
    sizes: tuple[tuple[int, int], ...]
    """Width and height of every image, pixels, smallest shorter side first."""
    modes: dict[str, int]
    """Images of each of Pillow's modes, the most frequent first."""
    grey: bool
    """Whether no image has any colour."""
    unread: dict[str, int]
    """Files by their suffix that are images of a kind that is not read."""
    outside: tuple[str, ...]
    """Images outside of every class, which serve no purpose."""
    twice: tuple[tuple[str, str], ...]
    """Images of one part and class that are the same file as an earlier one, with that."""
    torn: tuple[tuple[str, str], ...]
    """Images that are the same file as one of another class of their part, with that."""
    problems: tuple[Problem, ...] = field(default=(), repr=False)
    """Files that are no readable image, or that serve two purposes: with these nothing can run."""

    @property
    def smallest_class(self) -> tuple[str, int]:
        """The class with the fewest training images, and how many."""
        count = min(self.counts["train"])
        return self.classes[self.counts["train"].index(count)], count

    @property
    def shorter_side(self) -> int:
        """Median over the images, pixels."""
        return int(np.median([min(size) for size in self.sizes])) if self.sizes else 0

    @property
    def elongation(self) -> float:
        """Longer side over shorter, median over the images."""
        return float(np.median([max(size) / min(size) for size in self.sizes])) if self.sizes else 1.0


def card_of(place: Path) -> Card:
    """Open every image of a folder, or of a zip of one, and say what is there.

    Raises:
        InvalidInput: neither a folder nor a zip, or two folders for one part.
    """
    folder = listed(place)
    belongs = {name: (part, label) for part in PARTS for label, names in folder.part(part).items() for name in names}
    sizes, modes, coloured = [], Counter[str](), False
    known: dict[bytes, str] = {}
    twice, torn, problems = [], [], []
    with folder.opened() as read:
        for name in sorted(belongs, key=lambda name: PARTS.index(belongs[name][0])):
            try:
                content = read(name)
                size, mode, colour = looked_at(content)
            except UNREADABLE as error:
                problems.append(unreadable(place / name, error))
                continue
            sizes.append(size)
            modes[mode] += 1
            coloured |= colour
            earlier = known.setdefault(hashlib.sha256(content).digest(), name)
            (part, label), (other_part, other_label) = belongs[name], belongs[earlier]
            if part != other_part:
                rule = f"{place / name} is the {PURPOSES[other_part]} image {place / earlier} too."
                problems.append(Problem("data.folder", f"{rule} Remove one of them."))
            elif label != other_label:
                torn.append((name, earlier))
            elif name != earlier:
                twice.append((name, earlier))
    return Card(
        place=place,
        classes=tuple(folder.part("train")),
        counts={part: tuple(map(len, folder.part(part).values())) for part in PARTS if folder.part(part)},
        sizes=tuple(sorted(sizes, key=lambda size: (min(size), max(size)))),
        modes=dict(modes.most_common()),
        grey=not coloured,
        unread=dict(Counter(Path(name).suffix.lower() for name in folder.unread).most_common()),
        outside=tuple(name for name in folder.sizes if name not in belongs),
        twice=tuple(twice),
        torn=tuple(torn),
        problems=tuple(problems),
    )


def looked_at(content: bytes) -> tuple[tuple[int, int], str, bool]:
    """Return an image's width and height, its mode, and whether it has colour.

    Raises:
        Exception: one of `UNREADABLE`.
    """
    with Image.open(BytesIO(content)) as opened:
        size, mode = opened.size, opened.mode
    pixels = read_image(BytesIO(content), 32, 3).astype(int)
    colour = mode not in GREY_MODES and int(np.ptp(pixels, axis=-1).max()) > SPREAD
    return size, mode, colour


def check_images(place: Path) -> Card:
    """Open every image of a folder, or of a zip of one, and return its card.

    Raises:
        InvalidInput: every file that is no readable image, or serves two purposes.
    """
    card = card_of(place)
    if card.problems:
        raise InvalidInput(card.problems)
    return card


def check_generated(place: Path) -> None:
    """Open every image of a folder of generated images, or of a zip of one.

    Raises:
        InvalidInput: every file that is no readable image.
    """
    with of_generated():
        check_images(place)
