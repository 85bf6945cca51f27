"""The images of one training as tensors on its device: subset, validation and, where asked for, test.

Search trials never open test images: what a config does not ask for is not read (DESIGN §4.1).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dagan.config import Config
from dagan.data.downloads import LAYOUTS, downloaded, present
from dagan.data.facts import Facts
from dagan.data.folders import image_folder
from dagan.data.images import Pixels, read_images
from dagan.data.kdef import portraits
from dagan.data.splits import Groups, Indices, Split, split
from dagan.errors import InvalidInput, Problem
from dagan.notice import notice
from dagan.settings import Data
from dagan.shapes import Images, Labels


@dataclass(frozen=True)
class Labelled:
    """Images in [−1, 1] and their classes."""

    images: Images
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class TrainingData:
    """Everything that one training may look at."""

    train: Labelled
    validation: Labelled | None
    test: Labelled | None


@dataclass(frozen=True)
class Source:
    """A data set, opened as far as a split needs; images are read when they are asked for."""

    labels: NDArray[np.int64]
    """The class of every training image, in the data set's own order."""
    pixels: Callable[[Indices], Pixels]
    """The chosen training images."""
    test: Callable[[], tuple[Pixels, NDArray[np.int64]]] | None = None
    """All of the data set's own test images, with their classes."""
    groups: Groups | None = None
    """Whom each training image shows, where that must lie on one side of every split."""


def training_data(config: Config, device: torch.device) -> TrainingData:
    """Read and split the images of a config.

    Raises:
        InvalidInput: files that are missing, are not images, or are too few.
    """
    source, parts = divided(config)
    train = part_of(source, parts.subset, config, device)
    assert train is not None
    test = part_of(source, parts.test, config, device)
    if source.test and config.data.phase == "confirm":
        test = labelled(*source.test(), device)
    return TrainingData(train, part_of(source, parts.validation, config, device), test)


def training_images(config: Config, device: torch.device) -> Labelled:
    """The subset of a config alone: no other image is opened.

    Raises:
        InvalidInput: files that are missing, are not images, or are too few.
    """
    source, parts = divided(config)
    train = part_of(source, parts.subset, config, device)
    assert train is not None
    return train


def at_hand(config: Config) -> bool:
    """Whether the training images can be read without a download."""
    layout = LAYOUTS.get(config.facts.name) if config.data.folder is None else None
    return layout is None or all(present(config.data.root / layout.folder / file) for file in layout.train)


def divided(config: Config) -> tuple[Source, Split]:
    """A config's data set, and which of its images serve which purpose."""
    data, facts = config.data, config.facts
    source = source_of(facts, data)
    differs = difference(source.labels, facts, data)
    if differs:
        notice(f"data.root: {differs}")
    try:
        parts = split(
            source.labels,
            dataset=facts.name,
            has_test=facts.has_test,
            samples_per_class=data.samples_per_class,
            seed=config.seed,
            phase=data.phase,
            validation=data.validation,
            validation_fraction=data.validation_fraction,
            groups=source.groups,
        )
    except InvalidInput as error:
        raise InvalidInput([*error.problems, *([Problem("data.root", differs)] if differs else [])]) from None
    return source, parts


def part_of(source: Source, indices: Indices, config: Config, device: torch.device) -> Labelled | None:
    """The chosen images; None of none."""
    if not len(indices):
        return None
    return labelled(training_pixels(config.facts, config.data, indices), source.labels[indices], device)


def training_pixels(facts: Facts, data: Data, indices: Indices) -> Pixels:
    """The chosen training images of a data set."""
    return source_of(facts, data).pixels(indices)


def difference(labels: NDArray[np.int64], facts: Facts, data: Data) -> str:
    """How the images that are there differ from those of the data set as it is published; nothing if they do not."""
    counts = np.bincount(labels, minlength=len(facts.classes)).tolist()
    if tuple(counts) == facts.per_class:
        return ""
    return (
        f"{data.root} must hold {facts.name} as published, {sum(facts.per_class):,} training images, but holds"
        f" {sum(counts):,} ({', '.join(map(str, counts))} per class): results would not be those of {facts.name}."
    )


def labelled(pixels: Pixels, labels: NDArray[np.int64], device: torch.device) -> Labelled:
    """Pixels 0…255 of shape (images, height, width, channels) as a tensor in [−1, 1]."""
    images = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).to(torch.float32)
    return Labelled((images / 127.5 - 1).contiguous(), torch.from_numpy(labels).to(device))


def source_of(facts: Facts, data: Data) -> Source:
    """The data set of a config.

    Raises:
        InvalidInput: it is not there, or is damaged.
    """
    if data.folder is not None:
        return folder_source(facts, data.folder)
    if facts.name == "kdef":
        found = portraits(data.root)
        read = partial(found.pixels, size=facts.image_size, channels=facts.channels)
        return Source(found.labels, read, groups=found.persons)
    if facts.name == "digits":
        pixels, labels = digits()
        return Source(labels, pixels.__getitem__)
    pixels, labels = downloaded(facts.name, data.root, train=True)
    return Source(labels, pixels.__getitem__, partial(downloaded, facts.name, data.root, train=False))


def folder_source(facts: Facts, place: Path) -> Source:
    """A folder of images, or a zip of one."""
    folder = image_folder(place)

    def read(classes: dict[str, tuple[str, ...]], indices: Indices | None = None) -> Pixels:
        names = [name for names in classes.values() for name in names]
        chosen = names if indices is None else [names[index] for index in indices]
        return read_images(folder, chosen, facts.image_size, facts.channels)

    def classes_of(classes: dict[str, tuple[str, ...]]) -> NDArray[np.int64]:
        return np.repeat(np.arange(len(classes)), [len(names) for names in classes.values()])

    return Source(
        classes_of(folder.train),
        partial(read, folder.train),
        (lambda: (read(folder.test), classes_of(folder.test))) if facts.has_test else None,
    )


@lru_cache(maxsize=1)
def digits() -> tuple[Pixels, NDArray[np.int64]]:
    """The 1,797 handwritten digits of 8x8 pixels that scikit-learn brings along; values 0…16 become 0…255."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = np.round(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    return pixels, bunch.target.astype(np.int64)
