"""Pictures for a report: generated images, a sheet per cell and method; test images that nearly equal others."""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.comparison.confirmed import confirmed
from analysis.findings.pictures import Pictures, Pixels, alike, load_pictures
from analysis.methods import ordered
from analysis.plots.pictures import above, data_uri, grid, png, strip
from analysis.reports.evidence import Evidence
from analysis.reports.figures import MOST, slug


@dataclass(frozen=True)
class PictureSheet:
    """Pictures of one cell and method: `rows` of a class and the data addresses below `heads`, `file` a PNG."""

    name: str
    title: str
    heads: tuple[tuple[str, int], ...]
    """Each with how many images of a class are below it."""
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    alike: tuple[str, ...]
    """Classes whose generated images hardly differ."""
    file: bytes


@dataclass(frozen=True)
class DuplicateSheet:
    """Test images above the training images that they nearly equal: `address` of data, and `file`, a PNG; or neither.

    `sentence` says how many there are.
    """

    name: str
    sentence: str
    address: str
    file: bytes


@dataclass(frozen=True)
class CardSheet:
    """What a folder of images holds: sentences, and thumbnails as an `address` of data and a `file`, a PNG."""

    name: str
    dataset: str
    lines: tuple[str, ...]
    address: str
    file: bytes


Sheet = PictureSheet | DuplicateSheet | CardSheet


def card_sheets(evidence: Evidence) -> list[CardSheet]:
    """Show the folders of images that a run has looked at."""
    return [
        CardSheet(
            f"images-{slug(card.dataset)}",
            card.dataset,
            card.lines,
            data_uri(card.thumbnails) if card.thumbnails else "",
            card.thumbnails,
        )
        for card in evidence.cards
    ]


def duplicate_sheets(evidence: Evidence) -> list[DuplicateSheet]:
    """Show pairs of each data set in which somebody has looked for them."""
    sheets = []
    for found in evidence.duplicates:
        trials = evidence.results[evidence.results["dataset"] == found.dataset]
        # The column is not there in ledgers of earlier versions; a search does not know.
        dropped = "drop" in set(trials.get("config.data.test_duplicates", []))
        file = png(above(found.test, found.training), least=128) if len(found.test) else b""
        name, address = f"duplicates-{slug(found.dataset)}", data_uri(file) if file else ""
        sheets.append(DuplicateSheet(name, found.sentence(dropped=dropped), address, file))
    return sheets


def picture_sheets(evidence: Evidence, directory: Path) -> list[PictureSheet]:
    """Show generated images of each cell and method with a generator, on at most `MOST` sheets.

    They come from the completed confirm trial with the lowest seed: pictures chosen by accuracy would flatter.
    """
    trials = confirmed(evidence.results)
    trials = trials[trials["status"] == "completed"].sort_values("seed", kind="stable")
    sheets: list[PictureSheet] = []
    if not (directory / "pictures").is_dir():
        return sheets
    for dataset, size in evidence.cells:
        here = trials[(trials["dataset"] == dataset) & (trials["samples_per_class"] == size)]
        for method in ordered(here["method"], evidence.study.methods):
            if len(sheets) < MOST and (sheet := _first_sheet(here[here["method"] == method], directory)):
                sheets.append(sheet)
    return sheets


def _first_sheet(trials: pd.DataFrame, directory: Path) -> PictureSheet | None:
    for trial in trials.to_dict("records"):
        pictures = load_pictures(directory / "pictures" / f"{_safe(trial['signature'])}.npz")
        if pictures is not None:
            title = f"{trial['method']}, {trial['dataset']}, {trial['samples_per_class']:,} per class"
            return _sheet(f"{title}, seed {trial['seed']}", str(trial["signature"]), pictures)
    return None


def _sheet(title: str, signature: str, pictures: Pictures) -> PictureSheet:
    parts = {"real": pictures.real, "generated": pictures.generated}
    if pictures.iterations:
        learned = ", ".join(f"{iteration:,}" for iteration in pictures.iterations)
        parts[f"one latent, after {learned} iterations of the GAN"] = pictures.progress
    strips = zip(*([_strip_uri(images) for images in part] for part in parts.values()), strict=True)
    file = png(grid(pictures), least=32 * len(pictures.classes))
    rows = tuple(zip(pictures.classes, strips, strict=True))
    heads = tuple((head, images.shape[1]) for head, images in parts.items())
    return PictureSheet(f"pictures-{slug(title)}-{slug(signature)[:8]}", title, heads, rows, alike(pictures), file)


def _strip_uri(images: Pixels) -> str:
    return data_uri(png(strip(images), least=28))


def _safe(signature: object) -> str:
    # A signature is a hash; whatever else a table says must not name a file elsewhere.
    return re.sub(r"[^\w-]", "_", str(signature))
