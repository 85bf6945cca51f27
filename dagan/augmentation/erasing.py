"""Random erasing (Zhong et al. 2020): a box of some images of a batch becomes grey."""

import math

import torch

from dagan.shapes import Images

AREA = (0.02, 0.33)
"""Of a box, as a share of the image: uniform. As in torchvision's RandomErasing, like what follows."""

ASPECT = (0.3, 3.3)
"""Height by width of a box; uniform in its logarithm."""

TRIES = 10
"""For a box that is smaller than the image both ways; nothing is erased where none is."""


def erased(images: Images, share: float, random: torch.Generator) -> Images:
    """Set a box, drawn for each image, to 0, the middle grey, in this share of the images."""
    size, count = images.shape[2], len(images)
    draws = torch.rand(2, TRIES, count, generator=random, device=images.device)
    area = size**2 * (AREA[0] + (AREA[1] - AREA[0]) * draws[0])
    low, high = map(math.log, ASPECT)
    aspect = (low + (high - low) * draws[1]).exp()
    lengths = torch.stack([area * aspect, area / aspect]).sqrt().round()
    fits = (lengths < size).all(dim=0)
    first = fits.to(torch.uint8).argmax(dim=0)
    height, width = lengths.gather(1, first.expand(2, 1, -1))[:, 0]
    places = torch.rand(3, count, generator=random, device=images.device)
    top, left = (places[0] * (size - height + 1)).floor(), (places[1] * (size - width + 1)).floor()
    chosen = (places[2] < share) & fits.any(dim=0)
    steps = torch.arange(size, device=images.device)
    rows = (steps >= top[:, None]) & (steps < (top + height)[:, None]) & chosen[:, None]
    columns = (steps >= left[:, None]) & (steps < (left + width)[:, None])
    return images.masked_fill(rows[:, None, :, None] & columns[:, None, None, :], 0.0)
