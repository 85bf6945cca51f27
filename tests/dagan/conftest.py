"""Configs that train in a fraction of a second, and a folder of images."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from dagan.config import Config
from dagan.defaults import reaches
from dagan.methods import METHODS
from dagan.nested import nest

settings.register_profile("dagan", deadline=None, database=None, derandomize=True, max_examples=50)
settings.load_profile("dagan")

TINY = {
    "data.samples_per_class": 4,
    "network.width": 0.25,
    "gan.iterations": 5,
    "gan.latent_size": 8,
    "classifier.iterations": 6,
    "classifier.batch_size": 16,
}
OTHER_VALUES = {
    "method": "dagan",
    "seed": 1,
    "data.dataset": "mnist",
    "data.image_size": 16,
    "data.fit": "stretch",
    "data.channels": 1,
    "data.samples_per_class": 3,
    "data.phase": "search",
    "data.validation": "within",
    "data.validation_fraction": 0.5,
    "data.test_duplicates": "drop",
    "network.name": "conv32",
    "network.width": 0.5,
    "network.dropout": 0.25,
    "network.weight_norm": False,
    "gan.iterations": 4,
    "gan.noise": 0.3,
    "gan.loss": "joint",
    "gan.feature_matching_weight": 2.0,
    "gan.feature_matching": "class",
    "gan.feature_matching_norm": "l2",
    "gan.discriminator_steps": 2,
    "gan.generator_steps": 1,
    "gan.learning_rate": 1e-3,
    "gan.schedule": "cosine",
    "gan.discriminator_optimiser": "sgd",
    "gan.generator_optimiser": "sgd",
    "gan.generator_learning_rate": 2e-3,
    "gan.beta1": 0.6,
    "gan.weight_decay": 0.5,
    "gan.generator_average_decay": 0.5,
    "gan.differentiable_augmentation": "translation",
    "gan.latent": "normal",
    "gan.latent_size": 9,
    "classifier.iterations": 7,
    "classifier.noise": 0.3,
    "classifier.start": "fresh",
    "classifier.batch_size": 12,
    "classifier.learning_rate": 1e-3,
    "classifier.schedule": "linear",
    "classifier.optimiser": "sgd",
    "classifier.beta1": 0.6,
    "classifier.weight_decay": 0.5,
    "classifier.label_smoothing": 0.1,
    "classifier.mixup": 0.4,
    "classifier.cutmix": 1.0,
    "classifier.generated": "offline",
    "classifier.augmentation_ratio": 0.5,
    "classifier.augmentation_schedule": "linear",
    "classifier.confidence": 0.15,
    "classifier.average_decay": 0.1,
    "augmentation.stage_1": True,
    "augmentation.rotation": 30.0,
    "augmentation.shift": 0.3,
    "augmentation.horizontal_flip": True,
    "augmentation.brightness": 0.2,
    "augmentation.policy": "trivial_augment",
    "augmentation.policy_operations": 3,
    "augmentation.policy_magnitude": 12,
    "augmentation.erasing": 0.5,
    "compute.precision": "bfloat16",
}


@pytest.fixture(scope="session")
def other_values() -> Mapping[str, Any]:
    """For each setting that decides a result, a legal value other than that of `dagan_aug` in `make_config`."""
    return OTHER_VALUES


@pytest.fixture(scope="session")
def make_config(made: Path) -> Callable[..., Config]:
    """A function from a method and settings by dotted key to a config that trains in a fraction of a second."""

    def make(method: str = "dagan", changes: Mapping[str, Any] | None = None) -> Config:
        tiny = {key: value for key, value in TINY.items() if reaches(key, method)}
        if METHODS[method].external:  # where the images are a folder's, that serves too
            tiny["data.generated"] = str((changes or {}).get("data.folder", made))
        return Config.of(nest(tiny | {"method": method} | dict(changes or {})))

    return make


@pytest.fixture(scope="session")
def least(made: Path) -> Callable[[str], dict[str, Any]]:
    """A function from a method to the fewest choices that make a config of it."""

    def choices(method: str) -> dict[str, Any]:
        return {"method": method} | ({"data": {"generated": str(made)}} if METHODS[method].external else {})

    return choices


@pytest.fixture(scope="session")
def write_images() -> Callable[..., Path]:
    """A function that fills a folder with sub-folders of random images, from the number of images per class."""

    def write(folder: Path, counts: Mapping[str, int], *, size: int = 12, seed: int = 0) -> Path:
        random = np.random.default_rng(seed)
        for name, count in counts.items():
            (folder / name).mkdir(parents=True)
            for index in range(count):
                pixels = random.integers(0, 256, (size, size, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / name / f"{index}.png")
        return folder

    return write


@pytest.fixture(scope="session")
def photographs() -> Callable[..., NDArray[np.uint8]]:
    """A function that makes smooth noise in colour, as different from one another as photographs are."""

    def make(count: int, *, side: int = 32, seed: int = 0) -> NDArray[np.uint8]:
        random, wide, pictures = np.random.default_rng(seed), side + 8, []
        for _ in range(count):
            rough = Image.fromarray(random.integers(0, 256, (wide, wide, 3), dtype=np.uint8))
            smooth = np.asarray(rough.filter(ImageFilter.GaussianBlur(1.5)), dtype=float)[4:-4, 4:-4]
            pictures.append((20 + 200 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8))
        return np.stack(pictures)

    return make


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of generated digits: real ones with noise on them, nine or more of each class."""
    from dagan.data.loading import digits

    folder, random = tmp_path_factory.mktemp("made"), np.random.default_rng(0)
    pixels, labels = digits()
    for index, (image, label) in enumerate(zip(pixels[:100], labels[:100], strict=True)):
        noisy = image[..., 0] + random.normal(0, 20, image.shape[:2])
        (folder / str(label)).mkdir(exist_ok=True)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / str(label) / f"{index:03}.png")
    return folder


@pytest.fixture(scope="session")
def ten_classes(tmp_path_factory: pytest.TempPathFactory, write_images: Callable[..., Path]) -> Path:
    """A folder of ten classes, twelve images each."""
    return write_images(tmp_path_factory.mktemp("images"), {f"class {index}": 12 for index in range(10)})
