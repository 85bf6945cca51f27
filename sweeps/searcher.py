"""Ray Tune's view of the plan: a Searcher that hands out its trials, a scheduler that stops them.

Both are thin; all decisions are the plan's, in `sweeps.plan` and `sweeps.search`, which know nothing of Ray.
"""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from ray.tune.experiment import Trial as RayTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from dagan.problem import InvalidInput, Problem
from sweeps.ledger import Entry
from sweeps.plan import Plan
from sweeps.store import Key
from sweeps.trial import Trial

MAX_LOSSES = 3
"""How often a trial whose worker died is started again."""

Listener = Callable[[Trial, dict[str, Any], Entry | None], None]
"""Called with each report of a trial and, at its end, with its entry."""


class Conductor:
    """The trials that are running right now, between Ray's ids and the plan."""

    def __init__(self, plan: Plan, order: Callable[[Trial], dict[str, Any]], discard: Callable[[Key], None]) -> None:
        """`order` makes what a worker is told of a trial; `discard` removes a snapshot."""
        self.plan, self.order, self.discard = plan, order, discard
        self.running: dict[str, Trial] = {}
        self.last: dict[str, dict[str, Any]] = {}
        self.stopping: set[str] = set()
        self.lost: list[Trial] = []
        self.losses: Counter[str] = Counter()
        self.listeners: list[Listener] = []
        self.failure: Exception | None = None

    def start(self, ray_id: str) -> Trial | None:
        """The next trial, which runs under this id from now on."""
        trial = self.lost.pop(0) if self.lost else self.plan.next()
        if trial:
            self.running[ray_id] = trial
        elif not self.running:
            self.failure = RuntimeError("the plan has trials left, but none that could start")
        return trial

    def report(self, ray_id: str, report: dict[str, Any]) -> bool:
        """Take in a report; whether the trial is to be stopped."""
        trial = self.running[ray_id]
        for prefix, iteration, size in report.pop("snapshots", []):
            for key in self.plan.made(trial, Key(prefix, iteration), size):
                self.discard(key)
        self.last[ray_id] = self.last.get(ray_id, {}) | report
        for listener in self.listeners:
            listener(trial, report, None)
        accuracy = report.get("validation_accuracy")
        if accuracy is not None and self.plan.stops(trial, report["iteration"], accuracy):
            self.stopping.add(ray_id)
        return ray_id in self.stopping

    def end(self, ray_id: str, *, lost: bool) -> None:
        """A trial has ended: completed, stopped by us, or lost with its worker. An interrupted one leaves no entry.

        A lost one is handed out again here: Tune itself gives up a worker that dies between two trials.
        """
        trial = self.running.pop(ray_id)
        if lost and ray_id not in self.stopping and "outcome" not in self.last.get(ray_id, {}):
            self.losses[trial.signature] += 1
            if self.losses[trial.signature] <= MAX_LOSSES:
                self.last.pop(ray_id, None)
                self.lost.append(trial)
                return
        entry = self._entry(trial, ray_id, lost=lost)
        if entry is None:
            return
        try:
            for key in self.plan.record(trial, entry):
                self.discard(key)
        except Exception as error:
            self.failure = error
            raise
        finally:
            for listener in self.listeners:
                listener(trial, {}, entry)

    def _entry(self, trial: Trial, ray_id: str, *, lost: bool) -> Entry | None:
        last = self.last.pop(ray_id, {})
        outcome = last.get("outcome")
        if outcome and outcome.pop("invalid", False):
            self.failure = InvalidInput([Problem(trial.name, outcome["error"])])
            raise self.failure
        if outcome is None:
            if ray_id in self.stopping:
                outcome = {"status": "stopped", "validation_accuracy": last["validation_accuracy"]}
            elif lost:
                outcome = {"status": "failed", "error": f"its worker process was lost {MAX_LOSSES + 1} times"}
            else:
                return None
        blank = {
            "validation_accuracy": None,
            "test_accuracy": None,
            "iterations": 0,
            "pflop": 0.0,
            "pflop_unshared": 0.0,
            "wall_seconds": 0.0,
        }
        spent = ("iterations", "pflop", "pflop_unshared", "wall_seconds", "curve")
        seen = {key: last[key] for key in spent if key in last}
        values = blank | seen | trial.identity(self.plan.study.name) | outcome
        return Entry(**values, provenance=last.get("provenance", {}))


class PlanSearcher(Searcher):
    """Hands the plan's trials to Ray Tune."""

    def __init__(self, conductor: Conductor) -> None:
        super().__init__()
        self.conductor = conductor

    def __getstate__(self) -> dict[str, Any]:
        """Tune keeps a copy that nothing reads; the plan stays here."""
        return without_conductor(self)

    def suggest(self, trial_id: str) -> Any:
        """The next trial's order; None where all that can run is running; FINISHED at the end."""
        if self.conductor.failure or self.conductor.plan.finished:
            return Searcher.FINISHED
        trial = self.conductor.start(trial_id)
        return {"order": json.dumps(self.conductor.order(trial))} if trial else None

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell the plan; an interrupted trial is not told."""
        self.conductor.end(trial_id, lost=error)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the ledger is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the ledger is the state."""


class PlanScheduler(FIFOScheduler):
    """Stops a trial where the plan says so."""

    def __init__(self, conductor: Conductor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.conductor = conductor

    def __getstate__(self) -> dict[str, Any]:
        """Tune keeps a copy that nothing reads; the plan stays here."""
        return without_conductor(self)

    def on_trial_result(self, tune_controller: Any, trial: RayTrial, result: dict[str, Any]) -> str:
        """Stop or go on."""
        report = json.loads(result["report"]) if "report" in result else {}
        stop = self.conductor.report(trial.trial_id, report)
        return TrialScheduler.STOP if stop else TrialScheduler.CONTINUE


def without_conductor(adapter: PlanSearcher | PlanScheduler) -> dict[str, Any]:
    """What may be pickled of an adapter: a conductor holds open files and a terminal."""
    return {key: value for key, value in vars(adapter).items() if key != "conductor"}
