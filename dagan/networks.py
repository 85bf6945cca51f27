"""The networks D and G, built from the layer table. ALGORITHM §3.

D is D(x) → (logits, features); G is G(z, y) → images in [−1, 1]. Randomness is passed in: D draws its noise and
dropout masks from the generator that it is called with, and is deterministic when called with none.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, one_hot
from torch.nn.utils import parametrize, skip_init
from torch.nn.utils.parametrizations import weight_norm

from dagan.architecture import Layer, discriminator_layers, generator_layers
from dagan.config import Config
from dagan.shapes import Features, Images, Labels, Latents, Logits

SLOPE = 0.2
INITIAL_STD = 0.05


class Discriminator(nn.Module):
    """D, and the classifier that it becomes."""

    def __init__(self, layers: list[Layer], *, noise: float, dropout: float, normalised: bool) -> None:
        super().__init__()
        self.noise, self.dropout = noise, dropout
        self.dropped = [layer.dropout for layer in layers[:-1]]
        self.convolutions = nn.ModuleList(build(layer) for layer in layers[:-1])
        self.head = build(layers[-1])
        if normalised:
            for layer in self.convolutions:
                # The released code leaves the scale of all but the last layer as its first batch set it.
                weight_norm(layer).parametrizations.weight.original0.requires_grad_(False)
            weight_norm(self.head)

    def forward(self, images: Images, random: torch.Generator | None = None) -> tuple[Logits, Features]:
        """Logits and pooled features; with `random`, as in training: with noise and dropout."""
        maps = images
        if random is not None and self.noise:
            maps = maps + self.noise * torch.empty_like(maps).normal_(generator=random)
        for layer, dropped in zip(self.convolutions, self.dropped, strict=True):
            maps = leaky_relu(layer(maps), SLOPE)
            if dropped and random is not None and self.dropout:
                keep = 1 - self.dropout
                maps = maps * torch.empty_like(maps).bernoulli_(keep, generator=random).div_(keep)
        features = maps.mean(dim=(2, 3))
        return self.head(features), features

    @torch.no_grad()
    def fit_weight_norm(self, images: Images) -> None:
        """Set scales and biases so that on these images each map has mean 0 and variance 1, the head 0 and 0.1².

        The data-dependent start of the released code (Salimans & Kingma 2016, §3).
        """
        maps = images
        for layer in self.convolutions:
            maps = leaky_relu(standardise(layer, maps, std=1.0), SLOPE)
        standardise(self.head, maps.mean(dim=(2, 3)), std=0.1)


class Generator(nn.Module):
    """G, conditional on the class; batch norm always by the batch at hand, also when sampling (released code)."""

    def __init__(self, layers: list[Layer], *, classes: int, image_size: int, normalised: bool) -> None:
        super().__init__()
        first, *rest = layers
        self.classes, self.size = classes, image_size // 2 ** len(rest)
        self.linear = build(first)
        self.upward = nn.ModuleList(build(layer) for layer in rest)
        # After the linear layer each unit is normalised by itself, not each map: were position allowed to make up
        # the variance, nothing would keep G from ignoring z and y.
        self.norms = nn.ModuleList([nn.BatchNorm1d(first.outputs, track_running_stats=False)])
        self.norms.extend(nn.BatchNorm2d(layer.outputs, track_running_stats=False) for layer in rest[:-1])
        for norm in self.norms:
            norm.weight.requires_grad_(False)  # a shift, but no scale of its own (released code)
        if normalised:
            weight_norm(self.upward[-1], dim=1)

    def forward(self, latents: Latents, labels: Labels) -> Images:
        """Images of the given classes."""
        return torch.tanh(self.upward[-1](self.before_last(latents, labels)))

    def before_last(self, latents: Latents, labels: Labels) -> Tensor:
        """The input of the last layer."""
        label = one_hot(labels, self.classes).to(latents.dtype)
        hidden, *norms = self.norms
        units = torch.relu(hidden(self.linear(torch.cat([latents, label], dim=1))))
        maps = with_label(units.reshape(len(labels), -1, self.size, self.size), label)
        for norm, layer in zip(norms, self.upward[:-1], strict=True):
            maps = with_label(torch.relu(norm(layer(maps))), label)
        return maps

    @torch.no_grad()
    def fit_weight_norm(self, latents: Latents, labels: Labels) -> None:
        """Set scale and bias of the last layer so that it starts with mean 0 and standard deviation 0.1."""
        standardise(self.upward[-1], self.before_last(latents, labels), std=0.1)


def with_label(maps: Tensor, label: Tensor) -> Tensor:
    """The maps with one constant map per class joined to them: 1 for the class of the image, else 0."""
    return torch.cat([maps, label[:, :, None, None].expand(-1, -1, *maps.shape[2:])], dim=1)


def build(layer: Layer) -> nn.Module:
    """The module of one row of the layer table; PyTorch's own start would draw from the global generator."""
    module: nn.Module
    if layer.kind == "linear":
        module = skip_init(nn.Linear, layer.inputs, layer.outputs)
    elif layer.kind == "conv":
        module = skip_init(nn.Conv2d, layer.inputs, layer.outputs, layer.kernel, layer.stride, layer.padding)
    else:
        module = skip_init(
            nn.ConvTranspose2d,
            layer.inputs,
            layer.outputs,
            layer.kernel,
            layer.stride,
            layer.padding,
            output_padding=layer.stride - 1,
        )
    return module


def standardise(layer: nn.Module, inputs: Tensor, *, std: float) -> Tensor:
    """Scale and shift a weight-normalised layer to the given output statistics; its output on the inputs."""
    outputs: Tensor = layer(inputs)
    axes = [axis for axis in range(outputs.dim()) if axis != 1]
    shape = [1, -1] + [1] * (outputs.dim() - 2)
    factor = std / (outputs.std(dim=axes, correction=0) + 1e-8)
    shift = -outputs.mean(dim=axes) * factor
    parameters = dict(layer.named_parameters())
    scale = parameters["parametrizations.weight.original0"]
    scale.mul_(factor.reshape([-1 if length > 1 else 1 for length in scale.shape]))
    parameters["bias"].mul_(factor).add_(shift)
    return outputs * factor.reshape(shape) + shift.reshape(shape)


def initialise(module: nn.Module, random: torch.Generator) -> None:
    """Weights N(0, 0.05²), biases 0, layer by layer in the order of the table, so that the head comes last."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            weight = torch.empty_like(layer.weight).normal_(0, INITIAL_STD, generator=random)
            with torch.no_grad():
                if parametrize.is_parametrized(layer):
                    layer.weight = weight
                else:
                    layer.weight.copy_(weight)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)


def discriminator(config: Config, random: torch.Generator) -> Discriminator:
    """D with fresh weights."""
    network = Discriminator(
        discriminator_layers(config),
        noise=config.network.noise,
        dropout=config.network.dropout,
        normalised=config.network.weight_norm,
    ).to(random.device)
    initialise(network, random)
    return network


def generator(config: Config, random: torch.Generator) -> Generator | None:
    """G with fresh weights; None for methods without one."""
    if config.gan is None:
        return None
    network = Generator(
        generator_layers(config),
        classes=len(config.facts.classes),
        image_size=config.facts.image_size,
        normalised=config.network.weight_norm,
    ).to(random.device)
    initialise(network, random)
    return network
