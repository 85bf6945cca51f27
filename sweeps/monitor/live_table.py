"""The live table of a running study, and the same table for `sweeps status`."""

import math
import time
from collections import Counter
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from sweeps.forecast.estimate.detectable import detectable
from sweeps.monitor.displays import Display, display_on
from sweeps.planning.branch import GroupKey, group_of
from sweeps.planning.plan import Group, Plan
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry
from sweeps.run.listeners import Listener
from sweeps.run.messages import Report
from sweeps.run.trial_resources import TrialResources, described

FIRST_SECONDS, SECONDS = 10, 300
"""Without a line, until there is one all the same: the first time, and from then on."""
UNUSUAL = ("stopped", "diverged", "oom", "failed")


def progress_table(plan: Plan, running: Mapping[GroupKey, int] | None = None) -> Table:
    """One row per method of a cell, all design points together: how far search and confirm are, what they found.

    With `running`, also the number of trials that run right now.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("data set", overflow="fold")
    table.add_column("n", justify="right")
    table.add_column("method", no_wrap=True)
    for name in ("search", "validation", "confirm", "test", *(["running"] if running is not None else [])):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("unusual", overflow="fold")
    for group in plan.groups:
        cell, planned = group.cell, group.planned
        search, confirm = group.of_phase("search"), group.of_phase("confirm")
        now = running.get(group_of(cell, group.method), 0) if running is not None else 0
        table.add_row(
            cell.dataset.name,
            str(cell.samples_per_class),
            group.method,
            f"{len(search)}/{planned['search']}" if planned["search"] else "·",
            best_validation(group),
            f"{len(confirm)}/{planned['confirm']}",
            mean_test(confirm),
            *([str(now or "·")] if running is not None else []),
            unusual(search + confirm),
        )
    return table


def best_validation(group: Group) -> str:
    """The best mean validation accuracy so far, in %; none for several design points, each with a best of its own."""
    best = group.branches[0].search.best if len(group.branches) == 1 else None
    return f"{100 * best.score:.1f} %" if best and best.score is not None else "·"


def mean_test(entries: list[Entry]) -> str:
    """The mean test accuracy so far, in %; the report has its interval."""
    values = [entry.test_accuracy for entry in entries if entry.test_accuracy is not None]
    return f"{100 * math.fsum(values) / len(values):.1f} %" if values else "·"


def unusual(entries: list[Entry]) -> str:
    """How many trials did not complete, by how they ended."""
    counts: Counter[str] = Counter(entry.status for entry in entries)
    return ", ".join(f"{counts[status]} {status}" for status in UNUSUAL if counts[status])


class LiveTable(Listener):
    """Shows a run as it goes: a live table on a terminal or in a notebook.

    Elsewhere a line as the first trial begins, whenever a phase is done, and where neither was for a while.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.running: dict[str, GroupKey] = {}
        """Groups of the trials at work, by signature."""
        self._display: Display | None = None
        self._said = 0.0
        """When the last line was printed, or the run began."""
        self._patience = FIRST_SECONDS

    def opened(self, plan: Plan, slots: int, resources: TrialResources) -> None:
        """Say what is to be done, and show the table."""
        self.plan, self.begun, self.done_before = plan, time.monotonic(), len(plan.entries)
        left = plan.planned - self.done_before
        known = f", {self.done_before} of them done before" if self.done_before else ""
        self.console.print(
            f"{plan.study.name}: {plan.planned} trials{known}; {left} to go, {slots} at a time,"
            f" each on {described(resources)}. Ctrl-C stops; the same command goes on."
        )
        for path in plan.ledger.damaged:
            self.console.print(f"damaged ledger file, set aside as {path.name}; its trial runs again", markup=False)
        found = detectable(plan.study)
        if found.comparisons and not found.enough:
            self.console.print(f"Note: {found.sentence}")
        self._display = display_on(self.console)
        self._refreshed, self._said = 0.0, self.begun
        self._show()

    def started(self, trial: Trial) -> None:
        """Count the trial as running."""
        first = not self.running and len(self.plan.entries) == self.done_before
        self.running[trial.signature] = group_of(trial.cell, trial.method)
        if first and self._display is None:
            self.console.print(f"{trial.name} has begun.", markup=False)
        self._show()

    def progressed(self, trial: Trial, report: Report) -> None:
        """Redraw the table, or say how far the trial is where nothing was said for a while."""
        if self._display is None and time.monotonic() - self._said > self._patience:
            self._patience = SECONDS
            self._say(f"{trial.name}: {report.stage}, {report.iteration} of {report.total} iterations.")
        self._show()

    def noticed(self, trial: Trial, text: str, *, again: bool = False) -> None:
        """Print what has happened to a trial."""
        self.console.print(f"{trial.name}: {text}", markup=False)
        if again:
            self.running.pop(trial.signature, None)
        self._show()

    def ended(self, trial: Trial, entry: Entry) -> None:
        """Count the trial as done."""
        self.running.pop(trial.signature, None)
        if self._display is None:
            self._print_phase(trial)
        self._show()

    def closed(self) -> None:
        """Leave the final table."""
        if self._display:
            self._display.close(progress_table(self.plan))

    def _show(self) -> None:
        if self._display and time.monotonic() - self._refreshed > self._display.seconds:
            self._refreshed = time.monotonic()
            table = progress_table(self.plan, Counter(self.running.values()))
            table.caption = self._caption()
            table.caption_justify = "left"
            self._display.show(table)

    def _print_phase(self, ended: Trial) -> None:
        """Print a line if a phase of the trial's method is done."""
        group = self.plan.group(ended)
        done = group.of_phase(ended.phase)
        if len(done) < group.planned[ended.phase]:
            return
        found = f"best validation {best_validation(group)}" if ended.phase == "search" else f"test {mean_test(done)}"
        odd = unusual(done)
        note = f" ({odd})" if odd else ""
        self._say(f"{group.cell}, {group.method}: {ended.phase} done, {found}{note}.")

    def _say(self, text: str) -> None:
        self._said = time.monotonic()
        self.console.print(f"{text} {self._caption()}", markup=False)

    def _caption(self) -> str:
        done = len(self.plan.entries)
        seconds = time.monotonic() - self.begun
        new = done - self.done_before
        ahead = self.plan.planned - done
        left = f", about {clock(seconds * ahead / new)} left" if new >= 4 and ahead else ""
        return f"{done}/{self.plan.planned} trials, {clock(seconds)}{left}"


def clock(seconds: float) -> str:
    """A duration as minutes and seconds, or hours and minutes."""
    minutes, rest = divmod(round(seconds), 60)
    hours, rest_minutes = divmod(minutes, 60)
    return f"{hours} h {rest_minutes:02d} min" if hours else f"{minutes}:{rest:02d} min"
