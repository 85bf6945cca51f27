"""DiffAugment: what D sees in stage 1, changed so that G learns through the change."""

import torch
from torch.nn.functional import pad

from dagan.shapes import Images


def differentiably_augmented(images: Images, policy: str, random: torch.Generator) -> Images:
    """Apply DiffAugment (Zhao et al. 2020): what D sees of an image in stage 1, so that G too learns through it.

    `color` shifts brightness by up to ±0.5 (of a range of 2) and scales saturation by 0…2 and contrast by 0.5…1.5;
    `translation` shifts by up to an eighth of the size, grey coming in; `cutout` greys out a square of half the size.
    """
    steps = {"color": recoloured, "translation": translated, "cutout": cut_out}
    for name in policy.split("+"):
        images = steps[name](images, random)
    return images


def recoloured(images: Images, random: torch.Generator) -> Images:
    """Change brightness, saturation and contrast, each by a draw per image."""
    draws = torch.rand(3, len(images), 1, 1, 1, generator=random, device=images.device)
    images = images + draws[0] - 0.5
    grey = images.mean(dim=1, keepdim=True)
    images = grey + (images - grey) * 2 * draws[1]
    middle = images.mean(dim=(1, 2, 3), keepdim=True)
    return middle + (images - middle) * (draws[2] + 0.5)


def translated(images: Images, random: torch.Generator) -> Images:
    """Move each image by whole pixels; 0, the middle grey, comes in."""
    reach = round(images.shape[2] / 8)
    offsets = torch.randint(-reach, reach + 1, (2, len(images)), generator=random, device=images.device)
    padded = pad(images, [reach] * 4)
    inside = torch.arange(images.shape[2], device=images.device)
    rows = (inside + reach + offsets[0][:, None])[:, None, :, None]
    columns = (inside + reach + offsets[1][:, None])[:, None, None, :]
    image = torch.arange(len(images), device=images.device)[:, None, None, None]
    channel = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    return padded[image, channel, rows, columns]


def cut_out(images: Images, random: torch.Generator) -> Images:
    """Set a square of half the size, wherever its middle falls, to 0 in each image."""
    size = images.shape[2]
    half = size // 2
    middles = torch.randint(0, size + 1 - half % 2, (2, len(images)), generator=random, device=images.device)
    steps = torch.arange(size, device=images.device) - middles[:, :, None] + half // 2
    rows, columns = (steps >= 0) & (steps < half)
    kept: Images = ~(rows[:, None, :, None] & columns[:, None, None, :])
    return images * kept
