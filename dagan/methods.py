"""The rows of every comparison: where generated images come from, what the head is, whether images are augmented."""

from dataclasses import dataclass
from typing import Literal

Adversary = Literal["binary", "conditional", "extra", "doubled"]
"""What D tells apart in stage 1.

binary: real or generated, one G and D per class, eq. (1); conditional: the same of pairs (x, y), eq. (2);
extra: K classes and a further one, "generated"; doubled: K real and K generated classes, eq. (3).
"""


@dataclass(frozen=True)
class Method:
    """A way to train a classifier from n images per class. DAGAN paper §2–3; dagan/README.md has the table."""

    description: str
    adversary: Adversary | None
    """None: no GAN, and no stage 1."""
    augmented: bool
    """Classical augmentation of the real images."""
    external: bool = False
    """Generated images are those of a folder."""

    @property
    def has_generated(self) -> bool:
        """Whether generated images join the real ones, wherever they come from."""
        return self.adversary is not None or self.external

    @property
    def continues(self) -> bool:
        """Whether D knows classes, so that it can go on as the classifier; else stage 2 trains a fresh network."""
        return self.adversary in ("extra", "doubled")

    def classifier_outputs(self, classes: int) -> int:
        """Outputs of the classifier: K, K+1 or 2K. One that starts fresh has K, whatever the method."""
        return {"extra": classes + 1, "doubled": 2 * classes}.get(self.adversary or "", classes)


METHODS: dict[str, Method] = {
    "c": Method("the plain classifier", None, False),
    "c_aug": Method("classical augmentation", None, True),
    "vanilla_gan": Method("a GAN for each class, then a classifier of its own", "binary", False),
    "cgan": Method("one conditional GAN, then a classifier of its own", "conditional", False),
    "semi_gan": Method("the K+1-way discriminator becomes the classifier", "extra", False),
    "dagan": Method("DAGAN: the 2K-way discriminator becomes the classifier", "doubled", False),
    "dagan_aug": Method("DAGAN with classical augmentation", "doubled", True),
    "vanilla_gan_aug": Method("vanilla_gan with classical augmentation", "binary", True),
    "cgan_aug": Method("cgan with classical augmentation", "conditional", True),
    "semi_gan_aug": Method("semi_gan with classical augmentation", "extra", True),
    "external": Method("generated images of your own, from a folder", None, False, external=True),
    "external_aug": Method("external with classical augmentation", None, True, external=True),
}
