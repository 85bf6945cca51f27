"""The networks D and G, built from the layer table; here those of `digits` and `conv32`. ALGORITHM §3.

D is D(x, y) → (logits, features), where most do without y; G is G(z, y) → images in [−1, 1]. Randomness is passed
in: D draws its noise and dropout masks from the generator that it is called with, and is deterministic when called
with none.

Where each class has its own GAN, the K networks are one, whose layers are K layers side by side (`groups`): its
images and labels come in turn, one of each class, then the next of each.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu, linear, one_hot

from dagan.compute.noise import dropout, noisy
from dagan.compute.transposed import transposed_convolution
from dagan.config import Config
from dagan.networks.flops import group_count
from dagan.networks.interfaces import Discriminator, Generator
from dagan.networks.tables import Layer, discriminator_layers, generator_layers
from dagan.shapes import Features, Images, Labels, Latents, Logits
from dagan.stages import Stage

SLOPE = 0.2
INITIAL_STD = 0.05


class Weighted(nn.Module):
    """One row of the layer table, `groups` of them side by side, with weight normalisation where asked for.

    Weight normalisation (Salimans & Kingma 2016): each output map has a direction, `weight`, and a `scale` apart.
    """

    def __init__(self, layer: Layer, groups: int = 1) -> None:
        super().__init__()
        self.layer, self.groups = layer, groups
        kernel = () if layer.kind == "linear" else (layer.kernel, layer.kernel)
        first, second = layer.outputs, layer.inputs
        if layer.kind == "transposed":
            first, second = second, first
        self.weight = nn.Parameter(torch.empty(groups * first, second, *kernel))
        self.bias = nn.Parameter(torch.zeros(groups * layer.outputs))
        self.scale: nn.Parameter | None = None

    def normalise(self, *, learns: bool) -> None:
        """Give each output map a scale of its own; one that does not learn stays as the first batch sets it."""
        self.scale = nn.Parameter(torch.ones(len(self.bias)), requires_grad=learns)

    def forward(self, inputs: Tensor) -> Tensor:
        """The layer's output, before any non-linearity."""
        layer, weight = self.layer, self.normalised_weight()
        if layer.kind == "conv":
            return conv2d(inputs, weight, self.bias, layer.stride, layer.padding, groups=self.groups)
        if layer.kind == "transposed":
            return transposed_convolution(
                inputs, weight, self.bias, stride=layer.stride, padding=layer.padding, groups=self.groups
            )
        if self.groups == 1:
            return linear(inputs, weight, self.bias)
        apart = inputs.reshape(len(inputs), self.groups, -1)
        outputs: Tensor = torch.einsum("bgi,goi->bgo", apart, weight.reshape(self.groups, -1, layer.inputs))
        return outputs.flatten(1) + self.bias

    def normalised_weight(self) -> Tensor:
        """The weight that is applied."""
        if self.scale is None:
            return self.weight
        if self.layer.kind != "transposed":
            inner = tuple(range(1, self.weight.dim()))
            length: Tensor = torch.linalg.vector_norm(self.weight, dim=inner)
            return self.weight * (self.scale / length).reshape(-1, *(1 for _ in inner))
        apart = self.weight.reshape(self.groups, self.layer.inputs, self.layer.outputs, -1)
        length = torch.linalg.vector_norm(apart, dim=(1, 3)).flatten()
        return (apart * (self.scale / length).reshape(self.groups, 1, -1, 1)).reshape(self.weight.shape)


class ConvolutionalDiscriminator(Discriminator):
    """D, and the classifier that it becomes."""

    def __init__(
        self,
        layers: list[Layer],
        *,
        noise: float,
        dropout: float,
        normalised: bool,
        classes: int | None = None,
        groups: int = 1,
    ) -> None:
        """`classes`: how many, where D is told the label of its image; `groups`: networks side by side."""
        super().__init__()
        self.noise, self.dropout, self.classes, self.groups = noise, dropout, classes, groups
        self.convolutions = nn.ModuleList(Weighted(layer, groups) for layer in layers[:-1])
        self.head = Weighted(layers[-1], groups)
        if normalised:
            for layer in rows(self.convolutions):
                layer.normalise(learns=False)  # in the released code only the last layer's scale learns
            self.head.normalise(learns=True)

    def forward(
        self, images: Images, labels: Labels | None = None, random: torch.Generator | None = None
    ) -> tuple[Logits, Features]:
        """Logits and pooled features; with `random`, as in training: with noise and dropout."""
        maps = self.told(noisy(images, self.noise, random), labels)
        for layer in rows(self.convolutions):
            maps = leaky_relu(layer(maps), SLOPE)
            if layer.layer.dropout and random is not None and self.dropout:
                maps = dropout(maps, self.dropout, random)
        features = maps.mean(dim=(2, 3))
        logits = self.head(features)
        return logits.reshape(len(images), -1), features.reshape(len(images), -1)

    @torch.no_grad()
    def fit_weight_norm(self, images: Images, labels: Labels) -> None:
        """Set scales and biases so that on these images each map has mean 0 and variance 1, the head 0 and 0.1².

        The data-dependent start of the released code (Salimans & Kingma 2016, §3).
        """
        maps = self.told(images, labels)
        for layer in rows(self.convolutions):
            maps = leaky_relu(standardise(layer, maps, std=1.0), SLOPE)
        standardise(self.head, maps.mean(dim=(2, 3)), std=0.1)

    def told(self, images: Images, labels: Labels | None) -> Tensor:
        """The images with what else D is told, ready for the first layer."""
        if self.classes is not None:
            assert labels is not None
            images = with_label(images, one_hot(labels, self.classes).to(images.dtype))
        return side_by_side(images, self.groups)


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
        """Images of the given classes."""
        images = torch.tanh(rows(self.upward)[-1](self.before_last(latents, labels)))
        return images.reshape(len(latents), -1, *images.shape[2:])

    def before_last(self, latents: Latents, labels: Labels) -> Tensor:
        """The input of the last layer."""
        # Separate networks, one per class, need not be told the class.
        label = one_hot(labels, self.classes).to(latents.dtype) if self.groups == 1 else None
        hidden, *norms = self.norms
        told = latents.reshape(len(latents) // self.groups, -1) if label is None else torch.cat([latents, label], dim=1)
        units = torch.relu(hidden(self.linear(told)))
        maps = with_label(units.reshape(len(units), -1, self.size, self.size), label)
        for norm, layer in zip(norms, rows(self.upward)[:-1], strict=True):
            maps = with_label(torch.relu(norm(layer(maps))), label)
        return maps

    @torch.no_grad()
    def fit_weight_norm(self, latents: Latents, labels: Labels) -> None:
        """Set scale and bias of the last layer so that it starts with mean 0 and standard deviation 0.1."""
        standardise(rows(self.upward)[-1], self.before_last(latents, labels), std=0.1)


def rows(modules: nn.ModuleList) -> list[Weighted]:
    """The layers in a list of modules, by their type."""
    return [module for module in modules if isinstance(module, Weighted)]


def side_by_side(images: Tensor, groups: int) -> Tensor:
    """Images that come in turn, one of each group, as one image of `groups` times the channels."""
    return images if groups == 1 else images.reshape(len(images) // groups, -1, *images.shape[2:])


def with_label(maps: Tensor, label: Tensor | None) -> Tensor:
    """The maps with one constant map per class joined to them: 1 for the class of the image, else 0."""
    if label is None:
        return maps
    label = label.to(maps.dtype)  # or bfloat16 maps would become float32 ones, and then bfloat16 again
    return torch.cat([maps, label[:, :, None, None].expand(-1, -1, *maps.shape[2:])], dim=1)


def standardise(layer: Weighted, inputs: Tensor, *, std: float) -> Tensor:
    """Scale and shift a weight-normalised layer to the given output statistics; its output on the inputs."""
    outputs: Tensor = layer(inputs)
    axes = [axis for axis in range(outputs.dim()) if axis != 1]
    shape = [1, -1] + [1] * (outputs.dim() - 2)
    factor = std / (outputs.std(dim=axes, correction=0) + 1e-8)
    shift = -outputs.mean(dim=axes) * factor
    assert layer.scale is not None
    layer.scale.mul_(factor)
    layer.bias.mul_(factor).add_(shift)
    return outputs * factor.reshape(shape) + shift.reshape(shape)


@torch.no_grad()
def initialise(module: nn.Module, random: torch.Generator) -> None:
    """Weights N(0, 0.05²), biases 0, layer by layer in the order of the table, so that the head comes last."""
    for layer in module.modules():
        if isinstance(layer, Weighted):
            layer.weight.normal_(0, INITIAL_STD, generator=random)


def discriminator(config: Config, random: torch.Generator, stage: Stage = "classification") -> Discriminator:
    """The classifier, or D of stage 1, with fresh weights, or ImageNet's.

    Raises:
        InvalidInput: ImageNet's weights cannot be had.
    """
    settings, layers, generation = config.network, discriminator_layers(config, stage), stage == "generation"
    classes = len(config.facts.classes) if generation and config.row.adversary == "conditional" else None
    groups = group_count(config) if generation else 1
    # Imported here: the other networks are made of this file's layers.
    if settings.name == "vgg16":
        from dagan.networks.imagenet import imagenet_weights
        from dagan.networks.vgg import Vgg

        vgg = Vgg(layers, noise=settings.noise, dropout=settings.dropout, classes=classes, groups=groups)
        vgg.to(random.device)
        if settings.pretrained:
            vgg.adopt(imagenet_weights(settings.weights, vgg.imagenet_shapes()), random)
        else:
            vgg.initialise(random)
        return vgg
    network: Discriminator
    if settings.name == "dcgan64":
        from dagan.networks.dcgan import DenseDiscriminator

        network = DenseDiscriminator(layers, noise=settings.noise, classes=classes, groups=groups)
    else:
        network = ConvolutionalDiscriminator(
            layers,
            noise=settings.noise,
            dropout=settings.dropout,
            normalised=settings.weight_norm,
            classes=classes,
            groups=groups,
        )
    network.to(random.device)
    initialise(network, random)
    return network


def unstarted(config: Config) -> Config:
    """The config for networks whose weights come from elsewhere: ImageNet's need not be found first."""
    return config.model_copy(update={"network": config.network.model_copy(update={"pretrained": None})})


def generator(config: Config, random: torch.Generator) -> Generator | None:
    """G with fresh weights; None for methods without one."""
    if config.gan is None:
        return None
    network: Generator
    layers, groups = generator_layers(config), group_count(config)
    classes, size = len(config.facts.classes), config.facts.image_size
    if config.network.name == "dcgan64":
        from dagan.networks.dcgan import UpwardGenerator

        network = UpwardGenerator(layers, classes=classes, image_size=size, groups=groups)
    else:
        normalised = config.network.weight_norm
        network = ConvolutionalGenerator(layers, classes=classes, image_size=size, normalised=normalised, groups=groups)
    network.to(random.device)
    initialise(network, random)
    return network
