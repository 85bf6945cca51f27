"""How alike two sets of features are, and how near one set lies to another: one pure function per metric.

Features are whatever network the caller trusts gives; numbers of two networks cannot be compared. Everything is
computed in float64. The Fréchet and the kernel distance are cross-checked against torchmetrics in the tests, and not
taken from there: its import costs seconds, and its kernel distance draws subsets from the global random generator.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dagan.shapes import Features, GeneratedFeatures, RealFeatures, Scalar

CHUNK = 1000
"""Rows of a distance matrix at a time: 80 MB against 10,000 others."""


@dataclass(frozen=True)
class KernelDistance:
    """KID over subsets."""

    mean: float
    """0 for equal distributions, larger for other ones; may be a little below 0, as it is unbiased."""
    deviation: float
    """Standard deviation over subsets: how far one subset may be trusted, not the error of the mean."""
    subset_size: int


@dataclass(frozen=True)
class Cover:
    """Density and coverage of one class."""

    density: float
    """Fidelity: about 1 for real images, 0 far from all of them; may exceed 1 where real images are dense."""
    coverage: float
    """Diversity: share, 0…1, of real images with a generated one near by; real against real gives about 1 − 2^−k."""


@dataclass(frozen=True)
class Memorisation:
    """Distances of generated images to their nearest training image against those of held-out real images."""

    ratio: float
    """Median of the generated over median of the held-out ones: about 1 is as it should be, 0 means copies."""
    nearer: float
    """Share, 0…1, of generated images nearer than the nearest 1 % of the held-out ones; 0.01 is as it should be."""


def frechet_distance(real: RealFeatures, generated: GeneratedFeatures) -> Scalar:
    """|μ − μ'|² + tr(Σ + Σ' − 2 (Σ Σ')^½): the distance of two Gaussians fitted to the features. Heusel et al. 2017.

    Biased upwards the more, the fewer the images: compare at one count only, and against the floor of that count.
    The trace of the root is the sum of the roots of the eigenvalues of Σ^½ Σ' Σ^½, which is symmetric.
    """
    real, generated = real.double(), generated.double()
    shift = (real.mean(dim=0) - generated.mean(dim=0)).square().sum()
    own, other = real.T.cov(), generated.T.cov()
    own, other = own.reshape(real.shape[1], -1), other.reshape(real.shape[1], -1)  # one feature gives a number
    values, vectors = torch.linalg.eigh(own)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    shared = torch.linalg.eigvalsh(root @ other @ root).clamp(min=0).sqrt().sum()
    distance: Tensor = shift + own.trace() + other.trace() - 2 * shared
    return distance


def squared_discrepancy(real: RealFeatures, generated: GeneratedFeatures) -> Scalar:
    """Unbiased MMD² with the kernel (x·y / d + 1)³: pairs of an image with itself are left out. Bińkowski et al. 2018.

    mean k(x, x') over x ≠ x' + mean k(y, y') over y ≠ y' − 2 mean k(x, y); d = number of features.
    """
    real, generated = real.double(), generated.double()

    def kernel(left: Tensor, right: Tensor) -> Tensor:
        return (left @ right.T / left.shape[1] + 1) ** 3

    def mean_of_others(values: Tensor) -> Tensor:
        return (values.sum() - values.trace()) / (len(values) * (len(values) - 1))

    within = mean_of_others(kernel(real, real)) + mean_of_others(kernel(generated, generated))
    return within - 2 * kernel(real, generated).mean()


def kernel_distance(
    real: RealFeatures,
    generated: GeneratedFeatures,
    *,
    random: torch.Generator,
    subsets: int = 100,
    size: int = 1000,
) -> KernelDistance:
    """Return KID: the squared discrepancy of random subsets, `size` images of each side or half of the smaller one.

    `random` is a CPU generator, so the subsets are the same on every device.
    """
    size = min(size, len(real) // 2, len(generated) // 2)

    def some(features: Tensor) -> Tensor:
        return features[torch.randperm(len(features), generator=random)[:size].to(features.device)]

    values = torch.stack([squared_discrepancy(some(real), some(generated)) for _ in range(subsets)])
    return KernelDistance(float(values.mean()), float(values.std(correction=0)), size)


def cover(real: RealFeatures, generated: GeneratedFeatures, neighbours: int = 5) -> Cover:
    """Return density and coverage, from the ball of each real image to its k-th nearest other real image.

    density = (1 / kM) Σ_j Σ_i 1[y_j in ball of x_i];  coverage = (1 / N) Σ_i 1[some y_j in ball of x_i],
    for N real x and M generated y. Naeem et al. 2020. k is at most N − 1.
    """
    neighbours = min(neighbours, len(real) - 1)
    real, generated = real.double(), generated.double()
    # The nearest real image of a real image is itself.
    radius = torch.cdist(real, real).kthvalue(neighbours + 1, dim=1).values
    inside = torch.cdist(real, generated) < radius[:, None]
    density = inside.sum() / (neighbours * len(generated))
    return Cover(float(density), float(inside.any(dim=1).double().mean()))


def memorisation(train: RealFeatures, held_out: Features, generated: GeneratedFeatures) -> Memorisation:
    """Measure whether generated images lie nearer to the training images than unseen real ones do."""
    usual, own = nearest(held_out, train), nearest(generated, train)
    return Memorisation(
        ratio=float(own.median() / usual.median()),
        nearer=float((own < usual.quantile(0.01)).double().mean()),
    )


def nearest(points: Features, among: RealFeatures) -> Tensor:
    """Return the Euclidean distance of each point to the nearest one among others, shape (points,)."""
    among = among.double()
    return torch.cat([torch.cdist(some.double(), among).amin(dim=1) for some in points.split(CHUNK)])
