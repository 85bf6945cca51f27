"""A study on a cluster that is not there: the plan replayed by a virtual clock. `sweeps simulate`.

The plan, its searches and its sharing are the real ones and decide as they do in a run; only the training is played.
Time goes from event to event: a worker is ready, a trial leaves a snapshot, comes by a rung, or ends. The driver, one
for all, takes its time for each of them.
"""

import heapq
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from dagan.stages import Stage, stages_of
from sweeps.forecast.estimate.snapshot_size import snapshot_bytes
from sweeps.forecast.simulate import step_times as durations
from sweeps.forecast.simulate.outcomes import Outcomes
from sweeps.forecast.simulate.step_times import Durations
from sweeps.planning.budget import own_pflop
from sweeps.planning.plan import Plan
from sweeps.planning.sharing import Sharing
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry, Ledger, Status
from sweeps.records.snapshot_store import SNAPSHOT_SECONDS, SnapshotKey
from sweeps.study.schema import Study

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Happening:
    """Something that a trial comes by, so many seconds after its start."""

    seconds: float
    kind: Literal["snapshot", "rung", "end"]
    iteration: int = 0
    """Of the stage; at the end of both."""
    key: SnapshotKey | None = None
    size: int = 0
    reports: int = 0
    """Since the last happening."""


@dataclass
class Course:
    """A trial that runs."""

    trial: Trial
    begun: float
    inherited: dict[Stage, int]
    ahead: Iterator[Happening]
    late: float = 0.0
    """Seconds that it has waited for the driver."""
    passed: list[dict[str, Any]] = field(default_factory=list)
    """Points of its curve, at rungs and at the end."""


@dataclass
class Tally:
    """What a simulation counts."""

    makespan: float = 0.0
    busy: float = 0.0
    """Slot seconds of running trials."""
    driver: float = 0.0
    """Seconds in which the driver is at work."""
    written: int = 0
    read: int = 0
    peak: int = 0
    """Bytes of snapshots at a time."""
    pflop: float = 0.0
    pflop_unshared: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    planning: float = 0.0
    """CPU seconds of this process in the plan: real ones."""
    longest: float = 0.0
    """The longest single call of the plan, CPU seconds."""


class Simulation:
    """One replay."""

    def __init__(self, study: Study, slots: int, takes: Durations, outcomes: Outcomes, *, shared: bool = True) -> None:
        self.study, self.slots, self.takes, self.outcomes = study, slots, takes, outcomes
        self.tally = Tally()
        self.plan = self._planned(lambda: Plan(study, Ledger(None), sharing=Sharing(shared=shared)))
        self.free = 0.0
        """When the driver is free again."""
        self._events: list[tuple[float, int, Course | None, Happening | None]] = []
        """Time, order among equals, and what happens; nothing: a worker is ready."""
        self._count = 0
        self._steps: dict[tuple[str, Stage], float] = {}

    def run(self) -> Tally:
        """Play the study through.

        Raises:
            RuntimeError: trials are left, but none can start.
        """
        for _ in range(self.slots):
            self._push(durations.NODE_SECONDS + self.takes.start, None, None)
        idle, now = 0, 0.0
        while self._events:
            now, _, course, happening = heapq.heappop(self._events)
            if course is None or happening is None:
                idle += 1
            elif happening.reports:
                # The driver takes the reports in first, and what follows from them waits for that.
                served = self._served(now, happening.reports * durations.DRIVER_REPORT_SECONDS)
                course.late += served - now
                self._push(served, course, replace(happening, reports=0))
                continue
            elif self._happens(course, happening, now):
                idle += 1
                self.tally.busy += now - course.begun
                self.tally.makespan = now
            else:
                self._go_on(course)
            while idle and (trial := self._planned(self.plan.next)):
                idle -= 1
                self._start(trial, now)
        if not self.plan.finished:
            raise RuntimeError("the plan has trials left, but none that could start")
        return self.tally

    def _start(self, trial: Trial, now: float) -> None:
        start = self._planned(lambda: self.plan.start(trial))
        inherited = self._inherited(trial, start.snapshots)
        begun = self._served(now, durations.DRIVER_START_SECONDS)
        course = Course(trial, begun, inherited, iter(()))
        course.ahead = self._course(course, start.checkpoints)
        for rung in trial.rungs:
            # Who goes on from another trial's snapshot would have been stopped here too.
            if rung <= inherited.get("classification", 0) and self._stops(course, rung):
                course.ahead = iter([Happening(self.takes.part(trial.config, "set_up"), "end", rung)])
                break
        self._go_on(course)

    def _inherited(self, trial: Trial, starts: Sequence[SnapshotKey]) -> dict[Stage, int]:
        """How far each stage of a trial is when it begins."""
        if not starts:
            return {}
        self.tally.read += self.plan.sharing.snapshots[starts[0].stage_key][starts[0].iteration]
        path = self.plan.sharing.ends(trial)
        if len(path) < len(trial.stage_ends):
            return {}  # without sharing snapshots serve a trial's own crashes, of which there are none here
        stages = stages_of(trial.config)
        reached = [end.stage_key for end in path].index(starts[0].stage_key)
        done: dict[Stage, int] = {stage: end.iteration for stage, end in zip(stages, path[:reached], strict=False)}
        return done | {stages[reached]: starts[0].iteration}

    def _course(self, course: Course, marks: Sequence[Sequence[int]]) -> Iterator[Happening]:
        """All that a trial comes by, in order."""
        trial, config = course.trial, course.trial.config
        part = self.takes.part
        stages = stages_of(trial.config)
        seconds = durations.START_SECONDS - durations.DRIVER_START_SECONDS + part(config, "set_up")
        if course.inherited:
            seconds += self._stored(trial, stages[len(course.inherited) - 1], "read")
        _, last = self.outcomes.ending(trial)
        kept, reports, done = seconds, 0, 0
        for index, (stage, end) in enumerate(zip(stages, trial.stage_ends, strict=True)):
            iteration = course.inherited.get(stage, 0)
            step = self._step(trial, stage)
            rungs = trial.rungs if stage == "classification" else ()
            wanted = marks[index] if self.plan.sharing.shared and index < len(marks) else []
            every = self.study.report_every
            stops = {*range(every, end.iteration, every), *rungs, *wanted, end.iteration}
            if stage == "classification" and index:
                seconds += part(config, "set_up_classification")
            for stop in sorted(one for one in stops if one > iteration):
                if last is not None and done + stop >= last:
                    yield Happening(seconds + (last - done - iteration) * step, "end", last, reports=reports)
                    return
                seconds += (stop - iteration) * step
                iteration = stop
                if stop in wanted:
                    seconds += self._stored(trial, stage, "write")
                    yield Happening(
                        seconds, "snapshot", stop, SnapshotKey(end.stage_key, stop), self._size(trial, stage), reports
                    )
                    reports = 0
                if stop % every == 0 or stop in rungs or stop == end.iteration:
                    seconds += (
                        part(config, f"{stage}_look") + durations.REPORT_SECONDS - durations.DRIVER_REPORT_SECONDS
                    )
                    reports += 1
                    if seconds - kept > SNAPSHOT_SECONDS and stop < end.iteration:
                        seconds += self._stored(trial, stage, "write")
                        self.tally.written += self._size(trial, stage)
                        kept = seconds
                if stop in rungs:
                    yield Happening(seconds, "rung", stop, reports=reports)
                    reports = 0
            done += end.iteration
        yield Happening(seconds + part(config, "finish"), "end", done, reports=reports + 1)

    def _happens(self, course: Course, happening: Happening, now: float) -> bool:
        """Take in what a trial has come by; whether it has ended."""
        trial = course.trial
        if happening.kind == "snapshot":
            assert happening.key
            key = happening.key
            self.tally.written += happening.size
            self._planned(lambda: self.plan.written(trial, key, happening.size))
            self.tally.peak = max(self.tally.peak, self.plan.sharing.bytes)
            return False
        if happening.kind == "rung":
            if not self._stops(course, happening.iteration):
                return False
            status: Status = "stopped"
            iterations = happening.iteration + sum(end.iteration for end in trial.stage_ends[:-1])
        else:
            stopped = course.passed and course.passed[-1].get("stopped")
            status = "stopped" if stopped else self.outcomes.ending(trial)[0]
            iterations = happening.iteration
            if stopped:
                iterations += sum(end.iteration for end in trial.stage_ends[:-1])
        self._end(course, status, iterations)
        return True

    def _stops(self, course: Course, rung: int) -> bool:
        """Whether a trial ends at a rung, which is a point of its curve from now on."""
        accuracy = self.outcomes.accuracy(course.trial, rung) if course.trial.phase == "search" else None
        point = {"stage": "classification", "iteration": rung, "validation_accuracy": accuracy}
        course.passed.append(point)
        if accuracy is None or not self._planned(lambda: self.plan.stops(course.trial, rung, accuracy)):
            return False
        point["stopped"] = True
        return True

    def _end(self, course: Course, status: Status, iterations: int) -> None:
        trial, kc = course.trial, course.trial.config.classifier.iterations
        if status == "stopped":
            reached: float | None = course.passed[-1]["validation_accuracy"]
        else:
            reached = self.outcomes.accuracy(trial, kc) if status == "completed" else None
            # Where KC is a rung of others, they are compared with this too.
            course.passed.append({"stage": "classification", "iteration": kc, "validation_accuracy": reached})
        stages = stages_of(trial.config)
        left, went = iterations, dict[Stage, int]()
        for stage, end in zip(stages, trial.stage_ends, strict=True):
            went[stage] = min(left, end.iteration)
            left -= went[stage]
        entry = Entry(
            **trial.identity(self.study.name),
            status=status,
            validation_accuracy=reached if trial.phase == "search" else None,
            test_accuracy=reached if trial.phase == "confirm" else None,
            iterations=iterations,
            pflop=own_pflop(trial.config, course.inherited, went),
            pflop_unshared=own_pflop(trial.config, {}, went),
            wall_seconds=0.0,
            provenance={},
            curve=course.passed,
        )
        self.tally.pflop += entry.pflop
        self.tally.pflop_unshared += entry.pflop_unshared
        self.tally.statuses[status] += 1
        self._planned(lambda: self.plan.record(trial, entry))

    def _go_on(self, course: Course) -> None:
        happening = next(course.ahead)
        self._push(course.begun + course.late + happening.seconds, course, happening)

    def _served(self, now: float, seconds: float) -> float:
        """When the driver has done some work that is asked of it now."""
        self.tally.driver += seconds
        self.free = max(self.free, now) + seconds
        return self.free

    def _push(self, now: float, course: Course | None, happening: Happening | None) -> None:
        self._count += 1
        heapq.heappush(self._events, (now, self._count, course, happening))

    def _step(self, trial: Trial, stage: Stage) -> float:
        key = (trial.stage_ends[-1].stage_key if stage == "classification" else trial.stage_ends[0].stage_key, stage)
        if key not in self._steps:
            self._steps[key] = self.takes.step(trial.config, stage)
        return self._steps[key]

    def _size(self, trial: Trial, stage: Stage) -> int:
        return snapshot_bytes(trial.config, stage)

    def _stored(self, trial: Trial, stage: Stage, what: Literal["read", "write"]) -> float:
        return max(self.takes.part(trial.config, what), self._size(trial, stage) / durations.BYTES_PER_SECOND)

    def _planned(self, call: Callable[[], Answer]) -> Answer:
        """What the plan answers, and what it takes for that."""
        begin = time.process_time()
        try:
            return call()
        finally:
            seconds = time.process_time() - begin
            self.tally.planning += seconds
            self.tally.longest = max(self.tally.longest, seconds)
