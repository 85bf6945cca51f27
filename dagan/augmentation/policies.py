"""RandAugment (Cubuk et al. 2020) and TrivialAugment (Müller & Hutter 2021) of a batch.

torchvision changes the pixels. Its own transforms would draw from PyTorch's global generator, and do the same to all
images of a batch; here each image has draws of its own, and those of equal draws go through one call together.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import UInt8
from torch import Tensor
from torchvision.transforms.v2 import functional

from dagan.settings import Augmentation
from dagan.shapes import Images

STRONGEST = 30
"""Levels of an operation are 0…30: `policy_magnitude` in RandAugment, drawn in TrivialAugment."""

Pixels = UInt8[Tensor, "batch channels height width"]
"""What torchvision's policies are made for. Black comes in from outside."""

Operation = tuple[str, int]
"""A name and a level; one below 0 goes the other way."""


@dataclass(frozen=True)
class Range:
    """What the operations of a policy come to at the strongest level."""

    shear: float
    """Sideways steps per step."""
    translation: float
    """Share of the image size."""
    most_pixels: float
    """Of a translation."""
    rotation: float
    """Degrees."""
    factor: float
    """Brightness, colour, contrast and sharpness are multiplied by 1 ± this."""
    bits: int
    """Of the 8 of each value, taken away."""

    def pixels(self, level: int, size: int) -> int:
        """Return the pixels of a translation."""
        return int(at(level, min(self.translation * size, self.most_pixels)))


# As in torchvision's RandAugment and TrivialAugmentWide; but TrivialAugment's 32 pixels are more than all of a digit.
RANGES = {
    "rand_augment": Range(shear=0.3, translation=150 / 331, most_pixels=math.inf, rotation=30.0, factor=0.9, bits=4),
    "trivial_augment": Range(shear=0.99, translation=1.0, most_pixels=32.0, rotation=135.0, factor=0.99, bits=6),
}


@cache
def at(level: int, most: float) -> float:
    """Return what a level comes to where the strongest is `most`; rounded as in torchvision, for equal pixels."""
    return math.copysign(torch.linspace(0, most, STRONGEST + 1)[abs(level)].item(), level)


def sheared(pixels: Pixels, *, x: float = 0.0, y: float = 0.0) -> Pixels:
    """Shear about the upper left corner, by sideways steps per step."""
    degrees = [math.degrees(math.atan(step)) for step in (x, y)]
    result: Pixels = functional.affine(pixels, angle=0.0, translate=[0, 0], scale=1.0, shear=degrees, center=[0.0, 0.0])
    return result


def translated(pixels: Pixels, *, x: int = 0, y: int = 0) -> Pixels:
    """Move by whole pixels."""
    result: Pixels = functional.affine(pixels, angle=0.0, translate=[x, y], scale=1.0, shear=[0.0, 0.0])
    return result


Change = Callable[[Pixels, int, Range], Pixels]

TWO_WAY: dict[str, Change] = {
    "shear x": lambda x, level, most: sheared(x, x=at(level, most.shear)),
    "shear y": lambda x, level, most: sheared(x, y=at(level, most.shear)),
    "translate x": lambda x, level, most: translated(x, x=most.pixels(level, x.shape[3])),
    "translate y": lambda x, level, most: translated(x, y=most.pixels(level, x.shape[2])),
    "rotate": lambda x, level, most: functional.rotate(x, at(level, most.rotation)),
    "brightness": lambda x, level, most: functional.adjust_brightness(x, 1 + at(level, most.factor)),
    "colour": lambda x, level, most: functional.adjust_saturation(x, 1 + at(level, most.factor)),
    "contrast": lambda x, level, most: functional.adjust_contrast(x, 1 + at(level, most.factor)),
    "sharpness": lambda x, level, most: functional.adjust_sharpness(x, 1 + at(level, most.factor)),
}
ONE_WAY: dict[str, Change] = {
    "posterise": lambda x, level, most: functional.posterize(x, 8 - round(level / STRONGEST * most.bits)),
    "solarise": lambda x, level, most: functional.solarize(x, 255 * at(STRONGEST - level, 1.0)),
}
WITHOUT_LEVEL: dict[str, Change] = {
    "identity": lambda x, level, most: x,
    "autocontrast": lambda x, level, most: functional.autocontrast(x),
    "equalise": lambda x, level, most: functional.equalize(x),
}
OPERATIONS = TWO_WAY | ONE_WAY | WITHOUT_LEVEL


def changed_by_policy(images: Images, settings: Augmentation, random: torch.Generator) -> Images:
    """Change each image by operations that are drawn for it: one by TrivialAugment, some by RandAugment."""
    pixels = ((images + 1) * 127.5).round().to(torch.uint8)
    for operations in drawn_operations(len(images), settings, random):
        pixels = changed(pixels, operations, RANGES[settings.policy])
    return pixels / 127.5 - 1


def changed(pixels: Pixels, operations: Sequence[Operation], most: Range) -> Pixels:
    """Change each image by its own operation, those that have one in common at once."""
    groups: dict[Operation, list[int]] = defaultdict(list)
    for image, operation in enumerate(operations):
        groups[operation].append(image)
    order = [image for members in groups.values() for image in members]
    parts = pixels[order].split([len(members) for members in groups.values()])
    results = [OPERATIONS[name](part, level, most) for (name, level), part in zip(groups, parts, strict=True)]
    back = torch.empty_like(pixels)
    back[order] = torch.cat(results)
    return back


def drawn_operations(count: int, settings: Augmentation, random: torch.Generator) -> list[list[Operation]]:
    """Draw one operation after another for each of so many images."""
    trivial = settings.policy == "trivial_augment"
    shape = (1 if trivial else settings.policy_operations, count)
    which = torch.randint(len(OPERATIONS), shape, generator=random, device=random.device)
    minus = torch.randint(2, shape, generator=random, device=random.device)
    level = torch.full(shape, settings.policy_magnitude, device=random.device)
    if trivial:
        level = torch.randint(STRONGEST + 1, shape, generator=random, device=random.device)
    names = [*OPERATIONS]
    return [
        [operation(names[index], level, bool(minus)) for index, level, minus in zip(*rows, strict=True)]
        for rows in zip(*torch.stack([which, level, minus]).tolist(), strict=True)
    ]


def operation(name: str, level: int, minus: bool) -> Operation:
    """Return an operation as drawn; a draw that means nothing to it leaves no trace, so that equal ones are equal."""
    if name in WITHOUT_LEVEL:
        return name, 0
    return name, -level if minus and name in TWO_WAY else level
