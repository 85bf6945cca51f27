"""What lies in a folder of generated images, or in a zip of one, for the classes of a data set. No image is opened."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dagan.data.facts import Facts
from dagan.data.folders import image_folder, state
from dagan.errors import InvalidInput, Problem, unknown

WHERE = "data.generated"


@dataclass(frozen=True)
class GeneratedFacts:
    """What a folder of generated images holds."""

    per_class: tuple[int, ...]
    """Images of each class, in the order of the data set's classes."""
    fingerprint: str
    """A hash of the names and sizes of the files."""


@contextmanager
def of_generated() -> Iterator[None]:
    """Let what is wrong with a folder be said of the generated images, not of the data set's own."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput([Problem(WHERE, problem.message) for problem in error.problems]) from None


def generated_facts(place: Path, facts: Facts) -> GeneratedFacts:
    """Return what a folder holds for a data set, from its directory listing alone.

    Raises:
        InvalidInput: neither a folder nor a zip, classes other than those of the data set, or one without images.
    """
    with of_generated():
        return listed_facts(place, facts.name, facts.classes, state(place))


@lru_cache(maxsize=32)
def listed_facts(place: Path, dataset: str, classes: tuple[str, ...], _state: tuple[int, ...]) -> GeneratedFacts:
    """Return `generated_facts`, from memory where the folder has not changed: a study asks thousands of times."""
    folder = image_folder(place)
    found = folder.classes("")
    problems = [
        Problem(WHERE, f"{place} has an {unknown('class', name, classes)} Those are the classes of {dataset}.")
        for name in found
        if name not in classes
    ]
    lacking = [f"`{name}`" for name in classes if name not in found]
    if lacking:
        rule = f"{place} must have a sub-folder for each of the {len(classes)} classes of {dataset}"
        problems.append(Problem(WHERE, f"{rule}, but has none for {', '.join(lacking)}."))
    problems += [
        Problem(WHERE, f"class `{name}` in {place} must hold at least 1 image, but has none.")
        for name in classes
        if found.get(name) == ()
    ]
    if problems:
        raise InvalidInput(problems)
    return GeneratedFacts(tuple(len(found[name]) for name in classes), folder.fingerprint)


def generated_names(place: Path, classes: tuple[str, ...]) -> list[str]:
    """Return the names of all images of a folder, class by class."""
    found = image_folder(place).classes("")
    return [image for name in classes for image in found[name]]
