"""MixUp (Zhang et al. 2018) and CutMix (Yun et al. 2019) of a batch: each image with a partner of its kind."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dagan.compute.random_streams import Streams
from dagan.settings import Classifier
from dagan.shapes import ClassShares, Images, Labels

OwnShare = Float[Tensor, "size size"]
"""How much of an image each of its pixels keeps; the rest is its partner's."""


def mixed(
    images: Images, shares: ClassShares, real: Bool[Tensor, " batch"], settings: Classifier, streams: Streams
) -> tuple[Images, ClassShares]:
    """Mix each image with a partner, and their labels alike; real images with real ones, generated with generated.

    So a mixed image is real or generated still, and what r, and each term of the loss, say of it holds.
    """
    own = own_share(images.shape[2], settings, streams["classification.mixing"])
    partner = partners(real, streams["classification.partners"])
    kept = own.mean()
    return own * images + (1 - own) * images[partner], kept * shares + (1 - kept) * shares[partner]


def own_share(size: int, settings: Classifier, random: torch.Generator) -> OwnShare:
    """Draw the map of a batch: the same value everywhere by MixUp, a box of 0 among 1 by CutMix."""
    if not settings.cutmix:
        return mixup_share(size, settings.mixup, random)
    if not settings.mixup:
        return cutmix_share(size, settings.cutmix, random)
    # Both are drawn, so that a GPU need not tell which one it is to be.
    one, other = mixup_share(size, settings.mixup, random), cutmix_share(size, settings.cutmix, random)
    return torch.where(torch.rand((), generator=random, device=random.device) < 0.5, one, other)


def mixup_share(size: int, alpha: float, random: torch.Generator) -> OwnShare:
    """Draw λ from Beta(α, α) for every pixel alike."""
    return beta(alpha, random).expand(size, size)


def cutmix_share(size: int, alpha: float, random: torch.Generator) -> OwnShare:
    """Draw λ from Beta(α, α), and a box of 1 − λ of the area with its middle anywhere, which the edge may cut."""
    half = ((1 - beta(alpha, random)).sqrt() * size / 2).floor()
    middle = torch.randint(size, (2, 1), generator=random, device=random.device)
    steps = torch.arange(size, device=random.device)
    rows, columns = (steps >= middle - half) & (steps < middle + half)
    outside: Tensor = ~(rows[:, None] & columns)
    return outside.float()


def beta(alpha: float, random: torch.Generator) -> Float[Tensor, ""]:
    """Draw a number from Beta(α, α)."""
    # What torch.distributions.Beta draws by; it takes no generator itself.
    both = torch.full((2,), alpha, device=random.device)
    shares: Tensor = torch._sample_dirichlet(both, generator=random)
    return shares[0]


def partners(real: Bool[Tensor, " batch"], random: torch.Generator) -> Labels:
    """Draw a permutation of the images that leaves real ones among the real, and generated among the generated."""
    drawn = torch.rand(len(real), generator=random, device=random.device)
    shuffled, places = (real + drawn).argsort(), real.to(torch.uint8).argsort(stable=True)
    return torch.empty_like(places).scatter_(0, places, shuffled)
