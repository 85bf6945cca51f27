"""The layers that all networks are built of.

Where each class has a GAN of its own, the K networks are one network of K `groups`: each layer computes K layers at
once, and images and labels come in turn, one of each class, then the next of each.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

from dagan.compute.transposed_convolution import transposed_convolution
from dagan.networks.layer_tables import Layer

SLOPE = 0.2
"""Of every leaky ReLU."""
INITIAL_STD = 0.05
"""Standard deviation of the initial weights."""


class Weighted(nn.Module):
    """One row of the layer table, computed for `groups` networks at once, with weight normalisation where asked for.

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
        """Return the layer's output, before any non-linearity."""
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
        """Return the weight that is applied."""
        if self.scale is None:
            return self.weight
        if self.layer.kind != "transposed":
            inner = tuple(range(1, self.weight.dim()))
            length: Tensor = torch.linalg.vector_norm(self.weight, dim=inner)
            return self.weight * (self.scale / length).reshape(-1, *(1 for _ in inner))
        apart = self.weight.reshape(self.groups, self.layer.inputs, self.layer.outputs, -1)
        length = torch.linalg.vector_norm(apart, dim=(1, 3)).flatten()
        return (apart * (self.scale / length).reshape(self.groups, 1, -1, 1)).reshape(self.weight.shape)


def rows(modules: nn.ModuleList) -> list[Weighted]:
    """Return the layers in a list of modules, by their type."""
    return [module for module in modules if isinstance(module, Weighted)]


def in_float32(layer: nn.Module, inputs: Tensor) -> Tensor:
    """Return a layer's output in float32, whatever the precision around it: a head's sums decide close calls."""
    with torch.autocast(inputs.device.type, enabled=False):
        outputs: Tensor = layer(inputs.float())
    return outputs


def grouped(images: Tensor, groups: int) -> Tensor:
    """Join images that come in turn, one of each group, to one image of `groups` times the channels."""
    return images if groups == 1 else images.reshape(len(images) // groups, -1, *images.shape[2:])


def with_label(maps: Tensor, label: Tensor | None) -> Tensor:
    """Join one constant map per class to the maps: 1 for the class of the image, else 0."""
    if label is None:
        return maps
    label = label.to(maps.dtype)  # or bfloat16 maps would become float32 ones, and then bfloat16 again
    return torch.cat([maps, label[:, :, None, None].expand(-1, -1, *maps.shape[2:])], dim=1)


def standardise(layer: Weighted, inputs: Tensor, *, std: float) -> Tensor:
    """Scale and shift a weight-normalised layer to the given output statistics; return its output on the inputs."""
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
    """Draw weights from N(0, 0.05²), layer by layer in the order of the table, so that the head comes last."""
    for layer in module.modules():
        if isinstance(layer, Weighted):
            layer.weight.normal_(0, INITIAL_STD, generator=random)
