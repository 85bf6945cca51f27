"""How unlike each other the generated images of a class are: what a collapse of the generator shows in."""

import torch
from torch import Tensor

from dagan.datasets import Labelled
from dagan.samples import Draws, drawn
from dagan.shapes import Images

COLLAPSED = 0.1
"""Diversity below which a class has collapsed."""
GENERATED = 8
"""Generated images per class: 28 pairs."""
REAL = 64
"""Real images per class at most: enough to know their spread to 3 % (MNIST, against that of 500)."""


def spread(images: Images) -> Tensor:
    """Mean Euclidean distance of two different images, in pixels. Two images or more."""
    pixels = images.flatten(1).double()
    return torch.cdist(pixels, pixels).sum() / (len(pixels) * (len(pixels) - 1))


def diversity(generated: Labelled, real: Labelled, classes: tuple[str, ...]) -> dict[str, float]:
    """Per class, the spread of the generated images over that of the real ones.

    1: as unlike each other as real images are; 0: one image again and again. Classes with fewer than two real or
    generated images are left out: they have no pair.
    """
    ratios = {}
    for label, name in enumerate(classes):
        own = generated.images[generated.labels == label]
        others = real.images[real.labels == label][:REAL]
        if len(own) > 1 and len(others) > 1:
            ratios[name] = float(spread(own) / spread(others))
    return ratios


def generated_diversity(training: Draws) -> dict[str, float]:
    """The diversity of what a training's generator draws now, beside its training images.

    Always from the same latents, of streams of their own: looking changes nothing, and two looks can be compared.
    """
    classes = training.config.facts.classes
    labels = torch.arange(len(classes), device=training.streams.device).repeat(GENERATED)
    return diversity(drawn(training, labels, "diversity"), training.data.train, classes)


def collapsed(ratios: dict[str, float]) -> list[str]:
    """The classes of which the generator draws one image again and again."""
    return [name for name, ratio in ratios.items() if not ratio >= COLLAPSED]
