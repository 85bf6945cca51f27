"""Outlines of a study for a folder of images: everything that its time hangs on, from the most to the least."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dagan.data.facts import Facts
from dagan.data.splits import Validation, capacity

GAN_EPOCHS, CLASSIFIER_EPOCHS = 200, 500
"""The paper's lengths of the two stages."""
GAN_ITERATIONS, CLASSIFIER_ITERATIONS = 1000, 1500
"""What these stages take at the least, however few batches an epoch has. On CIFAR-10 with 50 per class generated images
gained nothing before 1,500 iterations of the classifier (`sweeps/studies/results/cifar50`); their GAN had 1,000, and
what a shorter one does was not measured."""
SIZES = (200, 100, 50, 20, 10, 5)
"""Images per class that are tried where there are more."""
KC_SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
"""Of the longest KC, where it is read off."""
RATES = {2: (1e-3, 3e-3), 3: (3e-4, 1e-3, 3e-3)}
"""Learning rates that a search tries, by their number."""
RATIOS = {2: (0.0, 1.0), 3: (0.0, 0.5, 1.0)}
"""Augmentation ratios, likewise; 0 is the warm start alone."""
SEARCHES = ((3, 3), (3, 2), (2, 2))
"""Numbers of rates and ratios that a search tries, each with two subsets."""
BATCH = 100
"""Batch size of a config where nothing else is said."""
FEWEST_SEEDS, MOST_SEEDS = 8, 20
"""Confirm seeds: with 8 the least p is 0.008, which passes Holm's correction of two tests."""


@dataclass(frozen=True)
class Outline:
    """A study in outline."""

    network: str
    width: float
    samples_per_class: int
    validation: Validation
    per_epoch: float
    """Batches of stage 2 that make an epoch."""
    rates: int
    ratios: int
    seeds: int
    gan: bool = True

    @property
    def kg(self) -> int:
        """Iterations of stage 1."""
        return max(GAN_ITERATIONS, math.ceil(GAN_EPOCHS * self.per_epoch))

    @property
    def kc(self) -> tuple[int, ...]:
        """Iterations of stage 2 at which it is read off."""
        longest = max(CLASSIFIER_ITERATIONS, math.ceil(CLASSIFIER_EPOCHS * self.per_epoch))
        return tuple(math.ceil(longest * share / 10) * 10 for share in KC_SHARES)

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods that are compared, each with the one before it."""
        return ("c", "c_aug", "dagan_aug") if self.gan else ("c", "c_aug")

    def tree(self, dataset: dict[str, Any], name: str, resources: dict[str, Any]) -> dict[str, Any]:
        """Return the study that this outlines, for a data set as in a study file."""
        parameters: dict[str, Any] = {
            "classifier.iterations": {"values": list(self.kc)},
            "classifier.learning_rate": {"values": list(RATES[self.rates])},
        }
        base: dict[str, Any] = {"network": {"name": self.network, "width": self.width}}
        base |= {"data": {"validation": self.validation}} if self.validation == "within" else {}
        base |= {"augmentation": {"horizontal_flip": False}}
        if self.gan:
            parameters["classifier.augmentation_ratio"] = {"values": list(RATIOS[self.ratios])}
            base["gan"] = {"iterations": self.kg}
        pairs = itertools.pairwise(self.methods)
        return {
            "name": name,
            "question": self.question(name),
            "datasets": [dataset],
            "samples_per_class": [self.samples_per_class],
            "methods": list(self.methods),
            "compare": {method: [baseline] for baseline, method in pairs},
            "base": base,
            "search": {
                "parameters": parameters,
                "budget": {"trials": 2 * self.rates * (self.ratios if self.gan else 1)},
                "seeds": 2,
            },
            "confirm": {"seeds": self.seeds},
            **({"resources": resources} if resources else {}),
        }

    def question(self, name: str) -> str:
        """Return what the study asks."""
        images = f"{name} with {self.samples_per_class} images per class"
        if self.gan:
            return f"Do generated images help a classifier of {images}, beyond classical augmentation?"
        return f"Does classical augmentation help a classifier of {images}?"


def outlines(facts: Facts, widths: Sequence[tuple[str, float]], *, gan: bool) -> Iterator[list[Outline]]:
    """Yield outlines from the best to the least, images per class first, then width; each with searches, likewise."""
    for n, (network, width) in itertools.product(sizes(facts), widths):
        validation = validation_of(facts, n)
        per_epoch = len(facts.classes) * n / BATCH
        yield [
            Outline(network, width, n, validation, per_epoch, rates, ratios, FEWEST_SEEDS, gan)
            for rates, ratios in SEARCHES
        ]


def sizes(facts: Facts) -> list[int]:
    """Return the numbers of images per class to try: as many as there are first."""
    most = capacity(facts.per_class, has_test=facts.has_test, validation="own" if facts.has_validation else "within")
    return [most, *(n for n in SIZES if n < most)] if most <= SIZES[0] else [n for n in SIZES if n <= most]


def validation_of(facts: Facts, n: int) -> Validation:
    """Return where validation images come from: a part of the n images where there are too few others."""
    if facts.has_validation:
        return "own"
    held = capacity(facts.per_class, has_test=facts.has_test, validation="held_out")
    return "held_out" if n <= held else "within"


def networks(facts: Facts, *, gpu: bool) -> tuple[tuple[str, float], ...]:
    """Return the networks to try, the widest first: small ones for small grey images."""
    if facts.image_size <= 16 or (facts.channels == 1 and facts.image_size <= 28):
        return (("digits", 1.0), ("digits", 0.5))
    widths = (1.0, 0.5, 0.25) if gpu else (0.5, 0.25, 0.125)
    return tuple(("conv32", width) for width in widths)
