"""Generated images to measure: drawn as stage 2 draws them, the same ones however often one looks."""

import torch
from torch.nn.functional import one_hot

from dagan.data.loading import Labelled
from dagan.shapes import Labels
from dagan.training.generation import Generation


def drawn(generation: Generation, labels: Labels, purpose: str) -> Labelled:
    """One generated image for each of the given labels; equal weights, labels and purpose give equal images."""
    classes = len(generation.config.facts.classes)
    most = int(torch.bincount(labels).max())
    # From the beginning of the stream each time; classes come in turn, so the j-th of class k is image j·K + k.
    pool = generation.sampled(most, generation.streams.fresh(f"{purpose}.latents"))
    earlier = one_hot(labels, classes).cumsum(dim=0).gather(1, labels[:, None])[:, 0] - 1
    return Labelled(pool.images[earlier * classes + labels], labels)
