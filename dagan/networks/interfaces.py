"""What the two stages ask of a D and of a G, whatever its layers."""

import torch
from torch import Tensor, nn

from dagan.shapes import Features, Images, Labels, Latents, Logits

Statistics = list[tuple[Tensor, Tensor]]
"""Mean and variance of each unit, layer by layer."""


class Discriminator(nn.Module):
    """D, and the classifier that it becomes: D(x) or D(x, y) → (logits, features)."""

    batch_norm = False
    """Whether an image can be judged by itself only with `statistics` of others."""

    def forward(
        self, images: Images, labels: Labels | None = None, random: torch.Generator | None = None
    ) -> tuple[Logits, Features]:
        """Logits and features; with `random`, as in training: with dropout."""
        raise NotImplementedError

    def fit_weight_norm(self, images: Images, labels: Labels) -> None:
        """Start from these images, where `network.weight_norm` is on."""
        raise NotImplementedError

    def statistics(self, images: Images) -> Statistics:
        """What D must know of its training images to judge an image by itself: nothing, without batch norm."""
        return []

    def evaluated(self, images: Images, statistics: Statistics) -> tuple[Logits, Features]:
        """Logits and features, each image by itself."""
        logits, features = self(images)
        return logits, features


class Generator(nn.Module):
    """G(z, y) → images in [−1, 1]."""

    def forward(self, latents: Latents, labels: Labels) -> Images:
        """Return images of the given classes."""
        raise NotImplementedError
