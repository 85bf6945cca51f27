"""The course of one trial: when it leaves snapshots, reaches rungs and ends, in seconds after its start."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from dagan.stages import Stage, stages_of
from sweeps.forecast.estimate.snapshot_usage import snapshot_bytes
from sweeps.forecast.simulate import step_times as durations
from sweeps.forecast.simulate.step_times import Durations
from sweeps.planning.trial import Trial
from sweeps.records.snapshot_store import SNAPSHOT_SECONDS, SnapshotKey


@dataclass(frozen=True)
class Milestone:
    """A moment of a trial at which the plan decides something."""

    seconds: float
    """Seconds after the trial's start."""
    kind: Literal["snapshot", "rung", "end"]
    iteration: int
    """Iteration of the stage; at the end, of all stages together."""
    key: SnapshotKey | None = None
    """The snapshot left."""
    size: int = 0
    """Bytes of that snapshot."""
    reports: int = 0
    """Reports since the last milestone."""
    crash_bytes: int = 0
    """Bytes of snapshots written since the last milestone for the trial's own crashes."""


class StepClock:
    """Seconds that trials take; those of a step are looked up once per stage key."""

    def __init__(self, times: Durations) -> None:
        self.part = times.part
        self._times = times
        self._steps: dict[tuple[str, Stage], float] = {}

    def step(self, trial: Trial, stage: Stage) -> float:
        """Seconds of an iteration."""
        key = (trial.stage_ends[-1].stage_key if stage == "classification" else trial.stage_ends[0].stage_key, stage)
        if key not in self._steps:
            self._steps[key] = self._times.step(trial.config, stage)
        return self._steps[key]

    def storage(self, trial: Trial, size: int, what: Literal["read", "write"]) -> float:
        """Seconds to read or write a snapshot of so many bytes."""
        return max(self.part(trial.config, what), size / durations.BYTES_PER_SECOND)


@dataclass
class Course:
    """One trial on its way, from its snapshot or from the start; `milestones` moves it on."""

    trial: Trial
    clock: StepClock
    report_every: int
    inherited: Mapping[Stage, int]
    """Iterations of each stage that the snapshot it starts from has already done."""
    checkpoints: Mapping[Stage, Sequence[int]]
    """Iterations of each stage at which other trials want a snapshot."""
    last: int | None
    """Iteration, of all stages together, at which it ends before its time."""
    seconds: float = field(init=False, default=0.0)
    """Seconds since its start."""
    _reports: int = field(init=False, default=0)
    _crash_bytes: int = field(init=False, default=0)
    _written: float = field(init=False, default=0.0)
    """When the latest snapshot for a crash was written."""

    def milestones(self) -> Iterator[Milestone]:
        """Yield the trial's milestones in their order."""
        config, done = self.trial.config, 0
        self._set_up()
        for stage, end in zip(stages_of(config), self.trial.stage_ends, strict=True):
            if stage == "classification" and config.gan:
                self.seconds += self.clock.part(config, "set_up_classification")
            iteration, step = self.inherited.get(stage, 0), self.clock.step(self.trial, stage)
            for stop in self._stops(stage, end.iteration, iteration):
                if self.last is not None and done + stop >= self.last:
                    self.seconds += (self.last - done - iteration) * step
                    yield self._milestone("end", self.last)
                    return
                self.seconds += (stop - iteration) * step
                iteration = stop
                yield from self._at(stage, end, stop)
            done += end.iteration
        self.seconds += self.clock.part(config, "finish")
        self._reports += 1
        yield self._milestone("end", done)

    def _set_up(self) -> None:
        """Go from the start to the first step."""
        set_up = self.clock.part(self.trial.config, "set_up")
        self.seconds = durations.START_SECONDS - durations.DRIVER_START_SECONDS + set_up
        if self.inherited:
            furthest = stages_of(self.trial.config)[len(self.inherited) - 1]
            self.seconds += self.clock.storage(self.trial, self._size(furthest), "read")
        self._written = self.seconds

    def _rungs(self, stage: Stage) -> tuple[int, ...]:
        return self.trial.rungs if stage == "classification" else ()

    def _looks(self, stage: Stage, end: int) -> set[int]:
        """Iterations of a stage at which it reports."""
        also = {*self.trial.rungs, *self.trial.readings} if stage == "classification" else set()
        return {*range(self.report_every, end, self.report_every), *also, end}

    def _stops(self, stage: Stage, end: int, begin: int) -> list[int]:
        """Iterations of a stage, from where it begins, at which there is more to do than a step."""
        stops = {*self._looks(stage, end), *self.checkpoints.get(stage, ())}
        return sorted(stop for stop in stops if stop > begin)

    def _at(self, stage: Stage, end: SnapshotKey, stop: int) -> Iterator[Milestone]:
        """Write the snapshot, report, or reach the rung of an iteration."""
        if stop in self.checkpoints.get(stage, ()):
            size = self._size(stage)
            self.seconds += self.clock.storage(self.trial, size, "write")
            yield self._milestone("snapshot", stop, SnapshotKey(end.stage_key, stop), size)
        rung = stop in self._rungs(stage)
        if stop in self._looks(stage, end.iteration):
            self._report(stage)
            if stop < end.iteration:
                self._write_for_crash(stage)
        if rung:
            yield self._milestone("rung", stop)

    def _report(self, stage: Stage) -> None:
        look = self.clock.part(self.trial.config, f"{stage}_look")
        self.seconds += look + durations.REPORT_SECONDS - durations.DRIVER_REPORT_SECONDS
        self._reports += 1

    def _write_for_crash(self, stage: Stage) -> None:
        """Write a snapshot for the trial's own crash, if the latest is old enough."""
        if self.seconds - self._written > SNAPSHOT_SECONDS:
            size = self._size(stage)
            self.seconds += self.clock.storage(self.trial, size, "write")
            self._crash_bytes += size
            self._written = self.seconds

    def _milestone(
        self, kind: Literal["snapshot", "rung", "end"], iteration: int, key: SnapshotKey | None = None, size: int = 0
    ) -> Milestone:
        milestone = Milestone(self.seconds, kind, iteration, key, size, self._reports, self._crash_bytes)
        self._reports = self._crash_bytes = 0
        return milestone

    def _size(self, stage: Stage) -> int:
        return snapshot_bytes(self.trial.config, stage)
