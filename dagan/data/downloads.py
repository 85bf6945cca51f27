"""MNIST, Fashion-MNIST, CIFAR-10 and SVHN, in the files that torchvision downloads; fetched where there are none.

The files are read here, not by torchvision, which insists on the checksums of the complete sets.
"""

import gzip
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dagan.data.images import Pixels
from dagan.data.unpickling import unpickled
from dagan.errors import refuse
from dagan.files import locked

Classes = NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """Where torchvision puts a data set, and how to read it."""

    title: str
    folder: str
    """Below the root."""
    train: tuple[str, ...]
    test: tuple[str, ...]
    remedy: str
    read: Callable[[Sequence[Path]], tuple[Pixels, Classes]]
    """From the files of one part to its images and classes."""
    download: Callable[[Path, bool], object]
    """Into a root; the second value says whether it is the training part that is wanted."""


@lru_cache(maxsize=2)
def downloaded(name: str, root: Path, *, train: bool) -> tuple[Pixels, Classes]:
    """Read one part of a data set from files under `root`, downloaded where there is a network.

    Raises:
        InvalidInput: the files are not there and cannot be had, or are damaged.
    """
    layout = LAYOUTS[name]
    wanted = layout.train if train else layout.test
    folder = root / layout.folder
    try:
        with locked(root, name):  # one trial of a sweep may be downloading
            if not all(present(folder / file) for file in wanted):
                layout.download(root, train)
            pixels, classes = layout.read([present(folder / file) or folder / file for file in wanted])
        if len(pixels) != len(classes) or set(classes.tolist()) != set(range(10)):
            raise ValueError(f"{len(pixels)} images with {len(classes)} labels of {len(set(classes.tolist()))} classes")
    except Exception as error:  # what readers raise on damaged files has no end: scipy alone raises a dozen kinds
        reason = next(iter(str(error).strip().splitlines()), "") or f"a file is damaged: {type(error).__name__}"
        message = f"{folder} must hold {layout.title}, but does not ({reason}). {layout.remedy}"
        raise refuse("data.root", message) from None
    return pixels, classes


def present(file: Path) -> Path | None:
    """Return the file, or its compressed form, whichever is there."""
    forms = (file, file.with_name(f"{file.name}.gz"))
    return next((form for form in forms if form.is_file()), None)


def read_idx_pair(files: Sequence[Path]) -> tuple[Pixels, Classes]:
    """Read MNIST's two files of one part."""
    images, labels = files
    return read_idx(images, axes=3)[..., None], read_idx(labels, axes=1).astype(np.int64)


def read_idx(file: Path, *, axes: int) -> NDArray[np.uint8]:
    """Read one array in the idx layout: two zeros, 8 for bytes, the number of axes, their lengths, the values."""
    content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    head = 4 + 4 * axes
    if len(content) < head or content[:4] != bytes((0, 0, 8, axes)):
        raise ValueError(f"{file.name} is no idx file of {axes} axes")
    shape = np.frombuffer(content, ">u4", count=axes, offset=4).tolist()
    if len(content) - head != math.prod(shape):
        raise ValueError(f"{file.name} should hold {math.prod(shape)} bytes of values, but holds {len(content) - head}")
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape).copy()


def read_cifar(files: Sequence[Path]) -> tuple[Pixels, Classes]:
    """Read CIFAR-10's batches: pickled dictionaries of rows of 3,072 bytes, red, green, blue, and of labels."""
    pixels, classes = [], []
    for file in files:
        batch = unpickled(file.read_bytes())
        data, labels = batch[b"data"], batch[b"labels"]
        if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape != (len(labels), 3072):
            raise ValueError(f"{file.name} must hold a row of 3072 bytes per label")
        pixels.append(data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        classes.append(np.asarray(labels, dtype=np.int64))
    return np.concatenate(pixels), np.concatenate(classes)


def read_svhn(files: Sequence[Path]) -> tuple[Pixels, Classes]:
    """Read SVHN's MATLAB file: X is height × width × channels × images, and the digit 0 is labelled 10."""
    from scipy.io import loadmat

    tables = loadmat(files[0])
    data, labels = tables["X"], tables["y"].reshape(-1).astype(np.int64)
    if data.dtype != np.uint8 or data.ndim != 4 or data.shape[:3] != (32, 32, 3):
        raise ValueError(f"{files[0].name} must hold X, 32 × 32 × 3 × images of bytes")
    if not 1 <= labels.min() <= labels.max() <= 10:
        raise ValueError(f"{files[0].name} must hold labels 1 to 10")
    return data.transpose(3, 0, 1, 2), labels % 10


def download_mnist(root: Path, _train: bool) -> object:
    """Download both parts of MNIST."""
    from torchvision.datasets import MNIST

    return MNIST(str(root), download=True)


def download_fashion_mnist(root: Path, _train: bool) -> object:
    """Download both parts of Fashion-MNIST."""
    from torchvision.datasets import FashionMNIST

    return FashionMNIST(str(root), download=True)


def download_cifar10(root: Path, _train: bool) -> object:
    """Download both parts of CIFAR-10."""
    from torchvision.datasets import CIFAR10

    return CIFAR10(str(root), download=True)


def download_svhn(root: Path, train: bool) -> object:
    """Download one part of SVHN."""
    from torchvision.datasets import SVHN

    return SVHN(str(root), split="train" if train else "test", download=True)


IDX_TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
IDX_TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
IDX_REMEDY = "Put the four idx.gz files there, or give the folder that has them."
LAYOUTS = {
    "mnist": Layout("MNIST", "MNIST/raw", IDX_TRAIN, IDX_TEST, IDX_REMEDY, read_idx_pair, download_mnist),
    "fashion_mnist": Layout(
        *("Fashion-MNIST", "FashionMNIST/raw", IDX_TRAIN, IDX_TEST, IDX_REMEDY),
        read_idx_pair,
        download_fashion_mnist,
    ),
    "cifar10": Layout(
        "CIFAR-10",
        "cifar-10-batches-py",
        tuple(f"data_batch_{number}" for number in range(1, 6)),
        ("test_batch",),
        "Unpack cifar-10-python.tar.gz there, or give as `root` the folder that has cifar-10-batches-py.",
        read_cifar,
        download_cifar10,
    ),
    "svhn": Layout(
        "SVHN",
        "",
        ("train_32x32.mat",),
        ("test_32x32.mat",),
        "Put train_32x32.mat and test_32x32.mat (cropped digits) there, or give the folder that has them.",
        read_svhn,
        download_svhn,
    ),
}
