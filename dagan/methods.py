"""The rows of every comparison: where generated images come from, what the head is, whether images are augmented."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Method:
    """A way to train a classifier from n images per class. Source: DAGAN paper §2–3, ALGORITHM §4."""

    description: str
    generator: Literal["conditional"] | None
    outputs_per_class: Literal[1, 2]
    """1: a K-way softmax. 2: DAGAN's 2K outputs, "real of class i" then "generated of class i"."""
    augmented: bool
    """Classical augmentation of the real images, in both stages."""


METHODS: dict[str, Method] = {
    "c": Method("the plain classifier", None, 1, False),
    "c_aug": Method("classical augmentation", None, 1, True),
    "dagan": Method("DAGAN: the 2K-way discriminator becomes the classifier", "conditional", 2, False),
    "dagan_aug": Method("DAGAN with classical augmentation", "conditional", 2, True),
}
