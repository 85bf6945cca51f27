"""The live table of a running study, and the same table for `sweeps status`."""

import math
import time
from collections import Counter
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from sweeps.forecast.estimate.detectable import evidence, sentence
from sweeps.planning.plan import Group, Plan
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry
from sweeps.run.resources import Share, in_words

NOTICES = 20
"""So many notices are shown, and no more: a full disk has one for each snapshot."""
UNUSUAL = ("stopped", "diverged", "oom", "failed")


def progress_table(plan: Plan, running: Counter[tuple[str, int, str]] | None = None) -> Table:
    """One row per method of a cell, all points of a design together: how far search and confirm are, what they found.

    With `running`, the number of its trials that run right now, too.
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
        now = running[cell.dataset.name, cell.samples_per_class, group.method] if running is not None else 0
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
    """The best mean validation accuracy so far, in %; of several points of a design, each with its own, none."""
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


class LiveTable:
    """Shows a run as it goes: a live table on a terminal, else a line whenever a method has finished a phase."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.running: Counter[tuple[str, int, str]] = Counter()
        self._active: set[str] = set()
        self._noticed: set[str] = set()

    def begin(self, plan: Plan, slots: int, share: Share) -> None:
        """The run starts."""
        self.plan, self.begun, self.done_before = plan, time.monotonic(), len(plan.entries)
        left = plan.planned - self.done_before
        known = f", {self.done_before} of them done before" if self.done_before else ""
        self.console.print(
            f"{plan.study.name}: {plan.planned} trials{known}; {left} to go, {slots} at a time,"
            f" each on {in_words(share)}. Ctrl-C stops; the same command goes on."
        )
        for path in plan.ledger.damaged:
            self.console.print(f"damaged ledger file, set aside as {path.name}; its trial runs again", markup=False)
        reach = evidence(plan.study)
        if reach["comparisons"] and not reach["enough"]:
            self.console.print(f"Note: {sentence(reach)}")
        self.live = Live(console=self.console, auto_refresh=False, transient=True) if self.console.is_terminal else None
        if self.live:
            self.live.start()
        self._refreshed = 0.0
        self._show()

    def __call__(self, trial: Trial, report: dict[str, Any], entry: Entry | None) -> None:
        """A trial has started, reported, or ended."""
        if event := report.get("event"):
            self.console.print(f"{trial.name}: {event}", markup=False)
        notice = report.get("notice")
        if notice and notice not in self._noticed and len(self._noticed) < NOTICES:
            self._noticed.add(notice)
            self.console.print(f"{trial.name}: {notice}", markup=False)
        key = (trial.cell.dataset.name, trial.cell.samples_per_class, trial.method)
        over = entry is not None or report.get("again")
        if not over and "event" not in report and trial.signature not in self._active:
            self._active.add(trial.signature)
            self.running[key] += 1
        elif over and trial.signature in self._active:
            self._active.remove(trial.signature)
            self.running[key] -= 1
        self._show(ended=trial if entry else None)

    def end(self) -> None:
        """The run is over."""
        if self.live:
            self.live.stop()
            self.console.print(progress_table(self.plan))

    def _show(self, ended: Trial | None = None) -> None:
        if self.live is None:
            if ended:
                self._line(ended)
        elif time.monotonic() - self._refreshed > 0.2:
            self._refreshed = time.monotonic()
            table = progress_table(self.plan, self.running)
            table.caption = self._caption()
            table.caption_justify = "left"
            self.live.update(table, refresh=True)

    def _line(self, ended: Trial) -> None:
        group = self.plan.group(ended)
        done = group.of_phase(ended.phase)
        if len(done) < group.planned[ended.phase]:
            return
        found = f"best validation {best_validation(group)}" if ended.phase == "search" else f"test {mean_test(done)}"
        odd = unusual(done)
        note = f" ({odd})" if odd else ""
        self.console.print(f"{group.cell}, {group.method}: {ended.phase} done, {found}{note}. {self._caption()}")

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
