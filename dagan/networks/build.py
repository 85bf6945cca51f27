"""Which D and G a config asks for, with their initial weights."""

import torch

from dagan.config import Config
from dagan.networks.convolutional import ConvolutionalDiscriminator, ConvolutionalGenerator
from dagan.networks.dcgan import DenseDiscriminator, UpwardGenerator
from dagan.networks.flops import group_count
from dagan.networks.imagenet_weights import imagenet_weights
from dagan.networks.interfaces import Discriminator, Generator
from dagan.networks.layer_tables import discriminator_layers, generator_layers
from dagan.networks.layers import initialise
from dagan.networks.vgg import Vgg
from dagan.stages import Stage


def discriminator(config: Config, random: torch.Generator, stage: Stage = "classification") -> Discriminator:
    """Return the classifier, or D of stage 1, with fresh weights, or ImageNet's.

    Raises:
        InvalidInput: ImageNet's weights cannot be had.
    """
    settings, layers, generation = config.network, discriminator_layers(config, stage), stage == "generation"
    classes = len(config.facts.classes) if generation and config.row.adversary == "conditional" else None
    groups = group_count(config) if generation else 1
    if settings.name == "vgg16":
        vgg = Vgg(layers, dropout=settings.dropout, classes=classes, groups=groups)
        vgg.to(random.device)
        if settings.pretrained:
            vgg.adopt(imagenet_weights(settings.weights, vgg.imagenet_shapes()), random)
        else:
            vgg.initialise(random)
        return vgg
    network: Discriminator
    if settings.name == "dcgan64":
        network = DenseDiscriminator(layers, classes=classes, groups=groups)
    else:
        network = ConvolutionalDiscriminator(
            layers,
            dropout=settings.dropout,
            normalised=settings.weight_norm,
            classes=classes,
            groups=groups,
        )
    network.to(random.device)
    initialise(network, random)
    return network


def unstarted(config: Config) -> Config:
    """Return the config for networks whose weights come from elsewhere: ImageNet's need not be found first."""
    return config.model_copy(update={"network": config.network.model_copy(update={"pretrained": None})})


def generator(config: Config, random: torch.Generator) -> Generator | None:
    """G with fresh weights; None for methods without one."""
    if config.gan is None:
        return None
    network: Generator
    layers, groups = generator_layers(config), group_count(config)
    classes, size = len(config.facts.classes), config.facts.image_size
    if config.network.name == "dcgan64":
        network = UpwardGenerator(layers, classes=classes, image_size=size, groups=groups)
    else:
        normalised = config.network.weight_norm
        network = ConvolutionalGenerator(layers, classes=classes, image_size=size, normalised=normalised, groups=groups)
    network.to(random.device)
    initialise(network, random)
    return network
