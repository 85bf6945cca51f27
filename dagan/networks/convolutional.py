"""The networks of `digits` and `conv32`: the DAGAN paper's Table 2, with what its released code adds.

D is D(x, y) → (logits, features), where most do without y; G is G(z, y) → images in [−1, 1]. Randomness is passed
in: D draws its dropout masks from the generator that it is called with, and is deterministic when called with none.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, one_hot

from dagan.compute.random_numbers import dropout
from dagan.networks.interfaces import Discriminator, Generator
from dagan.networks.layer_tables import Layer
from dagan.networks.layers import SLOPE, Weighted, grouped, in_float32, rows, standardise, with_label
from dagan.shapes import Features, Images, Labels, Latents, Logits


class ConvolutionalDiscriminator(Discriminator):
    """D, and the classifier that it becomes."""

    def __init__(
        self,
        layers: list[Layer],
        *,
        dropout: float,
        normalised: bool,
        classes: int | None = None,
        groups: int = 1,
    ) -> None:
        """`classes`: how many, where D is conditioned on the label; `groups`: how many networks this one is."""
        super().__init__()
        self.dropout, self.classes, self.groups = dropout, classes, groups
        self.convolutions = nn.ModuleList(Weighted(layer, groups) for layer in layers[:-1])
        self.head = Weighted(layers[-1], groups)
        if normalised:
            for layer in rows(self.convolutions):
                layer.normalise(learns=False)  # in the released code only the last layer's scale learns
            self.head.normalise(learns=True)

    def forward(
        self, images: Images, labels: Labels | None = None, random: torch.Generator | None = None
    ) -> tuple[Logits, Features]:
        """Logits and pooled features; with `random`, as in training: with dropout."""
        maps = self.conditioned(images, labels)
        for layer in rows(self.convolutions):
            maps = leaky_relu(layer(maps), SLOPE)
            if layer.layer.dropout and random is not None and self.dropout:
                maps = dropout(maps, self.dropout, random)
        features = maps.float().mean(dim=(2, 3))
        logits = in_float32(self.head, features)
        return logits.reshape(len(images), -1), features.reshape(len(images), -1)

    @torch.no_grad()
    def fit_weight_norm(self, images: Images, labels: Labels) -> None:
        """Set scales and biases so that on these images each map has mean 0 and variance 1, the head 0 and 0.1².

        The data-dependent start of the released code (Salimans & Kingma 2016, §3).
        """
        maps = self.conditioned(images, labels)
        for layer in rows(self.convolutions):
            maps = leaky_relu(standardise(layer, maps, std=1.0), SLOPE)
        standardise(self.head, maps.mean(dim=(2, 3)), std=0.1)

    def conditioned(self, images: Images, labels: Labels | None) -> Tensor:
        """Join the label maps, where D is conditioned, and group the images for the first layer."""
        if self.classes is not None:
            assert labels is not None
            images = with_label(images, one_hot(labels, self.classes).to(images.dtype))
        return grouped(images, self.groups)


class ConvolutionalGenerator(Generator):
    """G, conditional on the class; batch norm always by the batch at hand, also when sampling (released code)."""

    def __init__(
        self, layers: list[Layer], *, classes: int, image_size: int, normalised: bool, groups: int = 1
    ) -> None:
        super().__init__()
        first, *rest = layers
        self.classes, self.size, self.groups = classes, image_size // 2 ** len(rest), groups
        self.linear = Weighted(first, groups)
        self.upward = nn.ModuleList(Weighted(layer, groups) for layer in rest)
        # After the linear layer each unit is normalised by itself, not each map: were position allowed to make up
        # the variance, nothing would keep G from ignoring z and y.
        self.norms = nn.ModuleList([nn.BatchNorm1d(groups * first.outputs, track_running_stats=False)])
        self.norms.extend(nn.BatchNorm2d(groups * layer.outputs, track_running_stats=False) for layer in rest[:-1])
        for norm in self.norms:
            norm.weight.requires_grad_(False)  # a shift, but no scale of its own (released code)
        if normalised:
            rows(self.upward)[-1].normalise(learns=True)

    def forward(self, latents: Latents, labels: Labels) -> Images:
        """Return images of the given classes."""
        # Networks of their own, one per class, need no label.
        label = one_hot(labels, self.classes).to(latents.dtype) if self.groups == 1 else None
        inputs = grouped(latents, self.groups) if label is None else torch.cat([latents, label], dim=1)
        hidden, *norms = self.norms
        units = torch.relu(hidden(self.linear(inputs)))
        maps = with_label(units.reshape(len(units), -1, self.size, self.size), label)
        for norm, layer in zip(norms, rows(self.upward)[:-1], strict=True):
            maps = with_label(torch.relu(norm(layer(maps))), label)
        images = torch.tanh(rows(self.upward)[-1](maps))
        return images.reshape(len(latents), -1, *images.shape[2:])
