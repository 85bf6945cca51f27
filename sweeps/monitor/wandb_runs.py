"""Weights & Biases: one run per trial, written by the driver; offline unless asked otherwise.

Whatever goes wrong with W&B, training and ledger go on: one warning, and no more logging.
"""

import netrc
import os
import threading
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from rich.console import Console

from analysis.data.columns import SUMMARY
from dagan.errors import in_one_line, refuse
from dagan.nested import flatten
from dagan.stages import length
from sweeps.planning.plan import Plan
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry
from sweeps.run.listeners import Listener
from sweeps.run.messages import CurvePoint, Report
from sweeps.run.trial_resources import TrialResources

Mode = Literal["offline", "online", "off"]
PATIENCE_SECONDS = 120
"""How long the end of a run waits for what W&B has yet to take in."""


class Unlogged(NamedTuple):
    """What W&B has yet to be told of a trial: its curve so far and, once it has ended, its entry."""

    trial: Trial
    curve: list[CurvePoint]
    entry: Entry | None


class WandbRuns(Listener):
    """Logs each trial as a W&B run: config, curves, summary; group = method of a cell, job type = phase.

    A thread of its own does it: a server that answers slowly must not hold up the trials. What it has not got to yet
    is kept once per trial, as each report has the whole curve.
    """

    def __init__(self, folder: Path, mode: Mode, console: Console) -> None:
        self.folder, self.mode, self.console = folder, mode, console
        self.runs: dict[str, Any] = {}
        """Open W&B runs, by signature."""
        self.steps: dict[str, int] = {}
        """Points logged, by signature."""
        self.broken = mode == "off"
        self._waiting: dict[str, Unlogged] = {}
        """What is yet to be logged, by signature."""
        self._over = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="wandb", daemon=True)

    def opened(self, plan: Plan, slots: int, resources: TrialResources) -> None:
        """Start the thread."""
        self.plan = plan
        if not self.broken:
            self._thread.start()

    def progressed(self, trial: Trial, report: Report) -> None:
        """Log the curve so far."""
        self._put(Unlogged(trial, report.curve, None))

    def ended(self, trial: Trial, entry: Entry) -> None:
        """Log the whole curve and the summary."""
        self._put(Unlogged(trial, entry.curve, entry))

    def closed(self) -> None:
        """Log what is left, and close the runs of trials that were interrupted."""
        if self.broken or not self._thread.is_alive():
            return
        with self._news:
            self._over, left = True, len(self._waiting)
            self._news.notify()
        if left > 1:
            self.console.print(f"W&B has yet to take in {left} trials …")
        self._thread.join(PATIENCE_SECONDS)
        if self._thread.is_alive():
            self.broken = True
            missing = f"{len(self._waiting)} trials are not in W&B"
            self.console.print(f"W&B took too long (more than {PATIENCE_SECONDS:g} s): {missing}; the ledger has all.")

    def _put(self, unlogged: Unlogged) -> None:
        if self.broken:
            return
        with self._news:
            # To the end of the queue: the trial that has waited longest comes first.
            self._waiting.pop(unlogged.trial.signature, None)
            self._waiting[unlogged.trial.signature] = unlogged
            self._news.notify()

    def _work(self) -> None:
        while not self.broken and (unlogged := self._next()):
            try:
                self._log(*unlogged)
            except Exception as error:
                self._give_up(error)
        for run in self.runs.values():
            try:
                run.finish(exit_code=1)
            except Exception as error:
                self._give_up(error)

    def _next(self) -> Unlogged | None:
        """Wait for what has waited longest; None when the study is over and nothing is left."""
        with self._news:
            self._news.wait_for(lambda: self._waiting or self._over)
            return self._waiting.pop(next(iter(self._waiting))) if self._waiting else None

    def _log(self, trial: Trial, curve: list[CurvePoint], entry: Entry | None) -> None:
        if trial.signature not in self.runs:
            self.runs[trial.signature] = self._open(trial)
            self.steps[trial.signature] = 0
        run = self.runs[trial.signature]
        for point in curve[self.steps[trial.signature] :]:
            # After a crash the curve begins before this run did: it is logged from its start.
            self.steps[trial.signature] += 1
            # Stage 2 counts on where stage 1 ended, so that a run has one axis.
            offset = length(trial.config, "generation") if point["stage"] == "classification" else 0
            run.log(point_values(point, offset), step=self.steps[trial.signature])
        if entry is None:
            return
        run.summary.update(summary_of(entry))
        run.config.update({"provenance": entry.provenance})
        run.finish(exit_code=0 if entry.finished else 1)
        del self.runs[trial.signature]

    def _open(self, trial: Trial) -> Any:
        import wandb

        self.folder.mkdir(parents=True, exist_ok=True)
        run = wandb.init(
            project=self.plan.study.name,
            dir=str(self.folder.parent),
            mode="online" if self.mode == "online" else "offline",
            id=trial.signature,
            name=trial.name,
            group=f"{trial.cell.dataset.name}-n{trial.cell.samples_per_class}-{trial.method}",
            job_type=trial.phase,
            tags=[trial.method, trial.phase],
            config={
                "trial": trial.number,
                "point": trial.point,
                "study": self.plan.study.name,
                **trial.config.model_dump(mode="json"),
            },
            reinit="create_new",
            settings=wandb.Settings(
                silent=True,
                console="off",
                x_disable_stats=True,
                x_disable_meta=True,
                x_save_requirements=False,
                save_code=False,
                x_transaction_log_flush_interval=1.0,
            ),
        )
        run.define_metric("iteration")
        run.define_metric("*", step_metric="iteration")
        return run

    def _give_up(self, error: Exception) -> None:
        if not self.broken:
            self.console.print(f"W&B logging has stopped ({in_one_line(error)}); the study goes on without it.")
        self.broken = True


def summary_of(entry: Entry) -> dict[str, Any]:
    """What the summary of a run has of an entry; W&B has no null."""
    summary: dict[str, Any] = entry.model_dump(mode="json", include=set(SUMMARY), exclude_none=True)
    summary |= {f"quality/{name}": value for name, value in entry.quality.items()}
    summary |= {f"readings/{kc}": accuracy for kc, accuracy in entry.readings.items()}
    for network, sizes in entry.networks.items():
        summary |= {f"networks/{network}/{name}": value for name, value in sizes.items()}
    return summary


def point_values(point: dict[str, Any], offset: int) -> dict[str, float]:
    """Convert a point of a curve to W&B metrics."""
    values = {f"{point['stage']}/{name}": value for name, value in flatten(point["losses"]).items()}
    values |= {"iteration": point["iteration"] + offset, "images_per_second": point["images_per_second"]}
    if point.get("diversity"):
        values["generation/lowest diversity"] = min(point["diversity"].values())
    if point["validation_accuracy"] is not None:
        values["validation_accuracy"] = point["validation_accuracy"]
    return values


def require_login() -> None:
    """Check, before anything runs, that W&B online can work: a key in the environment or left by `wandb login`.

    Raises:
        InvalidInput: nobody is logged in.
    """
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        kept = netrc.netrc(os.environ.get("NETRC")).authenticators(host)
    except (OSError, netrc.NetrcParseError):
        kept = None
    if not (os.environ.get("WANDB_API_KEY") or kept):
        raise refuse("--wandb", "online needs a login, but nobody is logged in. Run `wandb login`, or use offline.")
