"""Batches of real images, drawn on their device; classically augmented where the method asks for it."""

import torch
from torch import Tensor

from dagan.augmentation.classical import augmented
from dagan.compute.random_streams import BatchOrder, Streams
from dagan.config import Config
from dagan.networks.flops import group_count, stage_1_batch
from dagan.stage_key import augmented_in_stage_1
from dagan.stages import Stage
from dagan.training.dataset import Labelled


class Batches:
    """One batch of a stage after another.

    The first `real` of the images are real and may be augmented. Where generated ones follow, a batch grows by as
    many as these are more, so that B of its images are real on average.
    """

    def __init__(
        self, images: Labelled, config: Config, streams: Streams, stage: Stage, real: int | None = None
    ) -> None:
        self.images = images
        # In the released code stage 1 sees the images as they are.
        self.settings = config.augmentation if stage == "classification" or augmented_in_stage_1(config) else None
        self.real = len(images) if real is None else real
        self.streams, self.stage = streams, stage
        self.groups = group_count(config) if stage == "generation" else 1
        size = stage_1_batch(config) if stage == "generation" else config.classifier.batch_size
        self.size = round(size * len(images) / self.real) // self.groups
        self.order = BatchOrder(len(images) // self.groups, streams[f"{stage}.batch_order"])

    def next(self) -> tuple[Labelled, Tensor]:
        """Return the next batch, and which of its images are real; for K groups one image of each class in turn."""
        index = interleaved(self.order.next(self.size), self.groups, len(self.images))
        images, labels, real = self.images.images[index], self.images.labels[index], index < self.real
        if self.settings:
            changed = augmented(images, self.settings, self.streams, self.stage)
            images = (
                changed if self.real == len(self.images) else torch.where(real[:, None, None, None], changed, images)
            )
        return Labelled(images, labels), real


def interleaved(positions: Tensor, groups: int, images: int) -> Tensor:
    """Return indices of the images at these positions within each of `groups` classes, one of each class in turn.

    Training images are sorted by class, and there are as many of each.
    """
    starts = torch.arange(groups, device=positions.device) * (images // groups)
    return (positions[:, None] + starts).flatten()


def starting_images(train: Labelled, streams: Streams, groups: int = 1) -> Labelled:
    """Return up to 500 training images for the data-dependent start; for K groups one of each class in turn."""
    order = BatchOrder(len(train) // groups, streams.fresh("start"))
    index = interleaved(order.next(min(500, len(train)) // groups), groups, len(train))
    return Labelled(train.images[index], train.labels[index])
