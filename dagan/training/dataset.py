"""The images of one training as tensors on its device: subset, validation and, where asked for, test.

Search trials never open test images: what a config does not ask for is not read.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from dagan.config import Config
from dagan.data.downloads import LAYOUTS, present
from dagan.data.images import Pixels
from dagan.data.loading import Source, difference, source_of
from dagan.data.splits import Indices, Split, split
from dagan.errors import InvalidInput, Problem, warn_once
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


def training_data(config: Config, device: torch.device) -> TrainingData:
    """Read and split the images of a config.

    Raises:
        InvalidInput: files that are missing, are not images, or are too few.
    """
    source, parts = divided(config)
    train = part_of(source, parts.subset, device)
    assert train is not None
    test = part_of(source, parts.test, device)
    if source.test and config.data.phase == "confirm":
        test = labelled(*source.test(), device)
    return TrainingData(train, part_of(source, parts.validation, device), test)


def training_images(config: Config, device: torch.device) -> Labelled:
    """Read the subset of a config alone: no other image is opened.

    Raises:
        InvalidInput: files that are missing, are not images, or are too few.
    """
    source, parts = divided(config)
    train = part_of(source, parts.subset, device)
    assert train is not None
    return train


def at_hand(config: Config) -> bool:
    """Whether the training images can be read without a download."""
    layout = LAYOUTS.get(config.facts.name) if config.data.folder is None else None
    return layout is None or all(present(config.data.root / layout.folder / file) for file in layout.train)


def divided(config: Config) -> tuple[Source, Split]:
    """Open a config's data set, and split it: which of its images serve which purpose."""
    data, facts = config.data, config.facts
    source = source_of(facts, folder=data.folder, root=data.root)
    differs = difference(source.labels, facts, data.root)
    if differs:
        warn_once(f"data.root: {differs}")
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
            validation_images=data.validation_images,
            groups=source.groups,
        )
    except InvalidInput as error:
        raise InvalidInput([*error.problems, *([Problem("data.root", differs)] if differs else [])]) from None
    return source, parts


def part_of(source: Source, indices: Indices, device: torch.device) -> Labelled | None:
    """Read the chosen training images; None if there are none."""
    return labelled(source.pixels(indices), source.labels[indices], device) if len(indices) else None


def labelled(pixels: Pixels, labels: NDArray[np.int64], device: torch.device) -> Labelled:
    """Convert pixels 0…255 of shape (images, height, width, channels) to a tensor in [−1, 1]."""
    images = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).to(torch.float32)
    return Labelled((images / 127.5 - 1).contiguous(), torch.from_numpy(labels).to(device))
