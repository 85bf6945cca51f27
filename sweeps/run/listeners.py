"""Whoever watches a run: the live table, the activity file, W&B, the collector of pictures."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Protocol

from sweeps.planning.plan import Plan
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry
from sweeps.run.messages import Report
from sweeps.run.trial_resources import TrialResources


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


@contextmanager
def open_listeners(listeners: Sequence[Listener], plan: Plan, slots: int, resources: TrialResources) -> Iterator[None]:
    """Tell listeners that a run begins and, whatever happens in it and in any of them, that it is over."""
    with ExitStack() as stack:
        for listener in reversed(listeners):
            stack.callback(listener.closed)
        for listener in listeners:
            listener.opened(plan, slots, resources)
        yield
