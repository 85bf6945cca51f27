"""The GPU memory that a study's trials need: measured over a few steps of the heaviest, on the GPU itself."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from dagan.config import Config
from dagan.stages import STAGES, Stage
from sweeps.forecast.simulate.probe import per_iteration
from sweeps.planning.trial import Trial


class Memory(NamedTuple):
    """GPU memory, bytes."""

    peak: int
    """The most that a training process takes, CUDA's own part included."""
    total: int


Measure = Callable[[Sequence[Mapping[str, Any]]], Memory]
"""Measures configs in JSON types, one after the other in one process."""


def heaviest(trials: Iterable[Trial]) -> list[Config]:
    """Find, for each data set and method, the configs with the most operations per iteration of either stage.

    They are not the measure of memory, but both grow with the batch, the width and the ratio of generated images. Of
    equals a confirm trial's, which has test images too.
    """
    most: dict[tuple[str, str, Stage], tuple[float, Config]] = {}
    for trial in trials:
        for stage in STAGES:
            key, operations = (trial.cell.dataset.name, trial.method, stage), per_iteration(trial.config, stage)
            if operations and operations >= (most[key][0] if key in most else 0):
                most[key] = (operations, trial.config)
    return list({config.signature: config for _, config in most.values()}.values())


def peak_memory(configs: Sequence[Mapping[str, Any]]) -> Memory:
    """Measure this process's GPU over a few steps of each config. Runs as a Ray task, alone on its GPU.

    As a worker goes on from trial to trial with the memory it has, it is the most over all of them that counts.
    """
    import torch

    for config in configs:
        train_briefly(Config.of(config))
    free, total = torch.cuda.mem_get_info()
    beside = total - free - torch.cuda.memory_reserved()
    return Memory(torch.cuda.max_memory_reserved() + beside, total)


def train_briefly(config: Config) -> None:
    """Train two steps of each stage and evaluate on validation and test images."""
    from dagan.training.training import Training

    training = Training(config)
    for stage in range(2 if config.gan else 1):
        if stage:
            training.begin_classification()
        next(iter(training.run(every=2)))
    training.accuracy(training.data.test)
