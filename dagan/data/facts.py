"""Facts about the data sets that are known without opening them; nothing heavy is imported here."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from dagan.data.folders import ImageFolder, Part, image_folder, state
from dagan.errors import InvalidInput, Problem, refuse, unknown

Fit = Literal["crop", "pad", "stretch"]
DIGIT_NAMES = tuple("0123456789")


@dataclass(frozen=True)
class Facts:
    """What a data set holds."""

    name: str
    classes: tuple[str, ...]
    channels: int
    image_size: int
    """Height and width, pixels."""
    per_class: tuple[int, ...]
    """Images per class outside the official test set, or of everything where there is none."""
    has_test: bool
    """Whether the data set comes with its own test images; else a third of each class is set aside."""
    has_validation: bool = False
    """Folders only: whether the data set comes with its own validation images."""
    fingerprint: str | None = None
    """Folders only: a hash of the names and sizes of the files."""
    fit: Fit = "crop"
    """Folders and kdef: what is done to images that are not square."""

    @property
    def is_built_in(self) -> bool:
        """Whether it is one of the data sets known here, if only by its name and number of classes."""
        known = BUILT_IN.get(self.name)
        return known is not None and len(known.classes) == len(self.classes)


DIGITS = Facts("digits", DIGIT_NAMES, 1, 8, (178, 182, 177, 183, 181, 182, 181, 179, 174, 180), False)
MNIST = Facts("mnist", DIGIT_NAMES, 1, 28, (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949), True)
FASHION_MNIST = Facts(
    "fashion_mnist",
    ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
    1,
    28,
    (6000,) * 10,
    True,
)
CIFAR10 = Facts(
    "cifar10",
    ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    3,
    32,
    (5000,) * 10,
    True,
)
SVHN = Facts("svhn", DIGIT_NAMES, 3, 32, (4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659), True)
KDEF = Facts("kdef", ("afraid", "angry", "disgusted", "happy", "neutral", "sad", "surprised"), 3, 64, (70,) * 7, False)
"""The frontal images of session A: 70 persons, one image of each of 7 expressions. Split by person."""
BUILT_IN = {facts.name: facts for facts in (DIGITS, MNIST, FASHION_MNIST, CIFAR10, SVHN, KDEF)}
FOLDER_SIZE, FOLDER_CHANNELS = 32, 3
"""What images in folders become where nothing else is said."""


def facts(
    dataset: str,
    *,
    folder: Path | None = None,
    image_size: int | None = None,
    channels: int | None = None,
    fit: Fit | None = None,
) -> Facts:
    """Return the facts of a built-in data set, or of a folder of images that goes by the name `dataset`.

    Raises:
        InvalidInput: an unknown name, or a folder that is not one sub-folder of images per class.
    """
    if folder is not None:
        known_size, known_channels = sizes(dataset)
        known = folder_facts(dataset, Path(folder), image_size or known_size, channels or known_channels)
        return replace(known, fit=fit or known.fit)
    if dataset not in BUILT_IN:
        remedy = " For images of your own give `folder: PATH`."
        raise refuse("data.dataset", unknown("data set", dataset, BUILT_IN) + remedy)
    known = BUILT_IN[dataset]
    if known == KDEF:  # photographs, resized as those of folders are
        size, channels = image_size or KDEF.image_size, channels or KDEF.channels
        return replace(KDEF, image_size=size, channels=channels, fit=fit or KDEF.fit)
    return known


def sizes(dataset: str) -> tuple[int, int]:
    """Return pixels per side and channels of the images of a folder, by the name that it goes by."""
    known = BUILT_IN.get(dataset)
    return (known.image_size, known.channels) if known else (FOLDER_SIZE, FOLDER_CHANNELS)


def folder_facts(name: str, folder: Path, image_size: int, channels: int) -> Facts:
    """Return the facts of an image folder from its directory listing alone; no image is opened."""
    return listed_facts(name, folder, image_size, channels, state(folder))


@lru_cache(maxsize=32)
def listed_facts(name: str, place: Path, image_size: int, channels: int, _state: tuple[int, ...]) -> Facts:
    """Return `folder_facts`, from memory where the folder has not changed: a study asks thousands of times."""
    folder = image_folder(place)
    parts, train = folder.parts, folder.part("train")
    least = 2 if "test" in parts else 3  # one of three is set aside for the test
    problems = [
        Problem(
            "data.folder",
            f"class `{label}` in {folder.path('train')} must hold at least {least} images, but has {len(images)}.",
        )
        for label, images in train.items()
        if len(images) < least
    ]
    if len(train) < 2:
        found = f"only `{next(iter(train))}`" if train else "no sub-folder with images"
        problems.append(
            Problem("data.folder", f"{place} must hold one sub-folder per class, 2 or more, but has {found}.")
        )
    for part in parts:
        problems += part_problems(folder, part) if part != "train" else []
    if problems:
        raise InvalidInput(problems)
    counts = tuple(len(images) for images in train.values())
    has_test, has_validation = "test" in parts, "validation" in parts
    return Facts(name, tuple(train), channels, image_size, counts, has_test, has_validation, folder.fingerprint)


def part_problems(folder: ImageFolder, part: Part) -> list[Problem]:
    """Check that a part has images of each class that is trained on, and of no other."""
    train, classes = folder.part("train"), folder.part(part)
    problems = [
        Problem("data.folder", f"class `{label}` in {folder.path(part)} must hold at least 1 image, but has none.")
        for label, images in classes.items()
        if not images
    ]
    here, there = (folder.path(part), classes), (folder.path("train"), train)
    for (place, has), (other, given) in ((here, there), (there, here)):
        if missing := [f"`{name}`" for name in given if name not in has]:
            rule = f"{place} must have the classes that {other.name} has, but lacks {', '.join(missing)}."
            problems.append(Problem("data.folder", rule))
    return problems
