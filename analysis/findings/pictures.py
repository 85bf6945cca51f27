"""Read the pictures that a study leaves: of trials, generated images beside real ones; of data sets, doubled images."""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.formatting import percent, plural

Pixels = NDArray[np.uint8]
DAMAGED = (
    OSError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError, NotImplementedError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What reading a file raises that is damaged, or none of ours."""


@dataclass(frozen=True)
class Pictures:
    """Real and generated images of each class: arrays of (classes, columns, height, width, 3), uint8."""

    classes: tuple[str, ...]
    real: Pixels
    generated: Pixels
    progress: Pixels
    """An image after each of the `iterations` of stage 1; no columns where nobody has kept any."""
    iterations: tuple[int, ...] = ()


ALIKE = 0.25
"""Mean distance of two generated images of a class, in that of two real ones, below which they hardly differ.

On the few images that are shown. The 7,200 classes of the GANs of `cifar50`, `digits`, `sensitivity` and `ablation`
have 0.23 or more, all but a few of them more than 0.3; a collapse is told by more images and below 0.1
(`dagan.training.diversity`), which misses classes whose images a person takes for one and the same.
"""


def alike(pictures: Pictures) -> tuple[str, ...]:
    """Name the classes whose generated images hardly differ, beside their real ones, if these are two at least."""
    rows = zip(pictures.classes, pictures.real, pictures.generated, strict=True)
    # Real images are shown again where there are few.
    return tuple(name for name, real, made in rows if _spread(made) < ALIKE * _spread(np.unique(real, axis=0)))


def _spread(images: Pixels) -> float:
    """Mean Euclidean distance of two different images of (columns, height, width, 3)."""
    flat = images.reshape(len(images), -1).astype(float)
    distances = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    return float(distances.sum() / max(1, len(images) * (len(images) - 1)))


def load_pictures(path: str | Path, *, classes: int = 10, columns: int = 6) -> Pictures | None:
    """Read the first classes and columns of a pictures file; None if it is absent or cannot be read."""
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            names = tuple(str(name) for name in arrays["classes"])
            real, generated = (_rgb(arrays[key][:classes, :columns], axes=5) for key in ("real", "generated"))
            kept = "progress" in arrays  # not in files of earlier versions
            progress = _rgb(arrays["progress"][:classes, -columns:], axes=5) if kept else generated[:, :0]
            iterations = tuple(map(int, arrays["iterations"][-columns:])) if kept else ()
    except DAMAGED:
        return None
    alike_in_size = real.shape[2:] == generated.shape[2:] == progress.shape[2:]
    if min(real.size, generated.size) == 0 or not len(names) >= len(real) == len(generated) == len(progress):
        return None
    if progress.shape[1] != len(iterations) or not alike_in_size:
        return None
    return Pictures(names[: len(real)], real, generated, progress, iterations)


@dataclass(frozen=True)
class Duplicates:
    """Of one data set: how many test images nearly equal a training image, and some of these pairs."""

    dataset: str
    images: str
    """A hash of what the images were."""
    test_images: int
    training_images: int
    copies: int
    test: Pixels
    """Shape (pairs, height, width, 3), from the most alike to the least; so is the next."""
    training: Pixels

    def sentence(self, *, dropped: bool) -> str:
        """Say how many there are, and whether trials were tested on them."""
        among = f"of the {self.test_images:,} test images of {self.dataset}"
        one = f"one of the {self.training_images:,} training images"
        if not self.copies:
            return f"None {among} nearly equals {one}."
        share = percent(self.copies / self.test_images)
        verb, them = ("nearly equals", "it") if self.copies == 1 else ("nearly equal", "them")
        found = f"{self.copies:,} {among} ({share} %) {verb} {one}"
        if dropped:
            return f"{found}; dropped: the test is the other {plural(self.test_images - self.copies, 'image')}."
        return f"{found}; kept in the test, out of which `data.test_duplicates: drop` takes {them}."


def load_duplicates(directory: Path) -> tuple[Duplicates, ...]:
    """Read what a study directory holds of its data sets; files that are damaged count as absent."""
    found = (read_duplicates(path) for path in sorted((directory / "duplicates").glob("*.npz")))
    return tuple(one for one in found if one is not None)


def read_duplicates(path: Path) -> Duplicates | None:
    """Read the file of one data set; None if it is absent or cannot be read."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            tests, learnt, copies = (int(arrays[key]) for key in ("test_images", "training_images", "copies"))
            test, training = (_rgb(arrays[key], axes=4) for key in ("test", "training"))
            return Duplicates(path.stem, str(arrays["images"]), tests, learnt, copies, test, training)
    except DAMAGED:
        return None


def _rgb(images: Pixels, *, axes: int) -> Pixels:
    if images.ndim != axes or images.dtype != np.uint8 or images.shape[-1] not in (1, 3):
        raise ValueError("pictures must be uint8 of (…, height, width, 1 or 3)")
    return np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images
