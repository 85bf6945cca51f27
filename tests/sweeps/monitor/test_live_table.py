"""Lines in place of the live table, where there is no terminal."""

import io

import pytest
from playing import played_entry, tiny
from rich.console import Console

from sweeps.monitor import live_table
from sweeps.monitor.live_table import LiveTable
from sweeps.planning.plan import Plan
from sweeps.records.ledger import Ledger
from sweeps.run.messages import Report, Spent
from sweeps.study.parse import study_of


@pytest.fixture
def said(monkeypatch):
    """A run on a clock of ours: its listener, its plan, the lines so far, and how to let time go by."""
    now = [1000.0]
    monkeypatch.setattr(live_table.time, "monotonic", lambda: now[0])
    output = io.StringIO()
    listener, plan = LiveTable(Console(file=output, soft_wrap=True)), Plan(study_of(tiny()), Ledger(None))
    listener.opened(plan, 2, {"CPU": 1.0, "GPU": 0.0})

    def later(seconds):
        now[0] += seconds

    return listener, plan, lambda: output.getvalue().splitlines(), later


def test_one_hears_at_once_and_from_time_to_time_that_it_goes_on(said):
    listener, plan, lines, later = said
    first, second = plan.next(), plan.next()
    before = len(lines())
    listener.started(first)
    listener.started(second)
    assert lines()[before:] == [f"{first.name} has begun."]
    report = Report("generation", 20, 40, None, [], Spent(), {})
    later(live_table.FIRST_SECONDS - 1)
    listener.progressed(first, report)
    later(2)
    listener.progressed(second, report)
    listener.progressed(first, report)
    assert lines()[before + 1 :] == [f"{second.name}: generation, 20 of 40 iterations. 0/16 trials, 0:11 min"]
    later(live_table.SECONDS - 1)
    listener.progressed(first, report)
    assert len(lines()) == before + 2
    later(2)
    listener.progressed(first, report)
    assert lines()[-1].startswith(f"{first.name}: generation, 20 of 40")


def test_a_phase_that_is_done_is_told_and_nothing_besides(said):
    listener, plan, lines, later = said
    while (trial := plan.next()) and not any("search done" in line for line in lines()):
        listener.started(trial)
        entry = played_entry(plan, trial)
        plan.record(trial, entry)
        listener.ended(trial, entry)
        later(live_table.FIRST_SECONDS - 1)
    told = [line for line in lines() if "search done" in line]
    assert len(told) == 1
    assert "best validation" in told[0]
    listener.progressed(trial, Report("generation", 20, 40, None, [], Spent(), {}))
    assert lines()[-1] == told[0]
    later(2)
    listener.progressed(trial, Report("generation", 20, 40, None, [], Spent(), {}))
    assert lines()[-1].startswith(f"{trial.name}: generation")
