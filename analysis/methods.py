"""Order, colour and marker of each method, the same in every table and figure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

PAPER_ORDER = (
    "c",
    "c_aug",
    "vanilla_gan",
    "vanilla_gan_aug",
    "cgan",
    "cgan_aug",
    "semi_gan",
    "semi_gan_aug",
    "dagan",
    "dagan_aug",
)

# One colour per family, chosen from Okabe and Ito's palette and evened out so that each has a contrast of at
# least 3:1 on white and on the dark page; the marker repeats the information for readers without colour.
_FAMILIES = {
    "c": ("#7d828c", "o"),
    "vanilla_gan": ("#b07a00", "^"),
    "cgan": ("#b8609a", "v"),
    "semi_gan": ("#2f84c6", "s"),
    "dagan": ("#d55e00", "D"),
}
_UNKNOWN = (("#0e9375", "P"), ("#8a6fd1", "X"), ("#9a6b4b", "p"), ("#4f8f2f", "h"), ("#c2485a", "<"))


_MEANINGS = {
    "c": "a plain classifier",
    "vanilla_gan": "a classifier that learns from images of a GAN for each class too",
    "cgan": "a classifier that learns from images of one conditional GAN too",
    "semi_gan": "the discriminator of a GAN, with a class for generated images, trained on as classifier",
    "dagan": "the discriminator of a GAN, with two outputs per class, trained on as classifier with generated images",
    "external": "a classifier that learns from generated images of your own too",
}
_AUGMENTED = "the same with classical augmentation: shifted and rotated copies, and what else the study says"


@dataclass(frozen=True)
class Look:
    """Colour, marker and line of one method; `filled` marks classical augmentation."""

    colour: str
    marker: str
    filled: bool

    @property
    def line(self) -> Any:
        """Line style for matplotlib: solid with classical augmentation, dashed without."""
        return "-" if self.filled else (0, (4, 2))


def look(method: str, methods: Sequence[str] = ()) -> Look:
    """Look up how a method looks; one that is not in the paper takes a spare colour by its place in `methods`."""
    family = method.removesuffix("_aug")
    if family not in _FAMILIES:
        unknown = [m.removesuffix("_aug") for m in methods if m.removesuffix("_aug") not in _FAMILIES]
        place = list(dict.fromkeys(unknown)).index(family) if family in unknown else 0
        colour, marker = _UNKNOWN[place % len(_UNKNOWN)]
    else:
        colour, marker = _FAMILIES[family]
    return Look(colour, marker, filled=method.endswith("_aug"))


def meanings(methods: Sequence[str]) -> str:
    """Explain the methods that are known here, in a sentence; an empty text if none is."""
    families = list(dict.fromkeys(method.removesuffix("_aug") for method in methods))
    parts = [f"{family}: {_MEANINGS[family]}" for family in families if family in _MEANINGS]
    augmented = [f"…_aug: {_AUGMENTED}"] if parts and any(method.endswith("_aug") for method in methods) else []
    return f"{'; '.join([*parts, *augmented])}." if parts else ""


def ordered(methods: Iterable[str], declared: Sequence[str] = ()) -> list[str]:
    """Sort the distinct methods by the study's declared order, then by the paper's, then by name."""
    places = {name: place for place, name in enumerate(dict.fromkeys([*declared, *PAPER_ORDER]))}
    return sorted(set(methods), key=lambda name: (places.get(name, len(places)), name))
