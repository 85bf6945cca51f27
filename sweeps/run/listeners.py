"""Whoever watches a run: the live table, the activity file, W&B, the collector of pictures."""

from typing import Protocol

from sweeps.planning.plan import Plan
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry
from sweeps.run.messages import Report

TrialResources = dict[str, float]
"""What one trial takes, by Ray's names: CPU, GPU."""


class Listener(Protocol):
    """Is told what happens in a run, from the driver's one thread. Every method does nothing unless overridden."""

    def opened(self, plan: Plan, slots: int, resources: TrialResources) -> None:
        """The run begins, with so many trials at a time."""
        return

    def started(self, trial: Trial) -> None:
        """A trial was handed to a worker, for the first time or again."""
        return

    def progressed(self, trial: Trial, report: Report) -> None:
        """A trial has reported."""
        return

    def noticed(self, trial: Trial, text: str, *, again: bool = False) -> None:
        """Something has happened to a trial; `again`: it waits to be started once more."""
        return

    def ended(self, trial: Trial, entry: Entry) -> None:
        """A trial has ended, and its entry is in the ledger."""
        return

    def closed(self) -> None:
        """The run is over, finished or interrupted."""
        return
