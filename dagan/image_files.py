"""Folders of images: one sub-folder per class, any size and mode. No torch: a driver checks them too."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from dagan.problem import InvalidInput, Problem, refuse

Pixels = NDArray[np.uint8]
"""Shape (images, height, width, channels), 0…255."""
IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def training_folder(folder: Path) -> Path:
    """`folder/train` where there are train and test folders, else the folder itself."""
    if not folder.is_dir():
        raise refuse("data.folder", f"{folder} must be a folder with one sub-folder per class, but is not there.")
    return folder / "train" if (folder / "train").is_dir() and (folder / "test").is_dir() else folder


def folder_files(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Image files by class, both in the order of their names."""
    classes = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    return {entry.name: tuple(sorted(image_files(entry))) for entry in classes}


def fingerprint(folder: Path) -> str:
    """A hash of the names and sizes of the images: the identity of a folder wherever it lies."""
    digest = hashlib.sha256()
    for file in sorted(image_files(folder)):
        digest.update(f"{file.relative_to(folder).as_posix()}\0{file.stat().st_size}\n".encode())
    return digest.hexdigest()[:16]


def image_files(folder: Path) -> Iterator[Path]:
    """Every image below a folder; hidden files and other types are passed over."""
    for file in folder.rglob("*"):
        if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith("."):
            yield file


def read_images(files: list[Path], size: int, channels: int) -> Pixels:
    """Images of any size and mode, as square ones of the configured size and channels.

    The shorter side is scaled to the size and the middle cut out. Palettes are looked up, an alpha channel is laid
    on white, the orientation that a camera noted is applied.

    Raises:
        InvalidInput: every file that is no readable image.
    """
    pixels, problems = [], []
    for file in files:
        try:
            pixels.append(read_image(file, size, channels))
        except UNREADABLE as error:
            problems.append(unreadable(file, error))
    if problems:
        raise InvalidInput(problems)
    return np.stack(pixels)


UNREADABLE = (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises on files that are damaged or no images."""


def unreadable(file: Path, error: Exception) -> Problem:
    """The problem with a file that Pillow could not read."""
    reason = "is not an image" if isinstance(error, UnidentifiedImageError) else f"cannot be read ({error})"
    return Problem("data.folder", f"{file} {reason}. Mend or remove it.")


def read_image(file: Path, size: int, channels: int) -> Pixels:
    """One image, shape (size, size, channels)."""
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


def check_images(folder: Path) -> None:
    """Open every image below a folder, and compare test images with training images.

    Raises:
        InvalidInput: every file that is no readable image, or is both a test and a training image.
    """
    problems = []
    training: dict[bytes, Path] = {}
    for file in sorted(image_files(training_folder(folder))):
        training[hashlib.sha256(file.read_bytes()).digest()] = file
    for file in sorted(image_files(folder)):
        try:
            read_image(file, 8, 3)
        except UNREADABLE as error:
            problems.append(unreadable(file, error))
    if training_folder(folder) != folder:
        for file in sorted(image_files(folder / "test")):
            same = training.get(hashlib.sha256(file.read_bytes()).digest())
            if same:
                problems.append(Problem("data.folder", f"{file} is the training image {same} too. Remove one of them."))
    if problems:
        raise InvalidInput(problems)
