"""A random affine map and light for each image of a batch, on its device."""

import math

import torch
from torch.nn.functional import affine_grid, grid_sample

from dagan.settings import Augmentation
from dagan.shapes import Images


def moved_and_lit(images: Images, settings: Augmentation, random: torch.Generator) -> Images:
    """Turn, shift, mirror and light each image by draws of its own; what comes in from outside repeats the edge.

    Coordinates run from −1 to 1 over the image, so a shift by a share s of its size is a step of 2s; so do values
    from black to white.
    """
    draws = torch.rand(len(images), 4, generator=random, device=images.device)
    angle = (2 * draws[:, 0] - 1) * math.radians(settings.rotation)
    shift = (2 * draws[:, 1:3] - 1) * 2 * settings.shift
    mirror = 1 - 2 * ((draws[:, 3] < 0.5) & settings.horizontal_flip).to(images.dtype)
    cosine, sine = angle.cos(), angle.sin()
    rows = torch.stack([cosine * mirror, -sine, shift[:, 0], sine * mirror, cosine, shift[:, 1]], dim=1)
    grid = affine_grid(rows.reshape(-1, 2, 3), list(images.shape), align_corners=False)
    moved = grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    if not settings.brightness:  # no draw: the stream goes on as it does without light
        return moved
    light = (2 * torch.rand(len(images), 1, 1, 1, generator=random, device=images.device) - 1) * 2 * settings.brightness
    return (moved + light).clamp(-1, 1)
