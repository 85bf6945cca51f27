"""The images of one training as tensors on its device: subset, validation and, where asked for, test; generated ones.

Search trials never open test images: what a config does not ask for is not read.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dagan.compute.random_streams import BatchOrder, Streams
from dagan.config import Config
from dagan.data.downloads import LAYOUTS, present
from dagan.data.duplicates import duplicates, tested
from dagan.data.generated import generated_facts
from dagan.data.images import Pixels
from dagan.data.loading import Source, difference, generated_images, source_of
from dagan.data.splits import Indices, Split, split
from dagan.errors import InvalidInput, Problem, refuse, warn_once
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
    test = test_part(config, source, parts, device) if config.data.phase == "confirm" else None
    return TrainingData(train, part_of(validating(config, source), parts.validation, device), test)


def training_images(config: Config, device: torch.device) -> Labelled:
    """Read the subset of a config alone: no other image is opened.

    Raises:
        InvalidInput: files that are missing, are not images, or are too few.
    """
    source, parts = divided(config)
    train = part_of(source, parts.subset, device)
    assert train is not None
    return train


def at_hand(config: Config, *, test: bool = False) -> bool:
    """Whether the training images, or those of the test too, can be read without a download."""
    layout = LAYOUTS.get(config.facts.name) if config.data.folder is None else None
    if layout is None:
        return True
    files = layout.train + (layout.test if test else ())
    return all(present(config.data.root / layout.folder / file) for file in files)


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
            own_validation=source.validation.labels if source.validation else None,
            groups=source.groups,
        )
    except InvalidInput as error:
        raise InvalidInput([*error.problems, *([Problem("data.root", differs)] if differs else [])]) from None
    return source, parts


def validating(config: Config, source: Source) -> Source:
    """Return where a config's validation images come from: the training images, or those of the data set's own."""
    return source.validation if config.data.validation == "own" and source.validation else source


def part_of(source: Source, indices: Indices, device: torch.device) -> Labelled | None:
    """Read the chosen training images; None if there are none."""
    return labelled(source.pixels(indices), source.labels[indices], device) if len(indices) else None


def test_part(config: Config, source: Source, parts: Split, device: torch.device) -> Labelled:
    """Read the test images, less those that nearly equal a training image where these are to be dropped.

    Raises:
        InvalidInput: none is left, or images that cannot be read.
    """
    pixels, labels = tested(source, parts.test)
    if config.data.test_duplicates == "drop":
        dropped = duplicates(config.facts, source, parts.test).candidates
        if len(dropped) == len(labels):
            rule = f"cannot be drop for {config.facts.name}: all its {len(labels)} test images nearly equal training"
            raise refuse("data.test_duplicates", f"{rule} images. Give other test images.")
        pixels, labels = np.delete(pixels, dropped, axis=0), np.delete(labels, dropped)
    return labelled(pixels, labels, device)


def labelled(pixels: Pixels, labels: NDArray[np.int64], device: torch.device) -> Labelled:
    """Convert pixels 0…255 of shape (images, height, width, channels) to a tensor in [−1, 1]."""
    return Labelled(scaled(torch.from_numpy(pixels).to(device)), torch.from_numpy(labels).to(device))


def scaled(pixels: Tensor) -> Images:
    """Convert pixels 0…255 of shape (images, height, width, channels) to images in [−1, 1]."""
    return (pixels.permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1).contiguous()


@runtime_checkable
class GeneratedImages(Protocol):
    """Where generated images come from: a GAN, or a folder."""

    config: Config
    streams: Streams
    groups: int
    """How many classes a drawn batch goes through in turn; 1 where it has the classes that were asked for."""
    fewest: int | None
    """How many different images there are of the rarest class; None where there is no end of them."""

    def draw(self, labels: Labels, purpose: str) -> Labelled:
        """Draw images of the given classes at random, by a purpose's own stream."""

    def sampled(self, per_class: int, random: torch.Generator) -> Labelled:
        """Draw so many images of each class, the classes in turn."""


class GeneratedFolder:
    """Generated images that lie in a folder, drawn in place of those of a GAN."""

    groups = 1

    def __init__(self, config: Config, streams: Streams, device: torch.device) -> None:
        """Read the folder of a config.

        Raises:
            InvalidInput: files that are no images, or fewer of them than are drawn offline.
        """
        assert config.data.generated is not None
        config.require_generated()
        self.config, self.streams = config, streams
        counts = generated_facts(config.data.generated, config.facts).per_class
        self.pixels = torch.from_numpy(generated_images(config.facts, config.data.generated)).to(device)
        self.counts = torch.tensor(counts, device=device)
        self.starts = self.counts.cumsum(0) - self.counts
        self.fewest: int | None = min(counts)

    def draw(self, labels: Labels, purpose: str) -> Labelled:
        """Draw one image for each of the given classes; any image of the class, whatever was drawn before."""
        random = self.streams[f"{purpose}.generated"]
        share = torch.rand(len(labels), generator=random, device=labels.device, dtype=torch.float64)
        index = self.starts[labels] + (share * self.counts[labels]).long()
        return Labelled(scaled(self.pixels[index]), labels)

    def sampled(self, per_class: int, random: torch.Generator) -> Labelled:
        """Draw so many images of each class, the classes in turn; none comes again before all others of its class.

        The first images of more are those of fewer, as long as none comes again.
        """
        orders = [BatchOrder(count, random).next(per_class) for count in self.counts.tolist()]
        index = (torch.stack(orders) + self.starts[:, None]).T.flatten()
        labels = torch.arange(len(orders), device=index.device).repeat(per_class)
        return Labelled(scaled(self.pixels[index]), labels)
