"""Seconds of the parts of a trial: probed on this machine, recorded in a ledger, or at an assumed speed."""

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
"""Seconds of a trial beyond its training: Tune hands it to a worker that is there already, W&B opens a run.

This and the next four are set so that a run of `digits` on two busy cores of an AVX-512 CPU comes out right: 128 trials
with 1,529 reports and 24 s that neither training nor evaluation explains (`tests/benchmarks/README.md`).
"""
REPORT_SECONDS = 0.01
"""Seconds of a report: a worker waits until the driver has taken it in."""
DRIVER_START_SECONDS = 0.03
"""The part of START_SECONDS that the driver is at work, which is one for all trials."""
DRIVER_REPORT_SECONDS = 0.003
"""The part of REPORT_SECONDS that the driver is at work."""
NODE_SECONDS = 3.0
"""Seconds until Ray has started on a node, and a worker in it; torch is imported after that."""
BYTES_PER_SECOND = 100e6
"""Assumed speed of the storage, which bounds how fast a snapshot is written or read."""
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
"""Everything but the steps, where it was not measured: values of the small digits."""


@dataclass(frozen=True)
class Durations:
    """Samples of each method; for a method without any, those of all others serve."""

    samples: Sequence[Sample]
    source: str
    """Where the samples are from, as text."""

    @cached_property
    def _by_method(self) -> dict[str, list[Sample]]:
        found: dict[str, list[Sample]] = {}
        for sample in self.samples:
            found.setdefault(sample.method, []).append(sample)
        return found

    @cached_property
    def start(self) -> float:
        """Seconds until a worker has imported torch."""
        return mean_of(self.samples, "start")

    def step(self, config: Config, stage: Stage) -> float:
        """Seconds of an iteration."""
        points = [
            (getattr(one, f"{stage}_pflop"), getattr(one, f"{stage}_step"))
            for one in self._samples(config)
            if getattr(one, f"{stage}_step")
        ]
        return seconds_at(points, per_iteration(config, stage)) if points else 0.0

    def part(self, config: Config, name: str) -> float:
        """Seconds of another part of a trial, by the name of the sample's field."""
        return mean_of(self._samples(config), name)

    def _samples(self, config: Config) -> Sequence[Sample]:
        return self._by_method.get(config.method, self.samples)


def mean_of(samples: Sequence[Sample], name: str) -> float:
    """Mean of a field over samples."""
    values: list[float] = [getattr(one, name) for one in samples]
    return sum(values) / len(values)


def seconds_at(points: Sequence[tuple[float, float]], operations: float) -> float:
    """Seconds of a step with so many operations: interpolated between the points, in proportion beyond them.

    Points below the mean number of operations are averaged to one, and so are those above it.
    """
    middle = mean_point(points)
    below, above = ([point for point in points if (point[0] < middle[0]) == side] for side in (True, False))
    low, high = mean_point(below or above), mean_point(above or below)
    if high[0] - low[0] < 1e-6 * middle[0]:
        return middle[1] * operations / middle[0]
    if operations <= low[0]:
        return low[1] * operations / low[0]
    if operations >= high[0]:
        return high[1] * operations / high[0]
    return low[1] + (high[1] - low[1]) * (operations - low[0]) / (high[0] - low[0])


def mean_point(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Mean operations and mean seconds of some points."""
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


def assumed(gflops: float) -> Durations:
    """Durations at an assumed speed, 1e9 counted operations per second and trial."""
    step = 1e6 / gflops
    return Durations(
        [replace(USUAL, generation_step=step, classification_step=step)], f"assumed: {gflops:g} GFLOP/s per trial"
    )


def recorded(entries: Iterable[Entry]) -> Durations | None:
    """Durations by the images per second in the curves of a ledger; None where no trial has a curve."""
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
