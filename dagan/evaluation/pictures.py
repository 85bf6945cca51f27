"""Generated images beside real ones, as pixels."""

import numpy as np
import torch
from numpy.typing import NDArray

from dagan.shapes import Images
from dagan.training.dataset import Labelled
from dagan.training.training import Training

Grid = NDArray[np.uint8]
"""Shape (classes, columns, height, width, channels), 0…255."""


def pixels(images: Images) -> NDArray[np.uint8]:
    """Convert images in [−1, 1] to 0…255, shape (images, height, width, channels)."""
    scaled = ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return scaled.permute(0, 2, 3, 1).cpu().numpy()


@torch.no_grad()
def generated_grid(training: Training, columns: int = 8) -> Grid:
    """Draw images of every class, from latents of a stream of their own."""
    classes = len(training.config.facts.classes)
    # Batch norm works with the batch at hand: one batch holds all classes alike, as in training.
    labels = torch.arange(classes, device=training.machine.device).repeat(max(columns, 16))
    assert training.generated is not None, "the method has no generated images"
    images = pixels(training.generated.draw(labels, "pictures").images)
    return images.reshape(-1, classes, *images.shape[1:]).swapaxes(0, 1)[:, :columns]


def progress_grid(training: Training) -> dict[int, Grid]:
    """Return, by iteration of stage 1, what G then drew of each of the first classes, a column; last its end.

    Without a GAN of its own a training has none.
    """
    if training.generation is None:
        return {}
    looks = training.generation.looks | {training.length("generation"): training.generation.look()}
    return {iteration: pixels(images)[:, None] for iteration, images in sorted(looks.items())}


def real_grid(train: Labelled, classes: int, columns: int = 8) -> Grid:
    """Return the first training images of every class, repeated where there are fewer."""
    rows = []
    for label in range(classes):
        index = torch.nonzero(train.labels == label)[:, 0]
        rows.append(pixels(train.images[index.repeat(columns)[:columns]]))
    return np.stack(rows)
