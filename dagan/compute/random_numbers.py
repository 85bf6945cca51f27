"""Random tensors drawn faster than PyTorch draws them on a CPU, where one number after another cost a sixth of a step.

One draw of 64 bits serves eight dropout decisions, or two normal numbers; what is left is arithmetic on whole tensors.
"""

import math

import torch
from torch import Tensor

from dagan.shapes import Images


def noisy(images: Images, sigma: float, random: torch.Generator | None) -> Images:
    """Add Gaussian noise to images, where there is a generator to draw it from."""
    return images + sigma * normal_like(images, random) if random is not None and sigma else images


def normal_like(values: Tensor, random: torch.Generator) -> Tensor:
    """Draw N(0, 1) numbers of a tensor's shape, by the Box-Muller transform from 24 and 32 bits each."""
    if values.device.type != "cpu":
        return torch.empty_like(values).normal_(generator=random)
    count = (values.numel() + 1) // 2
    halves = bits(count, random).view(torch.int32).reshape(count, 2)
    # In (0, 1], so that the logarithm is finite.
    uniform = (halves[:, 0].bitwise_right_shift(8) + (2**23 + 1)).to(torch.float32).mul_(2**-24)
    radius = uniform.log_().mul_(-2).sqrt_()
    angle = halves[:, 1].to(torch.float32).mul_(math.pi * 2**-31)
    pairs = torch.stack([radius * angle.cos(), radius * angle.sin()]).flatten()[: values.numel()]
    return pairs.reshape(values.shape).to(values.dtype)


def dropout(maps: Tensor, rate: float, random: torch.Generator) -> Tensor:
    """Set a share of the values of maps, in whole 256ths, to 0, and scale the others up."""
    kept = min(max(1, round(256 * (1 - rate))), 256)
    drawn = bits((maps.numel() + 7) // 8, random).view(torch.uint8)[: maps.numel()]
    # In the order of memory, channels last, so that mask and maps are gone through alike. `<= kept - 1`, since PyTorch
    # takes the 256 of `< 256` for a byte: 0.
    batch, channels, height, width = maps.shape
    mask = (drawn <= kept - 1).reshape(batch, height, width, channels).permute(0, 3, 1, 2)
    return maps * mask.to(maps.dtype).mul_(256 / kept)


def bits(count: int, random: torch.Generator) -> Tensor:
    """Return words of 64 random bits, shape (count,)."""
    return torch.empty(count, dtype=torch.int64, device=random.device).random_(-(2**63), None, generator=random)
