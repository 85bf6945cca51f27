"""The images of one training as tensors on its device: subset, validation and, where asked for, test.

Search trials never open test images: what a config does not ask for is not read (DESIGN §4.1).
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray

from dagan.catalogue import Facts
from dagan.config import Config, Data
from dagan.image_files import Pixels, folder_files, read_images, training_folder
from dagan.problem import refuse
from dagan.shapes import Images, Labels
from dagan.splits import Indices, split


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
    data, facts = config.data, config.facts
    labels = training_labels(facts, data)
    parts = split(
        labels,
        dataset=facts.name,
        has_test=facts.has_test,
        samples_per_class=data.samples_per_class,
        seed=config.seed,
        phase=data.phase,
        validation=data.validation,
        validation_fraction=data.validation_fraction,
    )

    def part(indices: Indices) -> Labelled | None:
        if not len(indices):
            return None
        return labelled(training_pixels(facts, data, indices), labels[indices], device)

    train = part(parts.subset)
    assert train is not None
    test = part(parts.test)
    if facts.has_test and data.phase == "confirm":
        test = labelled(*test_pixels(facts, data), device)
    return TrainingData(train, part(parts.validation), test)


def labelled(pixels: Pixels, labels: NDArray[np.int64], device: torch.device) -> Labelled:
    """Pixels 0…255 of shape (images, height, width, channels) as a tensor in [−1, 1]."""
    images = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).to(torch.float32)
    return Labelled((images / 127.5 - 1).contiguous(), torch.from_numpy(labels).to(device))


def training_labels(facts: Facts, data: Data) -> NDArray[np.int64]:
    """The class of every training image, in the data set's own order."""
    if data.folder is not None:
        return np.repeat(np.arange(len(facts.classes)), facts.per_class)
    if facts.name == "digits":
        return digits()[1]
    return mnist(data.root, train=True)[1]


def training_pixels(facts: Facts, data: Data, indices: Indices) -> Pixels:
    """The chosen training images."""
    if data.folder is not None:
        files = [file for group in folder_files(training_folder(data.folder)).values() for file in group]
        return read_images([files[index] for index in indices], facts.image_size, facts.channels)
    if facts.name == "digits":
        return digits()[0][indices]
    return mnist(data.root, train=True)[0][indices]


def test_pixels(facts: Facts, data: Data) -> tuple[Pixels, NDArray[np.int64]]:
    """All of the data set's own test images, with their classes."""
    if data.folder is not None:
        groups = list(folder_files(data.folder / "test").values())
        labels = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        return read_images([file for group in groups for file in group], facts.image_size, facts.channels), labels
    return mnist(data.root, train=False)


@lru_cache(maxsize=1)
def digits() -> tuple[Pixels, NDArray[np.int64]]:
    """The 1,797 handwritten digits of 8x8 pixels that scikit-learn brings along; values 0…16 become 0…255."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = np.round(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    return pixels, bunch.target.astype(np.int64)


@lru_cache(maxsize=2)
def mnist(root: Path, *, train: bool) -> tuple[Pixels, NDArray[np.int64]]:
    """One part of MNIST by torchvision: from files under `root`, or downloaded where there is a network."""
    from torchvision.datasets import mnist as files

    part = root / "MNIST" / "raw" / ("train" if train else "t10k")
    images, labels = Path(f"{part}-images-idx3-ubyte"), Path(f"{part}-labels-idx1-ubyte")
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / ".mnist.lock"):  # the trials of a sweep all come here at once
            if not (images.is_file() and labels.is_file()):
                files.MNIST(str(root), download=True)
            pixels, classes = files.read_image_file(str(images)), files.read_label_file(str(labels))
    except (OSError, RuntimeError, ValueError, AssertionError) as error:
        reason = next(iter(str(error).strip().splitlines()), "a file is damaged")
        remedy = "Put the four idx.gz files there, or give the folder that has them."
        raise refuse("data.root", f"{root}/MNIST/raw must hold MNIST, but does not ({reason}). {remedy}") from None
    return pixels.numpy()[..., None], classes.numpy()
