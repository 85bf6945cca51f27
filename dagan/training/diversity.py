"""How unlike each other the generated images of a class are: what a collapse of the generator shows in."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from dagan.shapes import Images, Labels
from dagan.training.dataset import GeneratedImages, Labelled
from dagan.training.progress import Progress

COLLAPSED = 0.1
"""Diversity below which a class has collapsed.

Measured on `digits` (20 per class, width 0.5, 600 iterations of stage 1, looked at every 100), worst class: 0.23 to
0.96 with either loss, λ 0 to 50, 2 or 10 G steps and learning rates from 1e-3 to 1e-2; 0.01 to 0.06 with z of length
one, for as long as G draws one digit per class again and again. A generator that has hardly learned is low too (0.17
on `digits` after one iteration, 0.07 on MNIST after 50): early in stage 1 a low value is no collapse yet.
"""
GENERATED = 8
"""Generated images per class: 28 pairs."""
REAL = 64
"""Real images per class at most: enough to know their spread to 3 % (MNIST, against that of 500)."""


def spread(images: Images) -> Tensor:
    """Return the mean Euclidean distance of two different images, in pixels. Two images or more."""
    pixels = images.flatten(1).double()
    return torch.cdist(pixels, pixels).sum() / (len(pixels) * (len(pixels) - 1))


def diversity(generated: Labelled, real: Labelled, classes: tuple[str, ...]) -> dict[str, float]:
    """Return, per class, the spread of the generated images over that of the real ones.

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


def generated_diversity(generated: GeneratedImages, real: Labelled) -> dict[str, float]:
    """Return the diversity of what a GAN draws now, or a folder holds, beside the training images.

    Always from the same latents, of a stream of their own: looking changes nothing, and two looks can be compared.
    """
    classes = generated.config.facts.classes
    labels = torch.arange(len(classes), device=real.labels.device).repeat(GENERATED)
    return diversity(drawn(generated, labels, "diversity"), real, classes)


def drawn(generated: GeneratedImages, labels: Labels, purpose: str) -> Labelled:
    """Draw one image for each of the given labels; equal weights, labels and purpose give equal images."""
    classes = len(generated.config.facts.classes)
    most = int(torch.bincount(labels).max())
    # From the beginning of the stream each time; classes come in turn, so the j-th of class k is image j·K + k.
    pool = generated.sampled(most, generated.streams.fresh(f"{purpose}.latents"))
    return Labelled(pool.images[earlier_ones(labels, classes) * classes + labels], labels)


def earlier_ones(labels: Labels, classes: int) -> Tensor:
    """Return, for each label, how often it came before."""
    return one_hot(labels, classes).cumsum(dim=0).gather(1, labels[:, None])[:, 0] - 1


def collapsed(ratios: Mapping[str, float]) -> list[str]:
    """Return the classes of which the generator draws one image again and again."""
    return [name for name, ratio in ratios.items() if not ratio >= COLLAPSED]


def collapse_warning(curve: Sequence[Progress]) -> str | None:
    """Return a warning that names the classes that had collapsed at the last look at stage 1; None if none had."""
    looks = [progress.diversity for progress in curve if progress.diversity is not None]
    classes = collapsed(looks[-1]) if looks else []
    if not classes:
        return None
    return (
        f"the generator collapsed: diversity {min(looks[-1].values()):.2f} in {', '.join(classes)} (1: as real images)."
    )
