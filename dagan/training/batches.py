"""Batches of real images, drawn on their device; classically augmented where the method asks for it."""

import torch
from torch import Tensor

from dagan.compute.streams import BatchOrder, Streams
from dagan.config import Config
from dagan.networks.flops import group_count, stage_1_batch
from dagan.stages import Stage
from dagan.training.augmentation import augmented
from dagan.training.dataset import Labelled


class Batches:
    """One batch of a stage after another.

    The first `real` of the images are real and may be augmented. Where generated ones follow, a batch grows by as
    many as these are more, so that B of its images are real on average.
    """

    def __init__(
        self, images: Labelled, config: Config, streams: Streams, stage: Stage, real: int | None = None
    ) -> None:
        self.images, self.settings = images, config.augmentation
        self.real = len(images) if real is None else real
        self.random = streams[f"{stage}.augmentation"]
        self.groups = group_count(config) if stage == "generation" else 1
        size = stage_1_batch(config) if stage == "generation" else config.classifier.batch_size
        self.size = round(size * len(images) / self.real) // self.groups
        self.order = BatchOrder(len(images) // self.groups, streams[f"{stage}.batch_order"])

    def next(self) -> tuple[Labelled, Tensor]:
        """The next batch, and which of its images are real; for separate networks one image of each class in turn."""
        index = in_turn(self.order.next(self.size), self.groups, len(self.images))
        images, labels, real = self.images.images[index], self.images.labels[index], index < self.real
        if self.settings:
            changed = augmented(images, self.settings, self.random)
            images = (
                changed if self.real == len(self.images) else torch.where(real[:, None, None, None], changed, images)
            )
        return Labelled(images, labels), real


def in_turn(positions: Tensor, separate: int, images: int) -> Tensor:
    """Indices of the images at these positions within each of `separate` classes, one of each class in turn.

    Training images are sorted by class, and there are as many of each.
    """
    starts = torch.arange(separate, device=positions.device) * (images // separate)
    return (positions[:, None] + starts).flatten()


def starting_images(train: Labelled, streams: Streams, separate: int = 1) -> Labelled:
    """Up to 500 training images for the data-dependent start; for separate networks one of each class in turn."""
    order = BatchOrder(len(train) // separate, streams.fresh("start"))
    index = in_turn(order.next(min(500, len(train)) // separate), separate, len(train))
    return Labelled(train.images[index], train.labels[index])
