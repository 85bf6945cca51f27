"""Facts about the data sets that are known without opening them; nothing heavy is imported here."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dagan.image_files import fingerprint, folder_files, training_folder
from dagan.problem import InvalidInput, Problem, refuse, unknown

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
    fingerprint: str | None = None
    """Folders only: a hash of the names and sizes of the files."""


DIGITS = Facts("digits", DIGIT_NAMES, 1, 8, (178, 182, 177, 183, 181, 182, 181, 179, 174, 180), False)
MNIST = Facts("mnist", DIGIT_NAMES, 1, 28, (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949), True)


def facts(dataset: str, *, folder: Path | None = None, image_size: int = 32, channels: int = 3) -> Facts:
    """The facts of a built-in data set, or of a folder of images that goes by the name `dataset`.

    Raises:
        InvalidInput: an unknown name, or a folder that is not one sub-folder of images per class.
    """
    if folder is not None:
        return folder_facts(dataset, Path(folder), image_size, channels)
    known = {"digits": DIGITS, "mnist": MNIST}
    if dataset not in known:
        remedy = " For images of your own give `folder: PATH`."
        raise refuse("data.dataset", unknown("data set", dataset, known) + remedy)
    return known[dataset]


def folder_facts(name: str, folder: Path, image_size: int, channels: int) -> Facts:
    """Facts of an image folder, read from its directory listing alone; no image is opened."""
    return listed_facts(name, folder, image_size, channels, directory_times(folder))


def directory_times(folder: Path) -> tuple[int, ...]:
    """When the folder and its sub-folders last gained or lost a file."""
    folders = [folder, training_folder(folder), folder / "test"]
    below = [entry for parent in folders if parent.is_dir() for entry in sorted(parent.iterdir()) if entry.is_dir()]
    return tuple(entry.stat().st_mtime_ns for entry in (folder, *below))


@lru_cache(maxsize=32)
def listed_facts(name: str, folder: Path, image_size: int, channels: int, _times: tuple[int, ...]) -> Facts:
    """`folder_facts`, from memory where the folders have not changed: a study asks thousands of times."""
    train = folder_files(training_folder(folder))
    has_test = (folder / "test").is_dir() and (folder / "train").is_dir()
    least = 2 if has_test else 3  # one of three is set aside for the test
    problems = [
        Problem("data.folder", f"class `{label}` in {folder} must hold at least {least} images, but has {len(files)}.")
        for label, files in train.items()
        if len(files) < least
    ]
    if len(train) < 2:
        found = f"only `{next(iter(train))}`" if train else "no sub-folder with images"
        problems.append(
            Problem("data.folder", f"{folder} must hold one sub-folder per class, 2 or more, but has {found}.")
        )
    if has_test:
        test = folder_files(folder / "test")
        problems += [
            Problem("data.folder", f"class `{label}` in {folder / 'test'} must hold at least 1 image, but has none.")
            for label, files in test.items()
            if not files
        ]
        if set(test) != set(train):
            odd = ", ".join(sorted(set(test) ^ set(train)))
            problems.append(Problem("data.folder", f"train and test in {folder} must have the same classes: {odd}."))
    if problems:
        raise InvalidInput(problems)
    counts = tuple(len(files) for files in train.values())
    return Facts(name, tuple(train), channels, image_size, counts, has_test, fingerprint(folder))
