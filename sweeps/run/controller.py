"""Ray Tune's view of the plan: a Searcher that hands out its trials, a scheduler that stops them.

Both are thin; all decisions are the plan's, in `sweeps.planning`, which knows nothing of Ray.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import ray
from ray.tune.experiment import Trial as RayTrial
from ray.tune.progress_reporter import TrialProgressCallback
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from dagan.errors import InvalidInput, Problem
from sweeps.planning.plan import Plan
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry
from sweeps.records.snapshot_store import Key
from sweeps.run.heartbeat import Silence
from sweeps.run.resources import Share, nodes_alive, room

MAX_LOSSES = 3
"""How often in a row a trial that loses its worker is started again without getting further than before."""

LOOK_SECONDS = 1.0
"""How often silence is looked for."""
IDLE_SECONDS = 60.0
"""After so long without any trial at work, and after each such time again, it is said what is waited for."""

Listener = Callable[[Trial, dict[str, Any], Entry | None], None]
"""Called as a trial starts, with an empty report, with each report of it and, at its end, with its entry."""


class Conductor:
    """The trials that are running right now, between Ray's ids and the plan."""

    def __init__(self, plan: Plan, order: Callable[[Trial], dict[str, Any]], discard: Callable[[Key], None]) -> None:
        """`order` makes what a worker is told of a trial; `discard` removes a snapshot."""
        self.plan, self.order, self.discard = plan, order, discard
        self.running: dict[str, Trial] = {}
        self.last: dict[str, dict[str, Any]] = {}
        self.stopping: set[str] = set()
        self.again: list[Trial] = []
        """To be handed out once more, before any other."""
        self.starts: Counter[str] = Counter()
        """By signature, as all below."""
        self.losses: Counter[str] = Counter()
        """Since the trial last got further than ever before."""
        self.furthest: dict[str, int] = {}
        """Iterations."""
        self.larger: set[str] = set()
        """Those that ran out of memory once, and get a larger share."""
        self.silence = Silence(plan.study.resources.silence)
        self.listeners: list[Listener] = []
        self.failure: Exception | None = None

    def start(self, ray_id: str) -> Trial | None:
        """The next trial, which runs under this id from now on."""
        trial = self.again.pop(0) if self.again else self.plan.next()
        if trial:
            self.running[ray_id] = trial
            self.starts[trial.signature] += 1
            for listener in self.listeners:
                listener(trial, {}, None)
        elif not self.running:
            self.failure = RuntimeError("the plan has trials left, but none that could start")
        return trial

    def report(self, ray_id: str, report: dict[str, Any]) -> bool:
        """Take in a report; whether the trial is to be stopped."""
        trial = self.running[ray_id]
        self.silence.broken(ray_id)
        for prefix, iteration in report.pop("dropped", []):
            self.plan.sharing.forget(Key(prefix, iteration))
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

    def too_silent(self, at_work: Iterable[str]) -> list[str]:
        """Those of these trials whose workers are to be killed; Ray then says that they are lost."""
        found = self.silence.too_long(ray_id for ray_id in at_work if ray_id in self.running)
        for ray_id in found:
            seconds = f"{self.silence.allowed:.0f} s (resources.silence)"
            self.tell(self.running[ray_id], f"nothing was heard of it for {seconds}; its worker is given up")
        return found

    def end(self, ray_id: str, *, lost: bool) -> None:
        """A trial has ended: completed, stopped by us, or lost with its worker. An interrupted one leaves no entry.

        One that goes on is handed out again here: Tune itself gives up a worker that dies between two trials.
        """
        trial = self.running.pop(ray_id)
        self.silence.ended(ray_id)
        if self._goes_on(trial, ray_id, lost=lost):
            self.last.pop(ray_id, None)
            self.again.append(trial)
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

    def idle(self, *, room: bool) -> None:
        """Say that no trial is at work, though some could be; `room`: a node could hold one."""
        waits = f"nothing has run for {IDLE_SECONDS:.0f} s"
        why = (
            "workers are being started" if room else "no node of the cluster has room; it goes on as soon as one joins"
        )
        for trial in list(self.running.values())[:1]:
            self.tell(trial, f"{waits}: {why}")

    def tell(self, trial: Trial, event: str, *, again: bool = False) -> None:
        """Say what has happened to a trial; `again`: it waits to be started once more."""
        for listener in self.listeners:
            listener(trial, {"event": event, "again": again}, None)

    def _goes_on(self, trial: Trial, ray_id: str, *, lost: bool) -> bool:
        """Whether a trial that has ended runs again: after its first lack of memory, or not too many losses."""
        last, name = self.last.get(ray_id, {}), trial.signature
        outcome = last.get("outcome")
        if outcome:
            again = outcome["status"] == "oom" and name not in self.larger
            if again:
                self.larger.add(name)
                what = f"out of memory ({outcome['error']}); it runs once more, with a larger share"
                self.tell(trial, what, again=True)
            return again
        if not lost or ray_id in self.stopping:
            return False
        reached = last.get("iterations", 0)
        if reached > self.furthest.get(name, 0):
            self.furthest[name] = reached
            self.losses[name] = 0
        self.losses[name] += 1
        again = self.losses[name] <= MAX_LOSSES
        if again:
            self.tell(trial, "its worker was lost; it goes on elsewhere", again=True)
        return again

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
        return Entry(**values, provenance=last.get("provenance", {}) | {"starts": self.starts[trial.signature]})


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
        if trial is None:
            return None
        return {"order": json.dumps(self.conductor.order(trial)), "larger": trial.signature in self.conductor.larger}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell the plan; an interrupted trial is not told."""
        self.conductor.end(trial_id, lost=error)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the ledger is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the ledger is the state."""


class PlanScheduler(FIFOScheduler):
    """Stops a trial where the plan says so, and ends the worker of one of which nothing is heard any more."""

    def __init__(self, conductor: Conductor, share: Share) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.conductor, self.share = conductor, share
        self._looked = self._busy = time.monotonic()

    def __getstate__(self) -> dict[str, Any]:
        """Tune keeps a copy that nothing reads; the plan stays here."""
        return without_conductor(self)

    def choose_trial_to_run(self, tune_controller: Any) -> RayTrial | None:
        """The next one in order. Tune asks several times a second, so this is where silence is noticed."""
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._looked = time.monotonic()
            at_work = {
                trial.trial_id: actor
                for trial in tune_controller.get_live_trials()
                if (actor := trial.temporary_state.ray_actor) is not None
            }
            for ray_id in self.conductor.too_silent(at_work):
                ray.kill(at_work[ray_id])
            if at_work:
                self._busy = self._looked
            elif self._looked - self._busy > IDLE_SECONDS:
                self.conductor.idle(room=room(self.share, nodes_alive()) > 0)
                self._busy = self._looked
        chosen: RayTrial | None = super().choose_trial_to_run(tune_controller)
        return chosen

    def on_trial_result(self, tune_controller: Any, trial: RayTrial, result: dict[str, Any]) -> str:
        """Stop or go on."""
        report = json.loads(result["report"]) if "report" in result else {}
        stop = self.conductor.report(trial.trial_id, report)
        return TrialScheduler.STOP if stop else TrialScheduler.CONTINUE

    def on_trial_complete(self, tune_controller: Any, trial: RayTrial, result: dict[str, Any]) -> None:
        """Forget what Tune would keep of every trial until the end, though nothing reads it: texts, and averages."""
        kept = trial.run_metadata
        kept.last_result.pop("report", None)
        kept.metric_analysis.clear()
        kept.metric_n_steps.clear()
        trial.config.pop("order", None)


class Mute(TrialProgressCallback):
    """Takes the place of Tune's reporter of trials, which keeps a text of each: here the listeners tell of them."""

    def on_trial_result(self, *_: Any, **__: Any) -> None:
        """Nothing."""

    on_trial_error = on_trial_complete = on_trial_result


def without_conductor(adapter: PlanSearcher | PlanScheduler) -> dict[str, Any]:
    """What may be pickled of an adapter: a conductor holds open files and a terminal."""
    return {key: value for key, value in vars(adapter).items() if key != "conductor"}
