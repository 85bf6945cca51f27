"""Ray Tune's view of the controller: a Searcher that hands out its trials, a scheduler that stops them, a trainable.

All are thin; the decisions are the plan's, in `sweeps.planning`, which knows nothing of Ray.
"""

import time
from typing import Any

import ray
from ray.tune.experiment import Trial as RayTrial
from ray.tune.progress_reporter import TrialProgressCallback
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from sweeps.run.controller import Controller
from sweeps.run.messages import Heartbeat, Message, decode, encode
from sweeps.run.trial_resources import TrialResources
from sweeps.run.tune.resources import nodes_alive, slots_on
from sweeps.run.worker import messages

HEARTBEAT_SECONDS = 10
"""After so long without a report a worker sends a heartbeat."""
CHECK_SECONDS = 1.0
"""How often silent workers are looked for."""
IDLE_SECONDS = 60.0
"""Seconds without a trial at work after which, again and again, the user is told why."""


def train_trial(config: dict[str, Any]) -> None:
    """The function that Ray Tune runs. Orders and messages are texts: Tune would flatten what is nested."""
    from ray import tune

    sent = time.monotonic()

    def send(message: Message) -> None:
        nonlocal sent
        tune.report({"message": encode(message)})
        sent = time.monotonic()

    def heartbeat() -> None:
        if time.monotonic() - sent > HEARTBEAT_SECONDS:
            send(Heartbeat())

    for message in messages(decode(config["order"]), heartbeat):
        send(message)


class PlanSearcher(Searcher):
    """Hands the plan's trials to Ray Tune."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self.controller = controller

    def __getstate__(self) -> dict[str, Any]:
        """Leave the controller out: Tune keeps a copy that nothing reads."""
        return without_controller(self)

    def suggest(self, trial_id: str) -> Any:
        """Return the next trial's order; None if all that can run is running; FINISHED at the end."""
        if self.controller.failure or self.controller.plan.finished:
            return Searcher.FINISHED
        trial = self.controller.start(trial_id)
        if trial is None:
            return None
        order = encode(self.controller.order(trial))
        return {"order": order, "needs_more": self.controller.attempts(trial).needs_more}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Pass the end of a trial on; Tune does not report that of an interrupted one."""
        self.controller.end(trial_id, lost=error)

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: the ledger is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: the ledger is the state."""


class PlanScheduler(FIFOScheduler):
    """Stops a trial where the plan says so, and ends the worker of one of which nothing is heard any more."""

    def __init__(self, controller: Controller, resources: TrialResources) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.controller, self.resources = controller, resources
        self._checked = self._busy = time.monotonic()

    def __getstate__(self) -> dict[str, Any]:
        """Leave the controller out: Tune keeps a copy that nothing reads."""
        return without_controller(self)

    def choose_trial_to_run(self, tune_controller: Any) -> RayTrial | None:
        """Choose the next trial in order. Tune asks several times a second, so silent workers are looked for here."""
        if time.monotonic() - self._checked > CHECK_SECONDS:
            self._checked = time.monotonic()
            at_work = {
                trial.trial_id: actor
                for trial in tune_controller.get_live_trials()
                if (actor := trial.temporary_state.ray_actor) is not None
            }
            for run_id in self.controller.give_up_silent(at_work):
                ray.kill(at_work[run_id])
            if at_work:
                self._busy = self._checked
            elif self._checked - self._busy > IDLE_SECONDS:
                self._say_idle()
                self._busy = self._checked
        chosen: RayTrial | None = super().choose_trial_to_run(tune_controller)
        return chosen

    def _say_idle(self) -> None:
        room = slots_on(nodes_alive(), self.resources) > 0
        why = (
            "workers are being started" if room else "no node of the cluster has room; it goes on as soon as one joins"
        )
        for run in list(self.controller.running.values())[:1]:
            self.controller.notice(run.trial, f"nothing has run for {IDLE_SECONDS:.0f} s: {why}")

    def on_trial_result(self, tune_controller: Any, trial: RayTrial, result: dict[str, Any]) -> str:
        """Pass a worker's message on; stop its trial or let it go on."""
        message = decode(result["message"]) if "message" in result else Heartbeat()
        stop = self.controller.receive(trial.trial_id, message)
        return TrialScheduler.STOP if stop else TrialScheduler.CONTINUE

    def on_trial_complete(self, tune_controller: Any, trial: RayTrial, result: dict[str, Any]) -> None:
        """Drop the texts and averages that Tune would keep of every trial until the end, though nothing reads them."""
        kept = trial.run_metadata
        kept.last_result.pop("message", None)
        kept.metric_analysis.clear()
        kept.metric_n_steps.clear()
        trial.config.pop("order", None)


class Mute(TrialProgressCallback):
    """Takes the place of Tune's reporter of trials, which keeps a text of each; our listeners tell of them."""

    def on_trial_result(self, *_: Any, **__: Any) -> None:
        """Do nothing."""

    on_trial_error = on_trial_complete = on_trial_result


def without_controller(adapter: PlanSearcher | PlanScheduler) -> dict[str, Any]:
    """What may be pickled of an adapter: a controller holds open files and a terminal."""
    return {key: value for key, value in vars(adapter).items() if key != "controller"}
