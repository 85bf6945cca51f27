"""Images of any size and mode as arrays of one. No torch: a driver checks them too."""

import lzma
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from dagan.data.facts import Fit
from dagan.data.folders import ImageFolder, listed
from dagan.errors import InvalidInput, Problem

Pixels = NDArray[np.uint8]
"""Shape (images, height, width, channels), 0…255."""


def fingerprint(place: Path) -> str:
    """Hash the names and sizes of the images in a folder, or in a zip of one, as it is now."""
    return listed(place).fingerprint


def read_images(folder: ImageFolder, names: list[str], size: int, channels: int, fit: Fit = "crop") -> Pixels:
    """Read the named images, whatever their size and mode, as square ones of the given size and channels.

    `fit`: the shorter side is scaled to the size and the middle cut out (`crop`), the longer side is and the rest
    filled with the pixels at the edges (`pad`), or each side is (`stretch`). Palettes are looked up, an alpha channel
    is laid on white, the orientation that a camera noted is applied.

    Raises:
        InvalidInput: every file that is no readable image.
    """
    pixels, problems = [], []
    with folder.opened() as read:
        for name in names:
            try:
                pixels.append(read_image(BytesIO(read(name)), size, channels, fit))
            except UNREADABLE as error:
                problems.append(unreadable(folder.place / name, error))
    if problems:
        raise InvalidInput(problems)
    return np.stack(pixels) if pixels else np.empty((0, size, size, channels), np.uint8)


UNREADABLE = (
    *(OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError),
)
"""What Pillow raises on files that are damaged or no images, and zipfile on entries that are."""


def unreadable(file: Path, error: Exception) -> Problem:
    """Return the problem with a file that could not be read."""
    reason = "is not an image" if isinstance(error, UnidentifiedImageError) else f"cannot be read ({error})"
    return Problem("data.folder", f"{file} {reason}. Mend or remove it.")


def read_image(file: Path | BytesIO, size: int, channels: int, fit: Fit = "crop") -> Pixels:
    """Read one image, shape (size, size, channels)."""
    with Image.open(file) as opened:
        opened.draft(
            None, (2 * size, 2 * size)
        )  # large JPEGs are decoded at a fraction of their size, no less than this
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I;16") or image.mode in ("I", "F"):
            # 16 bits a pixel: Pillow's own conversion would cut off everything above 255.
            values = np.asarray(image, dtype=np.float64)
            top = 65535.0 if image.mode.startswith("I;16") or values.max() > 255 else 255.0
            image = Image.fromarray(np.round(values.clip(0, top) * (255 / top)).astype(np.uint8))
        if image.mode in ("P", "LA", "PA", "RGBA") or "transparency" in image.info:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image)
        image = image.convert("L" if channels == 1 else "RGB")
        image = square(image, size, fit)
        return np.asarray(image, dtype=np.uint8).reshape(size, size, channels)


def square(image: Image.Image, size: int, fit: Fit) -> Image.Image:
    """Scale an image to size by size pixels."""
    if fit == "crop":
        return ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    if fit == "stretch":
        return image.resize((size, size), Image.Resampling.BICUBIC)
    whole = np.asarray(ImageOps.contain(image, (size, size), Image.Resampling.BICUBIC))
    around = [((size - side) // 2, size - side - (size - side) // 2) for side in whole.shape[:2]]
    return Image.fromarray(np.pad(whole, [*around, *[(0, 0)] * (whole.ndim - 2)], mode="edge"))
