"""What lies in a folder of images, or in a zip of one: classes, names and sizes. No image is opened for it."""

import hashlib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

from dagan.errors import refuse

IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
UNREAD_SUFFIXES = frozenset({".avif", ".heic", ".heif", ".jp2", ".jxl", ".svg", ".raw", ".dng", ".cr2", ".nef", ".arw"})
"""Files that are images too, but that are not read: they are counted, so that nobody misses them unknowingly."""
PASSED_OVER = "__MACOSX"
"""What macOS puts into its zips beside the files: their icons and labels."""
UTF8_NAME, ENCRYPTED = 0x800, 0x1
"""Flag bits of an entry of a zip."""
Part = Literal["train", "validation", "test"]
PART_NAMES: Mapping[str, Part] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""What people call the folders that a data set is cut into, in any case."""
Read = Callable[[str], bytes]


@dataclass(frozen=True)
class ImageFolder:
    """The images below a folder or in a zip, by their names from there, with `/` between the parts."""

    place: Path
    folders: frozenset[str]
    """The folders inside, those without images too."""
    sizes: Mapping[str, int]
    """Bytes of each image, in the order of the names."""
    entries: Mapping[str, zipfile.ZipInfo] | None = None
    """Zips only: where in it each image is."""
    unread: tuple[str, ...] = ()
    """Images of kinds that are not read, by their names."""

    @cached_property
    def parts(self) -> dict[Part, str]:
        """The folder of each part that it is cut into; none where the folders at its top are the classes.

        Raises:
            InvalidInput: two folders for one part.
        """
        tops = sorted(name for name in self.folders if is_class(name))
        found = [(PART_NAMES[name.lower()], name) for name in tops if name.lower() in PART_NAMES]
        parts = dict(found)
        if "train" not in parts or (len(parts) == 1 and len(tops) > 1):
            return {}
        for part in parts:
            names = [name for other, name in found if other == part]
            if len(names) > 1:
                rule = f"{self.place} must have one folder of {part} images, but has {' and '.join(names)}."
                raise refuse("data.folder", f"{rule} Put them into one.")
        return parts

    def path(self, part: Part) -> Path:
        """Return where one part lies, for messages: all of it where it is not cut into parts."""
        return self.place / self.parts.get(part, "")

    def part(self, part: Part) -> dict[str, tuple[str, ...]]:
        """Return the images of one part by class, both in the order of their names; none where there is no such part.

        Without any parts all images are training images.
        """
        if part in self.parts:
            return self.classes(f"{self.parts[part]}/")
        return self.classes("") if part == "train" and not self.parts else {}

    def classes(self, prefix: str) -> dict[str, tuple[str, ...]]:
        """Group the images by the folder below the prefix that they are in."""
        below = {name.removeprefix(prefix) for name in self.folders if name.startswith(prefix)}
        names = sorted(name for name in below if is_class(name))
        found: dict[str, list[str]] = {name: [] for name in names}
        for image in self.sizes:
            label = image.removeprefix(prefix).split("/")[0]
            if image.startswith(prefix) and label in found:
                found[label].append(image)
        return {name: tuple(images) for name, images in found.items()}

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the names and sizes of the images: the identity of a folder wherever it lies, zipped or not."""
        digest = hashlib.sha256()
        for name, size in self.sizes.items():
            digest.update(f"{name}\0{size}\n".encode())
        return digest.hexdigest()[:16]

    @contextmanager
    def opened(self) -> Iterator[Read]:
        """Yield a function from the name of an image to its content."""
        if self.entries is None:
            yield lambda name: (self.place / name).read_bytes()
            return
        entries = self.entries
        with zipfile.ZipFile(self.place) as file:
            yield lambda name: file.read(entries[name])


def image_folder(place: Path) -> ImageFolder:
    """List a folder or zip, from memory where it has not changed: a study asks thousands of times."""
    return remembered(place, state(place))


@lru_cache(maxsize=8)
def remembered(place: Path, _state: tuple[int, ...]) -> ImageFolder:
    """Remember `listed` for as long as the folder or zip stays as it is."""
    return listed(place)


def state(place: Path) -> tuple[int, ...]:
    """Return when a folder or one of its sub-folders last gained or lost a file, or a zip was last written.

    Raises:
        InvalidInput: neither a folder nor a zip.
    """
    if is_zip(place):
        known = place.stat()
        return known.st_mtime_ns, known.st_size
    parts = [entry for entry in sorted(place.iterdir()) if entry.name.lower() in PART_NAMES and entry.is_dir()]
    parents = [place, *parts]
    below = [entry for parent in parents for entry in sorted(parent.iterdir()) if entry.is_dir()]
    return tuple(entry.stat().st_mtime_ns for entry in (place, *below))


def is_zip(place: Path) -> bool:
    """Whether images lie in a zip, not in a folder.

    Raises:
        InvalidInput: neither.
    """
    if place.is_dir():
        return False
    if not place.exists():
        found = "is not there"
    elif place.suffix.lower() == ".zip":
        return True
    else:
        found = "is a file of another kind"
    raise refuse(
        "data.folder", f"{place} must be a folder with one sub-folder per class, or a zip of one, but {found}."
    )


def listed(place: Path) -> ImageFolder:
    """List what a folder or zip holds now.

    Raises:
        InvalidInput: neither a folder nor a zip that can be read.
    """
    return listed_zip(place) if is_zip(place) else listed_folder(place)


def listed_folder(place: Path) -> ImageFolder:
    """List what a folder holds; links to folders are not followed further than to a class."""
    sizes, folders, unread = {}, set(), []
    for file in place.rglob("*"):
        name = file.relative_to(place).as_posix()
        if file.is_dir():
            folders.add(name)
        elif is_image(name):
            sizes[name] = file.stat().st_size
        elif is_unread(name):
            unread.append(name)
    for link in [name for name in folders if name.count("/") < 2 and (place / name).is_symlink()]:
        for file in (place / link).rglob("*"):
            if is_image(file.name) and file.is_file():
                sizes[file.relative_to(place).as_posix()] = file.stat().st_size
    return ImageFolder(place, frozenset(folders), in_order(sizes), unread=tuple(sorted(unread)))


def listed_zip(place: Path) -> ImageFolder:
    """List what a zip of a folder holds; one folder around everything else is looked through."""
    try:
        with zipfile.ZipFile(place) as file:
            infos = {entry_name(info): info for info in file.infolist()}
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise refuse("data.folder", f"{place} must be a zip that can be read, but is damaged ({error}).") from None
    infos = {name: info for name, info in infos.items() if PASSED_OVER not in name.split("/")}
    if any(info.flag_bits & ENCRYPTED for info in infos.values()):
        raise refuse("data.folder", f"{place} must be a zip without a password, but has one.")
    parents = {tuple(name.split("/")[:-1]) for name in infos}
    folders = {"/".join(parts[:depth]) for parts in parents for depth in range(1, len(parts) + 1)}
    around = wrapper(folders, [name for name in infos if is_image(name)])
    entries = {name.removeprefix(around): info for name, info in infos.items() if is_image(name)}
    return ImageFolder(
        place,
        frozenset(name.removeprefix(around) for name in folders if f"{name}/" != around),
        in_order({name: info.file_size for name, info in entries.items()}),
        entries,
        tuple(sorted(name.removeprefix(around) for name in infos if is_unread(name))),
    )


def entry_name(info: zipfile.ZipInfo) -> str:
    """Return the name of an entry as it was meant: some programs write UTF-8 without saying so, or backslashes."""
    name = info.filename
    if not info.flag_bits & UTF8_NAME:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/").removeprefix("./").lstrip("/")


def wrapper(folders: set[str], images: list[str]) -> str:
    """Return the prefix of the one folder around everything in a zip, or nothing where there is none."""
    tops = [name for name in folders if "/" not in name and is_class(name)]
    around = f"{tops[0]}/" if len(tops) == 1 else ""
    within = all(image.startswith((around, ".")) for image in images)
    return around if within and any(name.startswith(around) for name in folders - set(tops)) else ""


def in_order(sizes: Mapping[str, int]) -> dict[str, int]:
    """Sort by name, folder by folder."""
    return {name: sizes[name] for name in sorted(sizes, key=lambda name: name.split("/"))}


def is_class(name: str) -> bool:
    """Whether a folder is meant as a class, or as what lies around the classes."""
    return "/" not in name and not name.startswith(".") and name != PASSED_OVER


def is_image(name: str) -> bool:
    """Whether a file is an image by its name; hidden ones are not."""
    return has_suffix(name, IMAGE_SUFFIXES)


def is_unread(name: str) -> bool:
    """Whether a file is an image of a kind that is not read."""
    return has_suffix(name, UNREAD_SUFFIXES)


def has_suffix(name: str, suffixes: frozenset[str]) -> bool:
    """Whether a file that is not hidden has one of the suffixes, in any case."""
    stem, dot, suffix = name.rpartition("/")[2].rpartition(".")
    return f"{dot}{suffix}".lower() in suffixes and not stem.startswith(".") and bool(stem)
