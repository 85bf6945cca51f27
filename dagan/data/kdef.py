"""KDEF, the Karolinska Directed Emotional Faces: photographs that are split by the person they show.

The paper uses the 490 frontal images of session A, 7 expressions of 70 persons. A name says by position what a
file shows: AF01ANS.JPG is session A, female, person 01, angry, straight.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dagan.data.facts import Fit
from dagan.data.folders import ImageFolder, is_image
from dagan.data.images import Pixels, read_images
from dagan.data.splits import TEST_SHARE, Groups, Indices, whole_groups
from dagan.errors import refuse, warn_once

EXPRESSIONS = ("AF", "AN", "DI", "HA", "NE", "SA", "SU")
"""In the order of the classes: afraid, angry, disgusted, happy, neutral, sad, surprised."""
PERSON_FOLDER = re.compile(r"[AB][FM](0[1-9]|[12]\d|3[0-5])")
REST_OF_NAME = re.compile(r"(?P<expression>AF|AN|DI|HA|NE|SA|SU)(?P<angle>FL|HL|S|HR|FR)\.jpe?g", re.IGNORECASE)
REMEDY = (
    "It cannot be downloaded: ask its makers for it, and give as `root` the folder that has KDEF_and_AKDEF, or KDEF."
)


@dataclass(frozen=True)
class Portraits:
    """The frontal images of session A, in the order of their names."""

    folder: ImageFolder
    labels: NDArray[np.int64]
    persons: Groups
    """Gender and identity, such as F01."""

    def pixels(self, indices: Indices, size: int, channels: int, fit: Fit = "crop") -> Pixels:
        """Read the chosen images, made square as `fit` says."""
        names = list(self.folder.sizes)
        return read_images(self.folder, [names[index] for index in indices], size, channels, fit)


def portraits(root: Path) -> Portraits:
    """List the folder of KDEF below a root, with a warning of names that say nothing, which are left out.

    Raises:
        InvalidInput: no such folder, or too few persons in it.
    """
    place = kdef_folder(root)
    found, odd = {}, []
    for folder in sorted(place.iterdir()):
        if not (folder.is_dir() and PERSON_FOLDER.fullmatch(folder.name)):
            continue
        for file in sorted(file for file in folder.iterdir() if is_image(file.name)):
            name = REST_OF_NAME.fullmatch(file.name.removeprefix(folder.name))
            if name is None or not file.name.startswith(folder.name):
                odd.append(f"{folder.name}/{file.name}")
            elif folder.name[0] == "A" and name["angle"].upper() == "S":
                found[f"{folder.name}/{file.name}"] = (EXPRESSIONS.index(name["expression"].upper()), folder.name[1:])
    if odd:
        shown = ", ".join(odd[:5]) + (f" and {len(odd) - 5} more" if len(odd) > 5 else "")
        warn_once(f"kdef: left out, since their names do not say what they show: {shown} (in {place}).")
    labels = np.array([label for label, _ in found.values()], dtype=np.int64)
    persons = np.array([person for _, person in found.values()], dtype=np.str_)
    seen = len(whole_groups(labels, persons, "kdef")) if set(labels.tolist()) == {*range(len(EXPRESSIONS))} else 0
    if seen < TEST_SHARE:
        rule = f"{place} must hold frontal images of all 7 expressions of at least {TEST_SHARE} persons"
        raise refuse("data.root", f"{rule} (such as AF01/AF01ANS.JPG), but does of {seen}. {REMEDY}")
    sizes = {name: (place / name).stat().st_size for name in found}
    return Portraits(ImageFolder(place, frozenset(), sizes), labels, persons)


def kdef_folder(root: Path) -> Path:
    """Find the folder that holds AF01, AF02, …: as KDEF is packed, or less deep."""
    for place in (root / "KDEF_and_AKDEF" / "KDEF", root / "KDEF", root):
        if place.is_dir() and any(PERSON_FOLDER.fullmatch(entry.name) for entry in place.iterdir()):
            return place
    raise refuse("data.root", f"{root} must hold KDEF_and_AKDEF/KDEF/AF01 and so on, but does not. {REMEDY}")


def check_portraits(root: Path) -> None:
    """Open every image that a study could use.

    Raises:
        InvalidInput: no KDEF there, or every file of it that is no readable image.
    """
    found = portraits(root)
    found.pixels(np.arange(len(found.labels)), 8, 3)
