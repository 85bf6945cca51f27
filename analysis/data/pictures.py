"""Read the pictures that a trial leaves: real images and generated ones of each class."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Pictures:
    """Real and generated images of each class: arrays of (classes, columns, height, width, 3), uint8."""

    classes: tuple[str, ...]
    real: Pixels
    generated: Pixels


def load_pictures(path: str | Path, *, classes: int = 10, columns: int = 8) -> Pictures | None:
    """Read the first classes and columns of a pictures file; None if it is absent or cannot be read."""
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            names = tuple(str(name) for name in arrays["classes"])
            real, generated = (_rgb(arrays[key][:classes, :columns]) for key in ("real", "generated"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    if min(real.size, generated.size) == 0 or not len(names) >= len(real) == len(generated):
        return None
    return Pictures(names[: len(real)], real, generated)


def _rgb(images: Pixels) -> Pixels:
    if images.ndim != 5 or images.dtype != np.uint8 or images.shape[-1] not in (1, 3):
        raise ValueError("pictures must be uint8 of (classes, columns, height, width, 1 or 3)")
    return np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images
