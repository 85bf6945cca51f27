"""Counted operations: what the stages of a config cost, and the batch sizes that this depends on; no tensor needed."""

import math
from collections import Counter

from dagan.config import Config, offline_per_class, trained_per_class
from dagan.networks.layer_tables import discriminator_layers, generator_layers
from dagan.stages import Stage


def pflop(config: Config, *, stage: Stage, iterations: int) -> float:
    """Count the operations of some iterations of a stage, in 1e15; a multiply-add counts as two.

    A backward pass costs two forward passes: one for the gradient of the weights, one for that of the input.
    Images drawn in order to train D need no backward pass through G, and G's steps none for D's weights. To draw
    images from a folder costs nothing.
    """
    generator = sum(layer.multiply_adds for layer in generator_layers(config))
    discriminator = sum(layer.multiply_adds for layer in discriminator_layers(config, stage))
    if stage == "classification":
        work = classification_work(config, discriminator, generator, iterations)
    elif config.gan is None:
        work = 0
    else:
        gan, batch = config.gan, stage_1_batch(config)
        discriminator_step = 3 * discriminator * 2 * batch + generator * batch
        generator_step = (2 * discriminator + 3 * generator) * batch
        work = (gan.discriminator_steps * discriminator_step + gan.generator_steps * generator_step) * iterations
    return 2 * work / 1e15


def network_sizes(config: Config) -> dict[str, dict[str, int | float]]:
    """Return `parameters`, and `mflop` of one image's forward pass in 1e6, of the `classifier` and the `generator`.

    Where each class has its own GAN, the parameters are those of all.
    """
    layers = {"classifier": discriminator_layers(config), "generator": generator_layers(config)}
    copies = {"classifier": 1, "generator": group_count(config)}
    return {
        name: {
            "parameters": copies[name] * sum(layer.parameters for layer in own),
            "mflop": 2 * sum(layer.multiply_adds for layer in own) / 1e6,
        }
        for name, own in layers.items()
        if own
    }


def classification_work(config: Config, discriminator: int, generator: int, iterations: int) -> int:
    """Count the multiply-adds of the first iterations of stage 2."""
    settings, batch = config.classifier, config.classifier.batch_size
    if settings.generated == "offline":
        real = trained_per_class(config.data)
        union = round(batch * (real + offline_per_class(config)) / real)
        made = made_offline(config) if iterations else 0
        return 3 * discriminator * union * iterations + generator * made
    linear = settings.augmentation_schedule == "linear"
    drawn = Counter(
        drawn_images(config, iteration) for iteration in range(iterations if linear else min(iterations, 1))
    )
    times = {d: count if linear else iterations for d, count in drawn.items()}
    return sum(n * (3 * discriminator * (batch + d) + generator * made_online(config, d)) for d, n in times.items())


def drawn_images(config: Config, iteration: int) -> int:
    """Return how many generated images join the batch of an iteration of stage 2, counted from 0: round(r·B)."""
    settings = config.classifier
    left = 1 - iteration / settings.iterations if settings.augmentation_schedule == "linear" else 1.0
    return round(settings.augmentation_ratio * left * settings.batch_size)


def made_online(config: Config, drawn: int) -> int:
    """Return how many images G makes so that so many can be drawn: whole batches; per-class GANs make two at least."""
    whole = config.classifier.batch_size * math.ceil(drawn / config.classifier.batch_size)
    separate = group_count(config)
    return whole if separate == 1 or not whole else separate * max(2, math.ceil(whole / separate))


def made_offline(config: Config) -> int:
    """Return how many images G makes so that `offline_per_class` can be drawn: whole batches, the classes in turn."""
    classes = len(config.facts.classes)
    per_batch = max(2, round(config.classifier.batch_size / classes))
    return classes * per_batch * math.ceil(offline_per_class(config) / per_batch)


def group_count(config: Config) -> int:
    """Return how many GANs stage 1 trains at once: K where each class has its own, else 1."""
    return len(config.facts.classes) if config.row.adversary == "binary" else 1


def stage_1_batch(config: Config) -> int:
    """Return the real images per batch of stage 1: B, or with per-class GANs a multiple of K near B.

    A single image has no batch statistics, so each GAN gets two at least.
    """
    separate, batch = group_count(config), config.classifier.batch_size
    return batch if separate == 1 else separate * max(2, round(batch / separate))
