"""The controller: the trials that run right now, between the plan and an executor.

An executor (Ray Tune, or this process) asks for trials by an id of its own, passes on what workers say, and says how
trials ended; all decisions are the plan's.
"""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dagan.errors import InvalidInput, Problem
from sweeps.planning.early_stopping import accuracies, level_at
from sweeps.planning.plan import Plan
from sweeps.planning.trial import Trial, portable
from sweeps.records.ledger import Entry
from sweeps.records.provenance import commit
from sweeps.records.snapshot_store import SnapshotKey, SnapshotStore
from sweeps.run.heartbeat import HeartbeatMonitor
from sweeps.run.listeners import Listener
from sweeps.run.messages import Heartbeat, Message, Outcome, Report, Spent, TrialOrder

WARNINGS = 20
"""The most warnings of workers that are passed on, each text once: a full disk gives one for every snapshot."""
MAX_LOSSES = 3
"""How often in a row a trial that loses its worker is started again without getting further than before."""


@dataclass
class RunningTrial:
    """A trial that runs under one id of the executor."""

    trial: Trial
    report: Report | None = None
    """The last one."""
    outcome: Outcome | None = None
    stopping: bool = False
    """Whether early stopping has ended it."""


@dataclass
class Attempts:
    """The attempts at a trial so far."""

    starts: int = 0
    losses: int = 0
    """Workers lost since the trial last got further than ever before."""
    furthest: int = 0
    """Iterations of both stages."""
    needs_more: bool = False
    """It ran out of memory once, and gets the larger resources."""


class Controller:
    """Hands out the plan's trials, takes in what workers say, and records how trials end."""

    def __init__(self, plan: Plan, store: SnapshotStore, listeners: Sequence[Listener] = ()) -> None:
        self.plan, self.store, self.listeners = plan, store, listeners
        self.failure: Exception | None = None
        """What ends the run before its time."""
        self.running: dict[str, RunningTrial] = {}
        """By the executor's id."""
        self.again: list[Trial] = []
        """Trials to be handed out once more, before any other."""
        self.heartbeats = HeartbeatMonitor(plan.study.resources.silence)
        self._attempts: dict[str, Attempts] = {}
        """By signature."""
        self._warned: set[str] = set()
        self._commit = commit()

    def start(self, run_id: str) -> Trial | None:
        """Return the next trial, which runs under this id from now on; None if none can start now."""
        trial = self.again.pop(0) if self.again else self.plan.next()
        if trial:
            self.running[run_id] = RunningTrial(trial)
            self.attempts(trial).starts += 1
            for listener in self.listeners:
                listener.started(trial)
        elif not self.running:
            self.failure = RuntimeError("the plan has trials left, but none that could start")
        return trial

    def attempts(self, trial: Trial) -> Attempts:
        """The attempts at a trial so far."""
        return self._attempts.setdefault(trial.signature, Attempts())

    def order(self, trial: Trial) -> TrialOrder:
        """What the worker of a trial that starts now is told."""
        start, confirm = self.plan.start(trial), trial.phase == "confirm"
        return TrialOrder(
            config=portable(trial.config),
            rungs=trial.rungs,
            readings=trial.readings,
            report_every=self.plan.study.report_every,
            commit=self._commit,
            store=self.store.url,
            shared=self.plan.sharing.shared,
            snapshots=start.snapshots,
            checkpoints=start.checkpoints,
            pictures=pictures_of(trial) if confirm else "",
            quality=self.plan.study.confirm.quality and confirm,
        )

    def receive(self, run_id: str, message: Message) -> bool:
        """Take in what a worker says; return whether its trial is to be stopped."""
        run = self.running[run_id]
        self.heartbeats.heard(run_id)
        if isinstance(message, Heartbeat):
            return run.stopping
        self._update_snapshots(run.trial, message)
        if isinstance(message, Outcome):
            run.outcome = message
            return run.stopping
        run.report = message
        for listener in self.listeners:
            listener.progressed(run.trial, message)
        if message.stage == "classification" and message.iteration in run.trial.rungs:
            level = level_at(message.curve, message.iteration, run.trial.readings)
            run.stopping |= level is not None and self.plan.stops(run.trial, message.iteration, level)
        return run.stopping

    def _update_snapshots(self, trial: Trial, message: Report | Outcome) -> None:
        for key in message.snapshots.deleted:
            self.plan.sharing.forget(key)
        for key, size in message.snapshots.written:
            self._delete(self.plan.written(trial, key, size))
        missing = message.missing if isinstance(message, Outcome) else ""
        for text in filter(None, (message.snapshots.warning, missing)):
            if text not in self._warned and len(self._warned) < WARNINGS:
                self._warned.add(text)
                self.notice(trial, text)

    def give_up_silent(self, at_work: Iterable[str]) -> list[str]:
        """Return the ids whose workers are to be killed for their silence; the executor then says they are lost."""
        found = self.heartbeats.silent(run_id for run_id in at_work if run_id in self.running)
        for run_id in found:
            seconds = f"{self.heartbeats.allowed:.0f} s (resources.silence)"
            self.notice(self.running[run_id].trial, f"nothing was heard of it for {seconds}; its worker is given up")
        return found

    def end(self, run_id: str, *, lost: bool) -> None:
        """A trial has ended: completed, stopped, or lost with its worker; an interrupted one leaves no entry.

        A trial that goes on is handed out again here: Tune itself gives up one whose worker dies between two trials.
        """
        run = self.running.pop(run_id)
        self.heartbeats.ended(run_id)
        if self._goes_on(run, lost=lost):
            self.again.append(run.trial)
            return
        if run.outcome and run.outcome.refused:
            self.failure = InvalidInput([Problem(run.trial.name, run.outcome.error or "")])
            raise self.failure
        entry = entry_of(run, self.plan.study.name, starts=self.attempts(run.trial).starts, lost=lost)
        if entry is None:
            return
        try:
            self._delete(self.plan.record(run.trial, entry))
        except Exception as error:
            self.failure = error
            raise
        finally:
            if self.plan.ledger.entries.get(entry.signature) is entry:
                for listener in self.listeners:
                    listener.ended(run.trial, entry)

    def notice(self, trial: Trial, text: str, *, again: bool = False) -> None:
        """Tell the listeners what has happened to a trial; `again`: it waits to be started once more."""
        for listener in self.listeners:
            listener.noticed(trial, text, again=again)

    def _goes_on(self, run: RunningTrial, *, lost: bool) -> bool:
        """Whether a trial that has ended starts again: after its first lack of memory, or not too many losses."""
        attempts = self.attempts(run.trial)
        if run.outcome:
            again = run.outcome.status == "oom" and not attempts.needs_more
            if again:
                attempts.needs_more = True
                what = f"out of memory ({run.outcome.error}); it runs once more, with more memory where there is more"
                self.notice(run.trial, what, again=True)
            return again
        if not lost or run.stopping:
            return False
        reached = run.report.spent.iterations if run.report else 0
        if reached > attempts.furthest:
            attempts.furthest, attempts.losses = reached, 0
        attempts.losses += 1
        again = attempts.losses <= MAX_LOSSES
        if again:
            self.notice(run.trial, "its worker was lost; it goes on elsewhere", again=True)
        return again

    def _delete(self, keys: Iterable[SnapshotKey]) -> None:
        for key in keys:
            # What cannot be removed now is in nobody's way.
            with contextlib.suppress(Exception):
                self.store.delete(key.name)


def entry_of(run: RunningTrial, study: str, *, starts: int, lost: bool) -> Entry | None:
    """The ledger entry of a trial that has ended; None if it was interrupted."""
    report, outcome = run.report, run.outcome
    if outcome is None:
        if run.stopping and report:
            outcome = Outcome("stopped", validation_accuracy=report.validation_accuracy)
        elif lost:
            outcome = Outcome("failed", error=f"its worker process was lost {MAX_LOSSES + 1} times")
        else:
            return None
    last = outcome if outcome.curve is not None else report
    curve = (last.curve if last else None) or []
    spent = outcome.spent or (report.spent if report else Spent())
    provenance = outcome.provenance or (report.provenance if report else {})
    return Entry(
        **run.trial.identity(study),
        **vars(spent),
        status=outcome.status,
        validation_accuracy=outcome.validation_accuracy,
        test_accuracy=outcome.test_accuracy,
        confusion=outcome.confusion,
        error=outcome.error,
        warning=outcome.warning,
        quality=outcome.quality,
        readings=accuracies(curve, run.trial.readings),
        curve=curve,
        provenance=provenance | {"starts": starts},
    )


def pictures_of(trial: Trial) -> str:
    """Name of a trial's file of generated images, in the store and in the run folder."""
    return f"{trial.signature}.npz"
