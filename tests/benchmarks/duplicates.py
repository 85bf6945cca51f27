"""How many test images nearly equal a training image, and which disguises a copy is found in, as Markdown tables.

    python tests/benchmarks/duplicates.py digits mnist=ROOT cifar10=FOLDER_OR_ZIP [--sheets FOLDER]

Two minutes for the three of them. With `--sheets` every pair as a picture: test image left, training image right.
"""

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from dagan.config import Config
from dagan.data.duplicates import tested
from dagan.data.images import Pixels
from dagan.data.near_copies import NearCopies, near_copies
from dagan.training.dataset import divided

PLANTED = 300
"""Training images that are disguised in each way."""
Disguise = Callable[[Pixels], Pixels]


def pictured(pixels: Pixels) -> Image.Image:
    """Return one image as Pillow's."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def saved_anew(quality: int) -> Disguise:
    """Save as JPEG."""

    def disguise(pixels: Pixels) -> Pixels:
        file = io.BytesIO()
        pictured(pixels).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file)).reshape(pixels.shape)

    return disguise


def moved(by: int) -> Disguise:
    """Move right and down by so many pixels; the edge repeats."""
    return lambda pixels: np.pad(pixels, ((by, 0), (by, 0), (0, 0)), mode="edge")[: len(pixels), : len(pixels)]


def cut(share: int) -> Disguise:
    """Cut one part in so many off on each side, and enlarge the rest."""

    def disguise(pixels: Pixels) -> Pixels:
        side = len(pixels)
        box = (side / share, side / share, side - side / share, side - side / share)
        enlarged = pictured(pixels).resize((side, side), Image.Resampling.BICUBIC, box=box)
        return np.asarray(enlarged).reshape(pixels.shape)

    return disguise


def relit(contrast: float, brightness: float) -> Disguise:
    """Change contrast and brightness, cut off at black and white."""
    return lambda pixels: (pixels * contrast + brightness).clip(0, 255).astype(np.uint8)


DISGUISES: dict[str, Disguise] = {
    "none": lambda pixels: pixels,
    "saved as JPEG, quality 90": saved_anew(90),
    "quality 75": saved_anew(75),
    "quality 50": saved_anew(50),
    "mirrored": lambda pixels: pixels[:, ::-1],
    "moved by 1 pixel both ways": moved(1),
    "by 2": moved(2),
    "by 3": moved(3),
    "brighter by a fifth of the range": relit(1.0, 51),
    "contrast 0.6": relit(0.6, 51),
    "enlarged, a thirty-second cut off each side": cut(32),
    "a sixteenth": cut(16),
    "turned by 5 degrees": lambda pixels: np.asarray(pictured(pixels).rotate(5, Image.Resampling.BILINEAR)).reshape(
        pixels.shape
    ),
}


def images_of(wanted: str) -> tuple[Pixels, Pixels]:
    """Return all training images of a data set, and its test images; NAME, or NAME=PLACE."""
    name, _, place = wanted.partition("=")
    key = "folder" if Path(place).suffix == ".zip" or (Path(place) / "train").is_dir() else "root"
    config = Config.of({"method": "c", "data": {"dataset": name, **({key: place} if place else {})}})
    source, parts = divided(config)
    training = np.setdiff1d(np.arange(len(source.labels)), parts.test)
    return source.pixels(training), tested(source, parts.test)[0]


def recall(training: Pixels) -> dict[str, float]:
    """Return the share of copies found, by disguise."""
    chosen = np.linspace(0, len(training) - 1, PLANTED).astype(int)
    copies = np.stack([disguise(training[index]) for disguise in DISGUISES.values() for index in chosen])
    found = near_copies(training, copies).candidates // PLANTED
    return {name: float((found == place).mean() * len(found) / PLANTED) for place, name in enumerate(DISGUISES)}


def sheet(training: Pixels, test: Pixels, pairs: NearCopies, columns: int = 12) -> Image.Image:
    """Return all pairs as one picture, from the most alike to the least."""
    side = training.shape[1]
    page = Image.new("RGB", (columns * (2 * side + 4), -(-len(pairs) // columns) * (side + 4)), "white")
    for place, index in enumerate(np.argsort(-pairs.similarity)):
        corner = place % columns * (2 * side + 4), place // columns * (side + 4)
        page.paste(pictured(test[pairs.candidates[index]]), corner)
        page.paste(pictured(training[pairs.originals[index]]), (corner[0] + side, corner[1]))
    return page.resize((2 * page.width, 2 * page.height), Image.Resampling.NEAREST)


def main() -> None:
    """Look, plant and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+", metavar="NAME[=PLACE]")
    parser.add_argument("--sheets", type=Path, help="where pictures of all pairs are written")
    options = parser.parse_args()
    shares = {}
    print("| data set | training images | test images | of which nearly equal one | least similarity | seconds |")
    print("|---|---:|---:|---:|---:|---:|")
    for wanted in options.datasets:
        name = wanted.partition("=")[0]
        training, test = images_of(wanted)
        began = time.process_time()
        pairs = near_copies(training, test)
        seconds = time.process_time() - began
        print(f"| {name} | {len(training):,} | {len(test):,} | {len(pairs)} | {pairs.threshold:.3f} | {seconds:.1f} |")
        shares[name] = recall(training)
        if options.sheets and len(pairs):
            options.sheets.mkdir(parents=True, exist_ok=True)
            sheet(training, test, pairs).save(options.sheets / f"{name}.png")
    print(f"\n| copies found, % | {' | '.join(shares)} |")
    print(f"|---|{'---:|' * len(shares)}")
    for disguise in DISGUISES:
        print(f"| {disguise} | {' | '.join(f'{100 * one[disguise]:.0f}' for one in shares.values())} |")


if __name__ == "__main__":
    main()
