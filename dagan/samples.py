"""Generated images to measure: drawn as in training, the same ones however often one looks."""

import math
from typing import Any, Protocol, runtime_checkable

import torch

from dagan.config import Config
from dagan.datasets import Labelled, TrainingData
from dagan.shapes import Labels
from dagan.streams import Streams


@runtime_checkable
class Draws(Protocol):
    """What a training has that draws images."""

    config: Config
    data: TrainingData
    streams: Streams

    def draw(self, labels: Labels, purpose: str) -> Any:
        """Generated images of the given classes, from the streams of a purpose."""


@torch.no_grad()
def drawn(training: Draws, labels: Labels, purpose: str) -> Labelled:
    """One generated image for each of the given labels; equal weights, labels and purpose give equal images.

    Batch norm of G works with the batch at hand, so images are drawn in batches of the training's size that hold all
    classes alike, whatever mix is asked for. The purpose's streams are left as they began.
    """
    classes = len(training.config.facts.classes)
    alike = max(1, math.ceil(training.config.classifier.batch_size / classes))
    batch = torch.arange(classes, device=labels.device).repeat(alike)
    rounds = math.ceil(int(torch.bincount(labels).max()) / alike)
    parts = [drawn_batch(training, batch, purpose) for _ in range(rounds)]
    rewind(training.streams, purpose)
    pool = Labelled(torch.cat([part.images for part in parts]), torch.cat([part.labels for part in parts]))
    chosen = torch.empty_like(labels)
    for label in labels.unique():
        wanted = labels == label
        chosen[wanted] = torch.nonzero(pool.labels == label)[: int(wanted.sum()), 0]
    return Labelled(pool.images[chosen], labels)


def drawn_batch(training: Draws, labels: Labels, purpose: str) -> Labelled:
    """The one place that asks a training for images."""
    images = training.draw(labels, purpose)
    return images if isinstance(images, Labelled) else Labelled(images, labels)


def rewind(streams: Streams, purpose: str) -> None:
    """Set the streams of a purpose to where they began."""
    fresh = Streams(streams.seed, streams.device)
    for name in streams.state():
        if name.startswith(f"{purpose}."):
            streams[name].set_state(fresh[name].get_state())
