"""Dry run of snapshot storage: how many snapshots a plan leaves for other trials, their bytes, and the peak."""

from collections.abc import Iterable
from dataclasses import dataclass

from dagan.config import Config
from dagan.networks.flops import group_count
from dagan.networks.layer_tables import Layer, discriminator_layers, generator_layers
from dagan.settings import Optimiser
from dagan.stages import Stage, stages_of
from sweeps.forecast.estimate.draft import Draft
from sweeps.planning.sharing import Sharing
from sweeps.planning.trial import Trial
from sweeps.records.snapshot_store import SnapshotKey

NUMBER_BYTES = 4
"""Bytes of a float32: weights, averages and optimisers are kept in it, whatever a training multiplies in."""
STREAM_BYTES = 5_056
"""Bytes of one random stream's state on a CPU (Mersenne Twister)."""
TENSOR_BYTES = 400
"""Bytes that a file spends on a tensor beyond its numbers: name, alignment, directory."""


@dataclass
class SnapshotUsage:
    """Bytes of the snapshots that trials leave for others; one for each running trial, for a crash, comes on top."""

    snapshots: int = 0
    """Number of snapshots."""
    written: int = 0
    """Bytes written in all."""
    peak: int = 0
    """Most bytes kept at a time."""
    largest: int = 0
    """Bytes of the largest snapshot."""


def snapshot_usage(drafts: Iterable[Draft], *, window: int) -> SnapshotUsage:
    """Count the snapshots of a plan, run in its order, one trial at a time.

    Confirm trials are known from the start; of a search the plan knows `window` suggestions ahead.
    """
    sharing, usage = Sharing(), SnapshotUsage()
    plan = [draft.trials for draft in drafts]
    for index, trials in enumerate(plan):
        for trial in trials:
            if trial.phase == "confirm":
                sharing.expect(trial, rank(index, trial))
    for index, trials in enumerate(plan):
        expected = 0
        for trial in trials:
            while expected < len(trials) and trials[expected].number < trial.number + window:
                if trials[expected].phase == "search":
                    sharing.expect(trials[expected], rank(index, trials[expected]))
                expected += 1
            run(trial, sharing, usage)
    return usage


def rank(index: int, trial: Trial) -> tuple[int, ...]:
    """A trial's position in the plan, as `sweeps.planning.plan` ranks it."""
    return (index, ("search", "confirm").index(trial.phase), trial.number, trial.seed)


def run(trial: Trial, sharing: Sharing, usage: SnapshotUsage) -> None:
    """Play one trial from its start to its end, and count what it leaves."""
    if trial.signature not in sharing.families[sharing.family(trial)]:
        return  # another branch has trained this very config
    start = sharing.start(trial)
    for stage, end, iterations in zip(stages_of(trial.config), trial.stage_ends, start.checkpoints, strict=True):
        size = snapshot_bytes(trial.config, stage) if iterations else 0
        for iteration in iterations:
            sharing.written(trial, SnapshotKey(end.stage_key, iteration), size)
            usage.snapshots += 1
            usage.written += size
            usage.peak = max(usage.peak, sharing.bytes)
            usage.largest = max(usage.largest, size)
    sharing.end(trial)


def snapshot_bytes(config: Config, stage: Stage) -> int:
    """Estimate the bytes of a snapshot in a stage, from the layers of its networks.

    It holds weights, their averages, the state of the optimisers, and random streams.
    """
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
    return NUMBER_BYTES * numbers + TENSOR_BYTES * tensors + STREAM_BYTES * streams


def parameters(layer: Layer) -> int:
    """Number of parameters of a layer: its weight and, for each map, a bias and a scale or shift."""
    return layer.inputs * layer.outputs * layer.kernel**2 + 2 * layer.outputs
