"""Generated images that give away what a classifier is measured by: near-copies of test and validation images.

    for purpose, leak in leaks(measured, searched).items():
        print(purpose, leak.files)

Test images are opened here apart from every training, and no more comes out than the names of the files that copy them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dagan.config import Config
from dagan.data.duplicates import tested
from dagan.data.generated import generated_names
from dagan.data.images import Pixels
from dagan.data.loading import generated_images
from dagan.data.near_copies import near_copies
from dagan.errors import refuse
from dagan.training.dataset import divided, validating

Purpose = Literal["test", "validation"]


@dataclass(frozen=True)
class Leak:
    """The near-copies of the images of one purpose."""

    images: int
    """Images that the generated ones were compared with."""
    copied: int
    """How many of them are nearly equalled."""
    files: tuple[str, ...]
    """Generated images that nearly equal one of them, by their names in the folder."""


def leaks(measured: Config, searched: Sequence[Config]) -> dict[Purpose, Leak]:
    """Compare a folder of generated images with the test images, and with those that a search validates with.

    `measured` is a config of the phase confirm, `searched` those of the phase search, one for each number of images and
    seed; without any, no image is validated with.

    Raises:
        InvalidInput: a method without such a folder, or images that cannot be read.
    """
    place, facts = measured.data.generated, measured.facts
    if place is None:
        raise refuse("data.generated", f"is needed to look for copies in, but `{measured.method}` has none.")
    names, generated = generated_names(place, facts.classes), generated_images(facts, place)
    found: dict[Purpose, Leak] = {}
    for purpose, images in held_out(measured, searched):
        pairs = near_copies(images, generated)
        files = tuple(names[index] for index in pairs.candidates)
        found[purpose] = Leak(len(images), len(np.unique(pairs.originals)), files)
    return found


def held_out(measured: Config, searched: Sequence[Config]) -> Iterator[tuple[Purpose, Pixels]]:
    """Yield the test images, then all images that one search or another validates with, if there are any."""
    source, parts = divided(measured)
    yield "test", tested(source, parts.test)[0]
    indices = [divided(config)[1].validation for config in searched]
    if indices:
        yield "validation", validating(searched[0], source).pixels(np.unique(np.concatenate(indices)))
