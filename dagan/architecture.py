"""The layers of D and G as a table, without a tensor: networks are built from it and operations counted on it.

`conv32` is Table 2 of the DAGAN paper; other sizes and channel counts follow the same pattern. `digits` is the
same pattern with fewer layers and maps, small enough for a laptop CPU. ALGORITHM §3.
"""

import math
from dataclasses import dataclass
from typing import Literal

from dagan.config import Config


@dataclass(frozen=True)
class Layer:
    """One convolution, transposed convolution or linear layer."""

    kind: Literal["conv", "transposed", "linear"]
    inputs: int
    """Maps in, concatenated label maps included."""
    outputs: int
    kernel: int
    stride: int
    padding: int
    size: int
    """Height and width of the output."""
    dropout: bool = False
    """Dropout follows (D, after each stride-2 convolution)."""

    @property
    def multiply_adds(self) -> int:
        """Of one image's forward pass; bias and normalisation are not counted."""
        area = self.size**2 // (self.stride**2 if self.kind == "transposed" else 1)
        return self.inputs * self.outputs * self.kernel**2 * area


@dataclass(frozen=True)
class Pattern:
    """What distinguishes one network name from another."""

    discriminator_maps: tuple[int, int]
    convolutions: int
    """3x3 convolutions per block, the last of each with stride 2."""
    ones: int
    """1x1 convolutions at the end."""
    generator_maps: int


PATTERNS = {
    "digits": Pattern((32, 64), 2, 1, 128),
    "conv32": Pattern((96, 192), 3, 2, 512),
}


def discriminator_layers(config: Config) -> list[Layer]:
    """D: two blocks of 3x3 convolutions, one unpadded 3x3, 1x1 convolutions, global average pool, linear."""
    pattern, size, channels = PATTERNS[config.network.name], config.facts.image_size, config.facts.channels
    layers = []
    for maps in pattern.discriminator_maps:
        maps = scaled(maps, config)
        for index in range(pattern.convolutions):
            last = index == pattern.convolutions - 1
            size = size // 2 if last else size
            layers.append(Layer("conv", channels, maps, 3, 2 if last else 1, 1, size, dropout=last))
            channels = maps
    padding = 0 if size > 2 else 1  # an 8x8 image has shrunk to 2x2 here
    size = size - 2 + 2 * padding
    layers.append(Layer("conv", channels, channels, 3, 1, padding, size))
    layers += [Layer("conv", channels, channels, 1, 1, 0, size) for _ in range(pattern.ones)]
    outputs = config.row.outputs_per_class * len(config.facts.classes)
    return [*layers, Layer("linear", channels, outputs, 1, 1, 0, 1)]


def generator_layers(config: Config) -> list[Layer]:
    """G: linear, then 5x5 transposed convolutions of stride 2, the label joined to the input of each.

    As many doublings as lead from the image size down to an odd size or to 4.
    """
    if config.gan is None:
        return []
    size, doublings = config.facts.image_size, 0
    while size % 2 == 0 and size > 4:
        size, doublings = size // 2, doublings + 1
    labels = len(config.facts.classes)
    maps = scaled(PATTERNS[config.network.name].generator_maps, config)
    layers = [Layer("linear", config.gan.latent_size + labels, maps * size**2, 1, 1, 0, 1)]
    for index in range(doublings):
        size *= 2
        outputs = config.facts.channels if index == doublings - 1 else max(1, maps // 2)
        layers.append(Layer("transposed", maps + labels, outputs, 5, 2, 2, size))
        maps = outputs
    return layers


def scaled(maps: int, config: Config) -> int:
    """A number of maps times the width multiplier, at least 1."""
    return max(1, round(maps * config.network.width))


def pflop(config: Config, *, stage: Literal["generation", "classification"], iterations: int) -> float:
    """Counted operations of some iterations of a stage, in 1e15; a multiply-add counts as two.

    A backward pass costs two forward passes: one for the gradient of the weights, one for that of the input.
    Images drawn in order to train D need no backward pass through G, and G's steps none for D's weights.
    """
    discriminator = sum(layer.multiply_adds for layer in discriminator_layers(config))
    generator = sum(layer.multiply_adds for layer in generator_layers(config))
    batch, ratio = config.classifier.batch_size, config.classifier.augmentation_ratio
    if stage == "classification":
        drawn = round(ratio * batch)
        work = 3 * discriminator * (batch + drawn) + generator * batch * math.ceil(drawn / batch)
    elif config.gan is None:
        work = 0
    else:
        steps = config.gan.generator_steps
        discriminator_step = 3 * discriminator * 2 * batch + generator * batch
        # D's features of the real images are computed once for all of the G steps.
        generator_step = (2 * discriminator + 3 * generator) * batch
        work = discriminator_step + steps * generator_step + discriminator * batch
    return 2 * work * iterations / 1e15
