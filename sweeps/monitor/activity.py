"""The activity file: what a run is doing right now, written by the driver and read by `sweeps status`."""

import contextlib
import json
import os
import platform
import time
from collections import deque
from datetime import UTC, datetime
from typing import Any

from dagan.files import write_atomically
from sweeps.planning.plan import Plan
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry
from sweeps.records.run_folder import RunFolder
from sweeps.run.listeners import Listener
from sweeps.run.messages import Report
from sweeps.run.trial_resources import TrialResources

SECONDS = 1.0
"""Least time between two writes, unless a trial starts."""
EVENTS = 100
"""Number of events kept, the latest."""


class Activity(Listener):
    """Writes down the trials at work, and what happened to them that no ledger entry tells of."""

    def __init__(self, folder: RunFolder) -> None:
        self.file = folder.activity
        self.running: dict[str, dict[str, Any]] = {}
        """The trials at work, by signature."""
        self.events: deque[str] = deque(maxlen=EVENTS)
        self.written = 0.0

    def opened(self, plan: Plan, slots: int, resources: TrialResources) -> None:
        """Write the file for the first time."""
        self.slots = slots
        self._write()

    def started(self, trial: Trial) -> None:
        """Add a trial."""
        self.running[trial.signature] = {"name": trial.name, **identity(trial)}
        self._write()  # at once: a long trial may say nothing for a while

    def progressed(self, trial: Trial, report: Report) -> None:
        """Note how far a trial is."""
        self.running[trial.signature] |= {
            "stage": report.stage,
            "iteration": report.iteration,
            "total": report.total,
            "host": report.provenance.get("host", ""),
        }
        self._write_in_time()

    def noticed(self, trial: Trial, text: str, *, again: bool = False) -> None:
        """Note what has happened to a trial."""
        self.events.append(f"{trial.name}: {text}")
        if again:
            self.running.pop(trial.signature, None)
        self._write_in_time()

    def ended(self, trial: Trial, entry: Entry) -> None:
        """Remove a trial."""
        self.running.pop(trial.signature, None)
        self._write_in_time()

    def closed(self) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):
            self.file.unlink()

    def _write_in_time(self) -> None:
        if time.monotonic() - self.written > SECONDS:
            self._write()

    def _write(self) -> None:
        self.written = time.monotonic()
        driver = {"host": platform.node(), "pid": os.getpid(), "slots": self.slots}
        at = datetime.now(UTC).isoformat(timespec="seconds")
        facts = {"at": at, "driver": driver, "running": list(self.running.values()), "events": list(self.events)}
        with contextlib.suppress(OSError):  # a full disk says so where something is lost by it
            write_atomically(self.file, json.dumps(facts), durable=False)


def identity(trial: Trial) -> dict[str, Any]:
    """The columns that say which trial it is, for a script."""
    return {
        "signature": trial.signature,
        "phase": trial.phase,
        "dataset": trial.cell.dataset.name,
        "samples_per_class": trial.cell.samples_per_class,
        "method": trial.method,
        "trial": trial.number,
        "seed": trial.seed,
    }


def activity(folder: RunFolder) -> dict[str, Any] | None:
    """Read the file of a study, and whether its driver is `alive` (None: that cannot be seen); None without a file.

    A run that ends takes its file along, so one without a living driver is of one that was killed.
    """
    try:
        facts: dict[str, Any] = json.loads(folder.activity.read_bytes())
    except (OSError, ValueError):
        return None
    return facts | {"alive": folder.driven}
