"""The images and labels of any data set, built-in or a folder, as arrays; nothing is read before it is asked for."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dagan.data.downloads import downloaded
from dagan.data.facts import Facts, Fit
from dagan.data.folders import Part, image_folder, state
from dagan.data.generated import generated_names, of_generated
from dagan.data.images import Pixels, read_images
from dagan.data.kdef import portraits
from dagan.data.splits import Groups, Indices


@dataclass(frozen=True)
class Source:
    """A data set, opened as far as a split needs; images are read when they are asked for."""

    labels: NDArray[np.int64]
    """The class of every training image, in the data set's own order."""
    pixels: Callable[[Indices], Pixels]
    """The chosen training images."""
    test: Callable[[], tuple[Pixels, NDArray[np.int64]]] | None = None
    """All of the data set's own test images, with their classes."""
    validation: "Source | None" = None
    """The data set's own validation images."""
    groups: Groups | None = None
    """Whom each training image shows, where that must lie on one side of every split."""


def source_of(facts: Facts, *, folder: Path | None, root: Path) -> Source:
    """Open a data set: a folder of images, or the files of a built-in data set below `root`.

    Raises:
        InvalidInput: it is not there, or is damaged.
    """
    if folder is not None:
        return folder_source(facts, folder)
    if facts.name == "kdef":
        found = portraits(root)
        read = partial(found.pixels, size=facts.image_size, channels=facts.channels, fit=facts.fit)
        return Source(found.labels, read, groups=found.persons)
    if facts.name == "digits":
        pixels, labels = digits()
        return Source(labels, pixels.__getitem__)
    pixels, labels = downloaded(facts.name, root, train=True)
    return Source(labels, pixels.__getitem__, partial(downloaded, facts.name, root, train=False))


def folder_source(facts: Facts, place: Path) -> Source:
    """Open a folder of images, or a zip of one."""
    folder = image_folder(place)

    def source(part: Part) -> Source:
        classes = folder.part(part)
        names = [name for names in classes.values() for name in names]

        def read(indices: Indices) -> Pixels:
            return read_images(folder, [names[index] for index in indices], facts.image_size, facts.channels, facts.fit)

        return Source(np.repeat(np.arange(len(classes)), [len(names) for names in classes.values()]), read)

    def test() -> tuple[Pixels, NDArray[np.int64]]:
        images = source("test")
        return images.pixels(np.arange(len(images.labels))), images.labels

    return replace(
        source("train"),
        test=test if facts.has_test else None,
        validation=source("validation") if facts.has_validation else None,
    )


def generated_images(facts: Facts, place: Path) -> Pixels:
    """Read a folder of generated images class by class, converted as those of the data set are.

    Raises:
        InvalidInput: every file that is no readable image.
    """
    with of_generated():
        return remembered(place, facts.classes, facts.image_size, facts.channels, facts.fit, state(place))


@lru_cache(maxsize=1)
def remembered(
    place: Path, classes: tuple[str, ...], size: int, channels: int, fit: Fit, _state: tuple[int, ...]
) -> Pixels:
    """Return `generated_images`, from memory where the folder has not changed: the next trial asks for them too."""
    return read_images(image_folder(place), generated_names(place, classes), size, channels, fit)


@lru_cache(maxsize=1)
def digits() -> tuple[Pixels, NDArray[np.int64]]:
    """Read the 1,797 handwritten digits of 8x8 pixels that scikit-learn brings along; values 0…16 become 0…255."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = np.round(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    return pixels, bunch.target.astype(np.int64)


def difference(labels: NDArray[np.int64], facts: Facts, root: Path) -> str:
    """Describe how the images that are there differ from the data set as published; an empty text if they do not."""
    counts = np.bincount(labels, minlength=len(facts.classes)).tolist()
    if tuple(counts) == facts.per_class:
        return ""
    return (
        f"{root} must hold {facts.name} as published, {sum(facts.per_class):,} training images, but holds"
        f" {sum(counts):,} ({', '.join(map(str, counts))} per class): results would not be those of {facts.name}."
    )
