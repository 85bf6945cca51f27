"""A study on a cluster that does not exist: the plan replayed on a virtual clock.

The plan, its searches and its sharing are the real ones and decide as they do in a run; only the training is played.
Time goes from event to event: a worker is ready, a trial leaves a snapshot, reaches a rung, or ends.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

from dagan.stages import Stage, stages_of
from sweeps.forecast.simulate import step_times as durations
from sweeps.forecast.simulate.course import Course, Milestone, StepClock
from sweeps.forecast.simulate.outcomes import Outcomes
from sweeps.forecast.simulate.step_times import Durations
from sweeps.forecast.simulate.timeline import Timeline
from sweeps.planning.budget import own_pflop
from sweeps.planning.early_stopping import accuracies, level_at
from sweeps.planning.plan import Plan
from sweeps.planning.sharing import Sharing
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry, Ledger, Status
from sweeps.records.snapshot_store import SnapshotKey
from sweeps.study.schema import Study


@dataclass
class Stopwatch:
    """CPU seconds that this process spends in `with` blocks."""

    total: float = 0.0
    longest: float = 0.0
    """CPU seconds of the longest single block."""
    _begin: float = 0.0

    def __enter__(self) -> None:
        self._begin = time.process_time()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        seconds = time.process_time() - self._begin
        self.total += seconds
        self.longest = max(self.longest, seconds)


@dataclass
class Tally:
    """Time, storage and work of a simulated study."""

    makespan: float = 0.0
    """Seconds until the last trial ends."""
    busy: float = 0.0
    """Seconds of running trials, summed over slots."""
    driver: float = 0.0
    """Seconds in which the driver is at work."""
    written: int = 0
    """Bytes of snapshots."""
    read: int = 0
    peak: int = 0
    """Most bytes of snapshots kept at a time."""
    pflop: float = 0.0
    pflop_unshared: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    planning: Stopwatch = field(default_factory=Stopwatch)
    """CPU time that the real plan takes in this process."""


@dataclass
class TrialRun:
    """A trial that runs."""

    trial: Trial
    begun: float
    inherited: dict[Stage, int]
    """Iterations of each stage that it did not have to train."""
    milestones: Iterator[Milestone]
    """Those still to come."""
    late: float = 0.0
    """Seconds that it has waited for the driver."""
    curve: list[dict[str, Any]] = field(default_factory=list)
    """Points at rungs, at the KC values that are read off, and at the end."""
    stopped: bool = False
    """Whether early stopping has ended it."""


Event = tuple[TrialRun, Milestone] | None
"""A running trial reaches a milestone; None: a worker has started and waits for its first trial."""


class Simulation:
    """One replay of a study's plan on so many slots."""

    def __init__(self, study: Study, slots: int, times: Durations, outcomes: Outcomes, *, shared: bool = True) -> None:
        self.study, self.slots, self.times, self.outcomes, self.shared = study, slots, times, outcomes, shared
        self.tally = Tally()
        with self.tally.planning:
            self.plan = Plan(study, Ledger(None), sharing=Sharing(shared=shared))
        self._timeline = Timeline[Event]()
        self._clock = StepClock(times)

    def run(self) -> Tally:
        """Play the study to its end.

        Raises:
            RuntimeError: trials are left, but none can start.
        """
        for _ in range(self.slots):
            self._timeline.schedule(durations.NODE_SECONDS + self.times.start, None)
        idle = 0
        for now, event in self._timeline:
            if event and event[1].reports:
                self._serve(*event, now)
                continue
            idle += event is None or self._reach(*event, now)
            while idle and (trial := self._next()):
                idle -= 1
                self._begin(trial, now)
        if not self.plan.finished:
            raise RuntimeError("the plan has trials left, but none that could start")
        self.tally.driver = self._timeline.driver_seconds
        return self.tally

    def _next(self) -> Trial | None:
        with self.tally.planning:
            return self.plan.next()

    def _begin(self, trial: Trial, now: float) -> None:
        """Start a trial on an idle slot."""
        with self.tally.planning:
            start = self.plan.start(trial)
        inherited = self._inherited(trial, start.snapshots)
        begun = self._timeline.served(now, durations.DRIVER_START_SECONDS)
        checkpoints = dict(zip(stages_of(trial.config), start.checkpoints, strict=True)) if self.shared else {}
        _, last = self.outcomes.ending(trial)
        course = Course(trial, self._clock, self.study.report_every, inherited, checkpoints, last)
        run = TrialRun(trial, begun, inherited, course.milestones())
        for rung in trial.rungs:
            # A trial that goes on from another one's snapshot would have been stopped at this rung too.
            if rung <= inherited.get("classification", 0) and self._stops(run, rung):
                seconds = self.times.part(trial.config, "set_up")
                run.milestones = iter([Milestone(seconds, "end", before_stage_2(trial) + rung)])
                break
        self._go_on(run)

    def _inherited(self, trial: Trial, starts: Sequence[SnapshotKey]) -> dict[Stage, int]:
        """Iterations of each stage that are done when a trial begins, by its furthest snapshot, which it reads."""
        if not starts:
            return {}
        self.tally.read += self.plan.sharing.snapshots[starts[0].stage_key][starts[0].iteration]
        done: dict[Stage, int] = {}
        for stage, end in zip(stages_of(trial.config), trial.stage_ends, strict=True):
            if end.stage_key == starts[0].stage_key:
                return done | {stage: starts[0].iteration}
            done[stage] = end.iteration
        raise AssertionError("a snapshot that is not on the way of the trial")

    def _go_on(self, run: TrialRun) -> None:
        milestone = next(run.milestones)
        self._timeline.schedule(run.begun + run.late + milestone.seconds, (run, milestone))

    def _serve(self, run: TrialRun, milestone: Milestone, now: float) -> None:
        """Let the driver take in the reports before a milestone; what follows from it waits for that."""
        served = self._timeline.served(now, milestone.reports * durations.DRIVER_REPORT_SECONDS)
        run.late += served - now
        self._timeline.schedule(served, (run, replace(milestone, reports=0)))

    def _reach(self, run: TrialRun, milestone: Milestone, now: float) -> bool:
        """Take in a milestone of a trial; whether the trial has ended."""
        self.tally.written += milestone.size + milestone.crash_bytes
        if milestone.kind == "end":
            self._end(run, milestone.iteration, now)
            return True
        if milestone.kind == "rung" and self._stops(run, milestone.iteration):
            self._end(run, before_stage_2(run.trial) + milestone.iteration, now)
            return True
        if milestone.key:
            with self.tally.planning:
                self.plan.written(run.trial, milestone.key, milestone.size)
            self.tally.peak = max(self.tally.peak, self.plan.sharing.bytes)
        self._go_on(run)
        return False

    def _stops(self, run: TrialRun, rung: int) -> bool:
        """Whether early stopping ends a trial at a rung, which becomes a point of its curve."""
        self._look(run, rung)
        level = level_at(run.curve, rung, run.trial.readings)
        if level is not None:
            with self.tally.planning:
                run.stopped = self.plan.stops(run.trial, rung, level)
        return run.stopped

    def _look(self, run: TrialRun, until: int) -> None:
        """Go on with a trial's curve up to an iteration of stage 2, which becomes its last point."""
        trial, reached = run.trial, run.curve[-1]["iteration"] if run.curve else 0
        for iteration in sorted({*trial.readings, until}):
            if reached < iteration <= until:
                accuracy = self.outcomes.accuracy(trial, iteration)
                run.curve.append({"stage": "classification", "iteration": iteration, "validation_accuracy": accuracy})

    def _end(self, run: TrialRun, iterations: int, now: float) -> None:
        """Record how a trial has ended after so many iterations of all stages together."""
        status: Status = "stopped" if run.stopped else self.outcomes.ending(run.trial)[0]
        if status == "completed":
            # Where KC is a rung of other trials, they are compared with this point too.
            self._look(run, run.trial.config.classifier.iterations)
        entry = entry_of(run, status, iterations, study=self.study.name)
        self.tally.busy += now - run.begun
        self.tally.makespan = now
        self.tally.pflop += entry.pflop
        self.tally.pflop_unshared += entry.pflop_unshared
        self.tally.statuses[status] += 1
        with self.tally.planning:
            self.plan.record(run.trial, entry)


def entry_of(run: TrialRun, status: Status, iterations: int, *, study: str) -> Entry:
    """The ledger entry of a simulated trial."""
    trial, accuracy = run.trial, run.curve[-1]["validation_accuracy"] if run.curve else None
    stages = iterations_by_stage(trial, iterations)
    return Entry(
        **trial.identity(study),
        status=status,
        validation_accuracy=accuracy if trial.phase == "search" else None,
        test_accuracy=accuracy if trial.phase == "confirm" else None,
        readings=accuracies(run.curve, trial.readings),
        iterations=iterations,
        pflop=own_pflop(trial.config, run.inherited, stages),
        pflop_unshared=own_pflop(trial.config, {}, stages),
        wall_seconds=0.0,
        provenance={},
        curve=run.curve,
    )


def iterations_by_stage(trial: Trial, iterations: int) -> dict[Stage, int]:
    """Split a number of iterations among the stages of a trial, in their order."""
    split: dict[Stage, int] = {}
    for stage, end in zip(stages_of(trial.config), trial.stage_ends, strict=True):
        split[stage] = min(iterations, end.iteration)
        iterations -= split[stage]
    return split


def before_stage_2(trial: Trial) -> int:
    """Iterations that a trial does before its stage 2."""
    return sum(end.iteration for end in trial.stage_ends[:-1])
