"""Images of any size and mode as arrays of one. No torch: a driver checks them too."""

import hashlib
import lzma
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from dagan.data.folders import ImageFolder, listed
from dagan.data.generated import of_generated
from dagan.errors import InvalidInput, Problem

Pixels = NDArray[np.uint8]
"""Shape (images, height, width, channels), 0…255."""


def fingerprint(place: Path) -> str:
    """Hash the names and sizes of the images in a folder, or in a zip of one, as it is now."""
    return listed(place).fingerprint


def read_images(folder: ImageFolder, names: list[str], size: int, channels: int) -> Pixels:
    """Read the named images, whatever their size and mode, as square ones of the given size and channels.

    The shorter side is scaled to the size and the middle cut out. Palettes are looked up, an alpha channel is laid
    on white, the orientation that a camera noted is applied.

    Raises:
        InvalidInput: every file that is no readable image.
    """
    pixels, problems = [], []
    with folder.opened() as read:
        for name in names:
            try:
                pixels.append(read_image(BytesIO(read(name)), size, channels))
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


def read_image(file: Path | BytesIO, size: int, channels: int) -> Pixels:
    """Read one image, shape (size, size, channels)."""
    with Image.open(file) as opened:
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
        image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
        return np.asarray(image, dtype=np.uint8).reshape(size, size, channels)


def check_images(place: Path) -> None:
    """Open every image of a folder, or of a zip of one, and compare test images with training images.

    Raises:
        InvalidInput: every file that is no readable image, or is both a test and a training image.
    """
    folder = listed(place)
    test = {name for names in folder.test.values() for name in names}
    bad, known, doubled = [], {}, []
    with folder.opened() as read:
        for name in sorted(folder.sizes, key=test.__contains__):  # training images first
            path = folder.place / name
            try:
                content = read(name)
                read_image(BytesIO(content), 8, 3)
            except UNREADABLE as error:
                bad.append(unreadable(path, error))
                continue
            digest = hashlib.sha256(content).digest()
            if name not in test:
                known[digest] = path
            elif same := known.get(digest):
                doubled.append(Problem("data.folder", f"{path} is the training image {same} too. Remove one of them."))
    if bad or doubled:
        raise InvalidInput(bad + doubled)


def check_generated(place: Path) -> None:
    """Open every image of a folder of generated images, or of a zip of one.

    Raises:
        InvalidInput: every file that is no readable image.
    """
    with of_generated():
        check_images(place)
