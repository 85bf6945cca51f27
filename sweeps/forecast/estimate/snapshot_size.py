"""The size of a snapshot, from the layers of the networks: before anything is trained."""

from dagan.config import Config
from dagan.networks.flops import group_count
from dagan.networks.tables import Layer, discriminator_layers, generator_layers
from dagan.settings import Optimiser
from dagan.stages import Stage

NUMBER = 4
"""Bytes of a float32: weights, averages and optimisers are kept in it, whatever a training multiplies in."""
STREAM = 5_056
"""Bytes of one random stream's state on a CPU (Mersenne Twister)."""
TENSOR = 400
"""Bytes that a file spends on a tensor beyond its numbers: name, alignment, directory."""


def snapshot_bytes(config: Config, stage: Stage) -> int:
    """About the bytes of a state in a stage: networks, their averages and optimisers, random streams."""
    settings, gan, tensors, numbers, streams = config.classifier, config.gan, 0, 0, 4
    learners: list[tuple[list[Layer], int, Optimiser, float, float]] = []
    """Layers, networks side by side, optimiser, momentum, decay of the average."""
    if gan:
        beside, averaged = group_count(config), settings.average_decay if config.row.continues else 0.0
        learners = [
            (discriminator_layers(config, "generation"), beside, gan.discriminator_optimiser, gan.beta1, averaged),
            (generator_layers(config), beside, gan.generator_optimiser, gan.beta1, gan.generator_average_decay),
        ]
    if stage == "classification":
        streams += 2
        if settings.start != "warm":
            layers = discriminator_layers(config)
            learners.append((layers, 1, settings.optimiser, settings.beta1, settings.average_decay))
    for layers, beside, optimiser, momentum, decay in learners:
        kept = 1 + bool(decay) + (2 if optimiser == "adam" else bool(momentum))
        numbers += kept * beside * sum(map(parameters, layers))
        tensors += kept * 3 * len(layers)
    return NUMBER * numbers + TENSOR * tensors + STREAM * streams


def parameters(layer: Layer) -> int:
    """Of one layer: the weight and, for each map, a bias and a scale or shift."""
    return layer.inputs * layer.outputs * layer.kernel**2 + 2 * layer.outputs
