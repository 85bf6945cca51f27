"""How much of a GPU a study's trials need while they train: a few steps of the heaviest, on the GPU itself."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from dagan.config import Config
from dagan.stages import STAGES, Stage
from sweeps.forecast.simulate.probe import per_iteration
from sweeps.planning.trial import Trial


class Memory(NamedTuple):
    """Bytes of one GPU."""

    peak: int
    """What a process that trains takes at the most, CUDA's own part too."""
    total: int


Measure = Callable[[Sequence[Mapping[str, Any]]], Memory]
"""Of configs in JSON's types, one after the other in one process."""


def heaviest(trials: Iterable[Trial]) -> list[Config]:
    """For each data set and method the configs with the most operations per iteration, of either stage.

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
    """Of this process's GPU, after a look at each config. Runs as a task of Ray, alone on its GPU.

    As a worker goes on from trial to trial with the memory it has, it is the most over all of them that counts.
    """
    import torch

    for config in configs:
        look(Config.of(config))
    free, total = torch.cuda.mem_get_info()
    beside = total - free - torch.cuda.memory_reserved()
    return Memory(torch.cuda.max_memory_reserved() + beside, total)


def look(config: Config) -> None:
    """Two steps of each stage, and looks at validation and test images."""
    from dagan.training.training import Training

    training = Training(config)
    for stage in range(2 if config.gan else 1):
        if stage:
            training.begin_classification()
        next(iter(training.run(every=2)))
    training.accuracy(training.data.test)
