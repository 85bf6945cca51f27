"""The networks of `dcgan64`: G of transposed convolutions, D of linear layers, both with batch norm.

Batch norm works with the batch at hand, and neither network carries running statistics. To evaluate, D takes those of
all images like the ones that it learns from instead, computed afresh by the weights that evaluate: what
`torch.optim.swa_utils.update_bn` does for averaged weights, but exactly, not batch by batch.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, leaky_relu, leaky_relu_, one_hot

from dagan.networks.interfaces import Discriminator, Generator, Statistics
from dagan.networks.layer_tables import Layer
from dagan.networks.layers import SLOPE, Weighted, grouped, in_float32, rows
from dagan.shapes import Features, Images, Labels, Latents, Logits

CHUNK = 500
"""Images that go through a layer at once while statistics are computed."""


class DenseDiscriminator(Discriminator):
    """D, and the classifier that it becomes: linear layers on the flattened image."""

    batch_norm = True

    def __init__(self, layers: list[Layer], *, classes: int | None = None, groups: int = 1) -> None:
        """`classes`: how many, where D is conditioned on the label; `groups`: how many networks this one is."""
        super().__init__()
        self.classes, self.groups = classes, groups
        self.hidden = nn.ModuleList(Weighted(layer, groups) for layer in layers[:-1])
        self.norms = nn.ModuleList(
            nn.BatchNorm1d(groups * layer.outputs, track_running_stats=False) for layer in layers[:-1]
        )
        self.head = Weighted(layers[-1], groups)

    def forward(
        self,
        images: Images,
        labels: Labels | None = None,
        random: torch.Generator | None = None,
        statistics: Statistics | None = None,
    ) -> tuple[Logits, Features]:
        """Logits and the last hidden units; normalised by the batch at hand, unless statistics are given.

        There is nothing random in it.
        """
        units = self.flattened(images, labels)
        for index, (layer, norm) in enumerate(zip(rows(self.hidden), self.norms, strict=True)):
            units = layer(units).float()
            units = norm(units) if statistics is None else normalised(units, statistics[index], norm)
            units = leaky_relu_(units, SLOPE)
        logits = in_float32(self.head, units)
        return logits.reshape(len(images), -1), units.reshape(len(images), -1)

    @torch.no_grad()
    def statistics(self, images: Images) -> Statistics:
        """Return mean and variance of the units on these images, as all of them in one batch would have."""
        units, statistics = self.flattened(images, None), Statistics()
        for layer, norm in zip(rows(self.hidden), self.norms, strict=True):
            units = torch.cat([layer(some).float() for some in units.split(CHUNK)])
            statistics.append((units.mean(dim=0), units.var(dim=0, correction=0)))
            units = leaky_relu_(normalised(units, statistics[-1], norm), SLOPE)
        return statistics

    def evaluated(self, images: Images, statistics: Statistics) -> tuple[Logits, Features]:
        """Logits and features, each image by itself."""
        return self.forward(images, statistics=statistics)

    def flattened(self, images: Images, labels: Labels | None) -> Tensor:
        """Return the pixels, joined by the label where D is conditioned on it."""
        pixels = grouped(images, self.groups).flatten(1)
        if self.classes is None:
            return pixels
        assert labels is not None
        return torch.cat([pixels, one_hot(labels, self.classes).to(pixels.dtype)], dim=1)


class UpwardGenerator(Generator):
    """G, conditional on the class; batch norm always by the batch at hand, also when sampling."""

    def __init__(self, layers: list[Layer], *, classes: int, image_size: int, groups: int = 1) -> None:
        super().__init__()
        first, *rest = layers
        self.classes, self.size, self.groups = classes, image_size // 2 ** len(rest), groups
        self.linear = Weighted(first, groups)
        self.upward = nn.ModuleList(Weighted(layer, groups) for layer in rest)
        # Each unit by itself after the linear layer, as in conv32's G and for its reason.
        self.norms = nn.ModuleList([nn.BatchNorm1d(groups * first.outputs, track_running_stats=False)])
        self.norms.extend(nn.BatchNorm2d(groups * layer.outputs, track_running_stats=False) for layer in rest[:-1])

    def forward(self, latents: Latents, labels: Labels) -> Images:
        """Return images of the given classes."""
        if self.groups == 1:
            inputs = torch.cat([latents, one_hot(labels, self.classes).to(latents.dtype)], dim=1)
        else:  # networks of their own, one per class, need no label
            inputs = grouped(latents, self.groups)
        hidden, *norms = self.norms
        units = leaky_relu(hidden(self.linear(inputs)), SLOPE)
        maps = units.reshape(len(units), -1, self.size, self.size)
        *middle, last = rows(self.upward)
        for norm, layer in zip(norms, middle, strict=True):
            maps = leaky_relu(norm(layer(maps)), SLOPE)
        images = torch.tanh(last(maps))
        return images.reshape(len(latents), -1, *images.shape[2:])


def normalised(units: Tensor, statistics: tuple[Tensor, Tensor], norm: nn.Module) -> Tensor:
    """Units normalised by given statistics, with the scale and shift of a batch norm layer."""
    assert isinstance(norm, nn.BatchNorm1d)
    return batch_norm(units, *statistics, norm.weight, norm.bias, eps=norm.eps)
