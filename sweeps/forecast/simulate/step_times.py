"""How long the parts of a trial take: by a probe, by what a ledger recorded, or by an assumed speed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import mean

from dagan.config import Config
from dagan.networks.flops import stage_1_batch
from dagan.stages import Stage
from sweeps.forecast.simulate.probe import Sample, per_iteration
from sweeps.records.ledger import Entry

START_SECONDS = 0.06
"""Of a trial, beyond its training: Tune hands it to a worker that is there already, W&B opens a run.

This and the next four are set so that a run of `digits` on two busy cores of an AVX-512 CPU comes out right: 128 trials
with 1,529 reports and 24 s that neither training nor evaluation explains (`tests/benchmarks/README.md`).
"""
REPORT_SECONDS = 0.01
"""Of a report: a worker waits until the driver has taken it in."""
DRIVER_START_SECONDS = 0.03
"""What of START_SECONDS is the driver's, which is one for all."""
DRIVER_REPORT_SECONDS = 0.003
"""What of REPORT_SECONDS is the driver's."""
NODE_SECONDS = 3.0
"""Until Ray has started on a node, and a worker in it; torch is imported after that."""
BYTES_PER_SECOND = 100e6
"""At the least that long a snapshot takes to be written or read, where nothing else is known of the storage."""
USUAL = Sample(
    method="",
    generation_pflop=1.0,
    classification_pflop=1.0,
    generation_step=0.0,
    classification_step=0.0,
    generation_look=0.005,
    classification_look=0.005,
    set_up=0.015,
    set_up_classification=0.001,
    write=0.005,
    read=0.01,
    finish=0.01,
    start=3.0,
)
"""All but the steps, where it was not measured: as the small digits have it."""


@dataclass(frozen=True)
class Durations:
    """What was sampled of each method; of a method without samples all others serve."""

    samples: Sequence[Sample]
    source: str
    """In words."""

    @cached_property
    def _by_method(self) -> dict[str, list[Sample]]:
        found: dict[str, list[Sample]] = {}
        for sample in self.samples:
            found.setdefault(sample.method, []).append(sample)
        return found

    @cached_property
    def start(self) -> float:
        """Until a worker has imported torch."""
        return mean_of(self.samples, "start")

    def step(self, config: Config, stage: Stage) -> float:
        """One iteration, in seconds."""
        points = [
            (getattr(one, f"{stage}_pflop"), getattr(one, f"{stage}_step"))
            for one in self._samples(config)
            if getattr(one, f"{stage}_step")
        ]
        return at(points, per_iteration(config, stage)) if points else 0.0

    def part(self, config: Config, name: str) -> float:
        """Another part of a trial, by the name of the sample's field, in seconds."""
        return mean_of(self._samples(config), name)

    def _samples(self, config: Config) -> Sequence[Sample]:
        return self._by_method.get(config.method, self.samples)


def mean_of(samples: Sequence[Sample], name: str) -> float:
    """The mean of a field."""
    values: list[float] = [getattr(one, name) for one in samples]
    return sum(values) / len(values)


def at(points: Sequence[tuple[float, float]], operations: float) -> float:
    """Seconds of a step with so many operations: on the line between the points, in proportion beyond them.

    Of many points those below and those above the mean of operations are drawn together first.
    """
    whole = middle_of(points)
    below, above = ([point for point in points if (point[0] < whole[0]) == side] for side in (True, False))
    low, high = middle_of(below or above), middle_of(above or below)
    if high[0] - low[0] < 1e-6 * whole[0]:
        return whole[1] * operations / whole[0]
    if operations <= low[0]:
        return low[1] * operations / low[0]
    if operations >= high[0]:
        return high[1] * operations / high[0]
    return low[1] + (high[1] - low[1]) * (operations - low[0]) / (high[0] - low[0])


def middle_of(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Mean operations and mean seconds."""
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


def assumed(gflops: float) -> Durations:
    """Steps at so many 1e9 counted operations per second and trial, everything else as usual."""
    step = 1e6 / gflops
    return Durations(
        [replace(USUAL, generation_step=step, classification_step=step)], f"assumed: {gflops:g} GFLOP/s per trial"
    )


def recorded(entries: Iterable[Entry]) -> Durations | None:
    """By the images per second in the curves of a ledger; None where no trial has a curve."""
    samples = []
    for entry in entries:
        config = Config.of(entry.config)
        steps: dict[str, float] = {}
        for stage in ("generation", "classification"):
            rates = [point["images_per_second"] for point in entry.curve if point["stage"] == stage]
            batch = stage_1_batch(config) if stage == "generation" else config.classifier.batch_size
            if rates:
                steps[f"{stage}_step"] = batch * mean(1 / rate for rate in rates)
        if steps:
            operations = {
                "generation_pflop": per_iteration(config, "generation"),
                "classification_pflop": per_iteration(config, "classification"),
            }
            samples.append(replace(USUAL, method=entry.method, **operations, **steps))
    return Durations(samples, f"recorded by {len(samples)} trials") if samples else None
