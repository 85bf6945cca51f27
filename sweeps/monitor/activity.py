"""What a run is doing right now: the driver writes it into a small file of the study, `sweeps status` reads it."""

import contextlib
import json
import os
import platform
import time
from collections import deque
from datetime import UTC, datetime
from typing import Any

from sweeps.planning.plan import Plan
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry, Place, write_atomically
from sweeps.run.resources import Share

SECONDS = 1.0
"""The file is written no more often."""
EVENTS = 100
"""So many are kept, the latest."""
SHOWN = ("stage", "iteration", "total")
"""Of a trial's last report."""


class Activity:
    """The trials at work, and what happened to them that no ledger entry tells of."""

    def __init__(self, place: Place) -> None:
        self.file = place.activity
        self.running: dict[str, dict[str, Any]] = {}
        """By signature."""
        self.events: deque[str] = deque(maxlen=EVENTS)
        self.written = 0.0

    def begin(self, _plan: Plan, slots: int, _share: Share) -> None:
        """The run starts."""
        self.slots = slots
        self._write()

    def __call__(self, trial: Trial, report: dict[str, Any], entry: Entry | None) -> None:
        """A trial has started, reported, met with something, or ended."""
        if entry or report.get("again"):
            self.running.pop(trial.signature, None)
        elif "event" not in report:
            now = self.running.setdefault(trial.signature, {"name": trial.name, **place_of(trial)})
            now |= {key: report[key] for key in SHOWN if key in report}
            now |= {"host": report["provenance"]["host"]} if "provenance" in report else {}
        if event := report.get("event"):
            self.events.append(f"{trial.name}: {event}")
        if time.monotonic() - self.written > SECONDS:
            self._write()

    def end(self) -> None:
        """The run is over."""
        with contextlib.suppress(OSError):
            self.file.unlink()

    def _write(self) -> None:
        self.written = time.monotonic()
        driver = {"host": platform.node(), "pid": os.getpid(), "slots": self.slots}
        at = datetime.now(UTC).isoformat(timespec="seconds")
        facts = {"at": at, "driver": driver, "running": list(self.running.values()), "events": list(self.events)}
        with contextlib.suppress(OSError):  # a full disk says so where something is lost by it
            write_atomically(self.file, json.dumps(facts))


def place_of(trial: Trial) -> dict[str, Any]:
    """Which trial it is, for a script."""
    return {
        "signature": trial.signature,
        "phase": trial.phase,
        "dataset": trial.cell.dataset.name,
        "samples_per_class": trial.cell.samples_per_class,
        "method": trial.method,
        "trial": trial.number,
        "seed": trial.seed,
    }


def activity(place: Place) -> dict[str, Any] | None:
    """What the file of a study says, and whether its driver is `alive` (None: nobody may look); None without a file.

    A run that ends takes its file along, so one without a living driver is of one that was killed.
    """
    try:
        facts: dict[str, Any] = json.loads(place.activity.read_bytes())
    except (OSError, ValueError):
        return None
    return facts | {"alive": place.driven}
