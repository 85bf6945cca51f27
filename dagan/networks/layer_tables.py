"""The layers of D and G as a table, without a tensor: networks are built from it and operations counted on it.

`conv32` is Table 2 of the DAGAN paper; other sizes and channel counts follow the same pattern. `digits` is the
same pattern with fewer layers and maps, small enough for a laptop CPU. `dcgan64` is the GAN of many tutorials, its D
of linear layers alone. `vgg16` is the paper's D for faces, with conv32's G.
"""

from dataclasses import dataclass
from typing import Literal

from dagan.config import Config
from dagan.stages import Stage


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
    """Dropout follows (D; `digits` and `conv32`: each stride-2 convolution, `vgg16`: each hidden layer)."""
    pooling: bool = False
    """The maximum over 2x2 pixels follows; `size` is that before it."""

    @property
    def multiply_adds(self) -> int:
        """Of one image's forward pass; bias and normalisation are not counted."""
        area = self.size**2 // (self.stride**2 if self.kind == "transposed" else 1)
        return self.inputs * self.outputs * self.kernel**2 * area

    @property
    def parameters(self) -> int:
        """Weights, and a bias for each map out; what normalises a layer is not counted."""
        return (self.inputs * self.kernel**2 + 1) * self.outputs


@dataclass(frozen=True)
class Pattern:
    """The convolutional D of `digits` and `conv32`: what distinguishes one from the other."""

    maps: tuple[int, int]
    convolutions: int
    """3x3 convolutions per block, the last of each with stride 2."""
    ones: int
    """1x1 convolutions at the end."""


PATTERNS = {"digits": Pattern((32, 64), 2, 1), "conv32": Pattern((96, 192), 3, 2)}
DENSE_UNITS = (1024, 512, 256, 128, 64, 32)
"""Hidden units of the dense D of `dcgan64`."""
VGG_MAPS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Maps of VGG-16's 3x3 convolutions; each block ends with the maximum over 2x2 pixels."""
VGG_POOLED = 7
"""Height and width that VGG-16 averages its maps down, or repeats them up, to, whatever the image size."""
VGG_UNITS = (4096, 4096)
GENERATOR_MAPS = {"digits": 128, "conv32": 512, "dcgan64": 512, "vgg16": 512}


def discriminator_layers(config: Config, stage: Stage = "classification") -> list[Layer]:
    """List the layers of the classifier, or of D in stage 1; they differ where D does not go on as the classifier."""
    classes = len(config.facts.classes)
    outputs, labels = config.row.classifier_outputs(classes), 0
    if stage == "generation" and not config.row.continues:
        outputs, labels = 1, classes if config.row.adversary == "conditional" else 0
    if stage == "classification" and config.classifier.start == "fresh":
        outputs = classes
    name = config.network.name
    layers = {"dcgan64": dense_layers, "vgg16": vgg_layers}.get(name, convolutional_layers)(config, labels)
    return [*layers, Layer("linear", layers[-1].outputs, outputs, 1, 1, 0, 1)]


def convolutional_layers(config: Config, labels: int) -> list[Layer]:
    """List two blocks of 3x3 convolutions, one unpadded 3x3, 1x1 convolutions; average pool and linear follow."""
    pattern, size, channels = PATTERNS[config.network.name], config.facts.image_size, config.facts.channels + labels
    layers = []
    for maps in pattern.maps:
        maps = scaled(maps, config)
        for index in range(pattern.convolutions):
            last = index == pattern.convolutions - 1
            size = size // 2 if last else size
            layers.append(Layer("conv", channels, maps, 3, 2 if last else 1, 1, size, dropout=last))
            channels = maps
    padding = 0 if size > 2 else 1  # an 8x8 image has shrunk to 2x2 here
    size = size - 2 + 2 * padding
    layers.append(Layer("conv", channels, channels, 3, 1, padding, size))
    return layers + [Layer("conv", channels, channels, 1, 1, 0, size) for _ in range(pattern.ones)]


def dense_layers(config: Config, labels: int) -> list[Layer]:
    """List linear layers from the flattened image, the label joined to it where D is conditioned."""
    units = [scaled(units, config) for units in DENSE_UNITS]
    inputs = [config.facts.channels * config.facts.image_size**2 + labels, *units]
    return [Layer("linear", before, after, 1, 1, 0, 1) for before, after in zip(inputs, units, strict=False)]


def vgg_layers(config: Config, labels: int) -> list[Layer]:
    """List VGG-16, configuration D of Simonyan & Zisserman 2015: 13 convolutions and two hidden layers."""
    size, channels, layers = config.facts.image_size, 3 + labels, []  # grey images are repeated to three channels
    for block in VGG_MAPS:
        for index, maps in enumerate(block):
            last = index == len(block) - 1
            layers.append(Layer("conv", channels, scaled(maps, config), 3, 1, 1, size, pooling=last))
            channels = scaled(maps, config)
        size //= 2
    inputs = channels * VGG_POOLED**2
    for units in VGG_UNITS:
        layers.append(Layer("linear", inputs, scaled(units, config), 1, 1, 0, 1, dropout=True))
        inputs = scaled(units, config)
    return layers


def generator_layers(config: Config) -> list[Layer]:
    """List G's: linear, then as many stride-2 transposed convolutions as lead from an odd size or 4 to the image's.

    5x5, the label joined to the input of each where G is conditioned; with `dcgan64` 4x4, the label joined to z alone.
    """
    if config.gan is None:
        return []
    size, doublings = config.facts.image_size, 0
    while size % 2 == 0 and size > 4:
        size, doublings = size // 2, doublings + 1
    labels = len(config.facts.classes) if config.row.adversary != "binary" else 0
    maps = scaled(GENERATOR_MAPS[config.network.name], config)
    layers = [Layer("linear", config.gan.latent_size + labels, maps * size**2, 1, 1, 0, 1)]
    kernel, padding, joined = (4, 1, 0) if config.network.name == "dcgan64" else (5, 2, labels)
    for index in range(doublings):
        size *= 2
        outputs = config.facts.channels if index == doublings - 1 else max(1, maps // 2)
        layers.append(Layer("transposed", maps + joined, outputs, kernel, 2, padding, size))
        maps = outputs
    return layers


def scaled(maps: int, config: Config) -> int:
    """Return a number of maps times the width multiplier, at least 1."""
    return max(1, round(maps * config.network.width))
