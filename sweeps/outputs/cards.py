"""The card of a folder of images as text and thumbnails: for the terminal, and kept for the report."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

from analysis.findings.cards import CARDS
from analysis.formatting import listed, plural
from dagan.data.card import PURPOSES, Card, check_images
from dagan.data.facts import Fit
from dagan.data.folders import image_folder
from dagan.data.images import Pixels, read_images
from dagan.files import write_atomically
from sweeps.records.run_folder import RunFolder, shown
from sweeps.study.schema import Study

MANIFEST = "manifest.json"
"""What `sweeps sample --to` writes beside its images."""
NAMED = 3
"""Files and classes that are named; the others are counted."""
SHOWN_CLASSES, SHOWN_IMAGES, SIDE = 12, 8, 48
"""Thumbnails: classes, images of each, pixels per side."""


def generated_warning(place: Path) -> list[str]:
    """Warn of a folder that `sweeps sample --to` has written, or a zip of one; nothing for any other."""
    try:
        if place.is_dir():
            content = (place / MANIFEST).read_bytes()
        else:
            with zipfile.ZipFile(place) as file:
                content = file.read(next(name for name in file.namelist() if Path(name).name == MANIFEST))
        made = json.loads(content)
        source = f"{made['method']} on {made['dataset']}, latent seed {made['latent_seed']}"
    except (OSError, StopIteration, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return []
    return [f"These images are generated ({source}): an accuracy on them says nothing of real images."]


def card_lines(card: Card) -> list[str]:
    """Say what a folder holds, and what of it is odd, in a few sentences."""
    parts = [f"{sum(counts):,} {PURPOSES[part]}" for part, counts in card.counts.items()]
    label, fewest = card.smallest_class
    lines = [
        *generated_warning(card.place),
        f"{plural(len(card.classes), 'class', 'classes')}, {listed(parts)} images; the smallest class is `{label}` with"
        f" {fewest:,}{'' if 'test' in card.counts else ', of which a third is set aside for the test'}.",
        f"{sizes_of(card)}; {'grey' if card.grey else 'in colour'} ({modes_of(card)}).",
    ]
    if card.unread:
        kinds = [f"{count:,} {suffix}" for suffix, count in card.unread.items()]
        lines.append(f"Not read: {listed(kinds)}. Convert them to PNG or JPEG.")
    if card.outside:
        lines.append(f"Outside of every class, so without a use: {files(card.outside)}.")
    if card.torn:
        rule = "No classifier can tell these apart: the same file is in two classes"
        lines.append(f"{rule}: {files([f'{one} is {other}' for one, other in card.torn])}.")
    if card.twice:
        lines.append(f"The same file twice in one class: {files([f'{one} is {other}' for one, other in card.twice])}.")
    return lines


def cards_of(study: Study, console: Console) -> dict[str, Card]:
    """Open every image of the study's folders and zips, and return their cards by data set.

    Raises:
        InvalidInput: files that are missing, or are not images.
    """
    found = {}
    for dataset in study.cell_datasets:
        if dataset.folder:
            console.print(f"checking the images in {shown(dataset.folder)} …", markup=False)
            found[dataset.name] = check_images(dataset.folder)
    return found


def sizes_of(card: Card) -> str:
    """Say what sizes the images have."""
    (width, height), (wide, high) = card.sizes[0], card.sizes[-1]
    if len(set(card.sizes)) == 1:
        return f"All of {width}×{height} pixels"
    return f"{width}×{height} to {wide}×{high} pixels, the shorter side {card.shorter_side} in the middle"


def modes_of(card: Card) -> str:
    """Name the modes of the images, with their numbers where they are several."""
    if len(card.modes) == 1:
        return next(iter(card.modes))
    return listed([f"{mode} {count:,}" for mode, count in card.modes.items()])


def files(names: list[str] | tuple[str, ...]) -> str:
    """Name some files and count the others."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def keep_card(card: Card, name: str, fit: Fit, folder: RunFolder) -> None:
    """Keep the lines and the thumbnails of a data set in the run folder, for its report."""
    there = folder.root / CARDS
    there.mkdir(parents=True, exist_ok=True)
    write_atomically(there / f"{name}.json", json.dumps(card_lines(card), ensure_ascii=False))
    write_atomically(there / f"{name}.png", thumbnails(card.place, fit))


def thumbnails(place: Path, fit: Fit) -> bytes:
    """Draw the first images of the first classes, a class per row, as a PNG."""
    folder = image_folder(place)
    rows = [
        read_images(folder, list(names[:SHOWN_IMAGES]), SIDE, 3, fit)
        for names in list(folder.part("train").values())[:SHOWN_CLASSES]
    ]
    sheet = np.concatenate([row_of(images) for images in rows])
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, "PNG")
    return file.getvalue()


def row_of(images: Pixels) -> Pixels:
    """Lay images beside each other, white where there are fewer than fit, with a white margin."""
    row = np.full((SIDE + 2, SHOWN_IMAGES * (SIDE + 2), 3), 255, dtype=np.uint8)
    for place, image in enumerate(images):
        row[:SIDE, place * (SIDE + 2) :][:, :SIDE] = image
    return row
