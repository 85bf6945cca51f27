"""D of `vgg16`: torchvision's VGG-16 (Simonyan & Zisserman 2015), from ImageNet's weights or from fresh ones."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, max_pool2d, one_hot, relu_

from dagan.compute.random_numbers import dropout
from dagan.networks.interfaces import Discriminator
from dagan.networks.layer_tables import VGG_POOLED, Layer
from dagan.networks.layers import INITIAL_STD, Weighted, grouped, in_float32, rows, with_label
from dagan.shapes import Features, Images, Labels, Logits

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of pixels in [0, 1]; what the published weights were trained on."""
IMAGENET_CLASSES = 1000


class Vgg(Discriminator):
    """D, and the classifier that it becomes."""

    mean: Tensor
    std: Tensor

    def __init__(self, layers: list[Layer], *, dropout: float, classes: int | None = None, groups: int = 1) -> None:
        """`classes`: how many, where D is conditioned on the label; `groups`: how many networks this one is."""
        super().__init__()
        self.dropout, self.classes, self.groups = dropout, classes, groups
        *body, head = layers
        self.convolutions = nn.ModuleList(Weighted(layer, groups) for layer in body if layer.kind == "conv")
        self.hidden = nn.ModuleList(Weighted(layer, groups) for layer in body if layer.kind == "linear")
        self.head = Weighted(head, groups)
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values).reshape(3, 1, 1), persistent=False)

    def forward(
        self, images: Images, labels: Labels | None = None, random: torch.Generator | None = None
    ) -> tuple[Logits, Features]:
        """Logits and the second hidden layer; with `random`, as in training: with dropout."""
        maps = self.conditioned(images, labels)
        for layer in rows(self.convolutions):
            maps = relu_(layer(maps))
            if layer.layer.pooling:
                maps = max_pool2d(maps, 2)
        units = features = adaptive_avg_pool2d(maps, VGG_POOLED).flatten(1)
        for layer in rows(self.hidden):
            units = features = relu_(layer(units))
            if random is not None and self.dropout:
                units = dropout(units[:, :, None, None], self.dropout, random).flatten(1)
        logits = in_float32(self.head, units)
        return logits.reshape(len(images), -1), features.reshape(len(images), -1)

    def conditioned(self, images: Images, labels: Labels | None) -> Tensor:
        """Scale the images as ImageNet's were, grey ones to three channels; join label maps where D is conditioned."""
        images = ((images + 1) / 2 - self.mean) / self.std
        if self.classes is not None:
            assert labels is not None
            images = with_label(images, one_hot(labels, self.classes).to(images.dtype))
        return grouped(images, self.groups)

    def named_rows(self) -> dict[str, Weighted]:
        """Return the layers below the head by their names in torchvision, which numbers what has no weights too."""
        named, position = {}, 0
        for layer in rows(self.convolutions):
            named[f"features.{position}"] = layer
            position += 3 if layer.layer.pooling else 2
        return named | {f"classifier.{3 * index}": layer for index, layer in enumerate(rows(self.hidden))}

    def imagenet_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the names and shapes of ImageNet's weights for a network of this width."""
        shapes: dict[str, tuple[int, ...]] = {}
        for name, row in self.named_rows().items():
            kernel = row.weight.shape[2:]
            inputs = 3 if name == "features.0" else row.layer.inputs  # not the label maps
            shapes |= {f"{name}.weight": (row.layer.outputs, inputs, *kernel), f"{name}.bias": (row.layer.outputs,)}
        return shapes | {
            "classifier.6.weight": (IMAGENET_CLASSES, self.head.layer.inputs),
            "classifier.6.bias": (IMAGENET_CLASSES,),
        }

    @torch.no_grad()
    def initialise(self, random: torch.Generator) -> None:
        """Weights N(0, 2/inputs) (He et al. 2015), the head's N(0, 0.05²), biases 0.

        From 0.05 throughout, 15 layers of ReLU without normalisation would let little through.
        """
        for row in self.named_rows().values():
            row.weight.normal_(0, math.sqrt(2 / row.weight[0].numel()), generator=random)
        self.head.weight.normal_(0, INITIAL_STD, generator=random)

    @torch.no_grad()
    def adopt(self, weights: dict[str, Tensor], random: torch.Generator) -> None:
        """Start from ImageNet's weights, each of several groups alike.

        New are the head, N(0, 0.05²), and the filters of the label maps where D is conditioned on the label.
        """
        for name, row in self.named_rows().items():
            if row.weight.shape[1] > weights[f"{name}.weight"].shape[1]:
                row.weight.normal_(0, INITIAL_STD, generator=random)
            given = weights[f"{name}.weight"]
            row.weight[:, : given.shape[1]] = given.repeat(self.groups, *(1 for _ in given.shape[1:]))
            row.bias.copy_(weights[f"{name}.bias"].repeat(self.groups))
        self.head.weight.normal_(0, INITIAL_STD, generator=random)
