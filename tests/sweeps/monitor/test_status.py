"""What `sweeps status` says while a study runs, after its driver was killed, and at the end."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml
from playing import plain, played_entry, tiny
from rich.console import Console

from sweeps.monitor.activity import Activity, activity
from sweeps.monitor.status import facts, print_status
from sweeps.planning.plan import Plan
from sweeps.records.ledger import Ledger
from sweeps.records.run_folder import RunFolder
from sweeps.run.messages import Report, Spent
from sweeps.study.parse import study_of

SLOW = plain(
    search__parameters={"classifier.iterations": {"value": 250}, "classifier.beta1": {"values": [0.5, 0.6]}},
    search__budget={"trials": 2},
    search__early_stopping=None,
    confirm__seeds=1,
)
"""Trials of a second or more."""
RUN = (sys.executable, "-m", "sweeps", "run", "study.yaml", "--executor", "inline", "--wandb", "off")


def test_status_of_a_study_that_runs_whose_driver_died_and_that_is_done(tmp_path, typed):
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(SLOW, sort_keys=False))
    folder = RunFolder(tmp_path / "results", "tiny")
    with subprocess.Popen(RUN, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as driver:
        while not (now := activity(folder)) or not now["running"]:
            assert driver.poll() is None
            time.sleep(0.02)
        said, facts = typed("status", "study.yaml")[1], json.loads(typed("status", "study.yaml", "--json")[1])
        os.kill(driver.pid, signal.SIGKILL)
    assert facts["running"] == 1
    assert facts["now"]["driver"]["pid"] == driver.pid
    assert f"Driven by process {driver.pid} on " in said
    assert "1 running" in said
    assert f"{facts['planned'] - facts['done'] - 1} to go" in said
    assert "-n5-search-" in said
    assert not facts["finished"]

    dead = typed("status", "study.yaml")[1]
    assert f"Its driver, process {driver.pid} on " in dead
    assert "running" not in dead.split("Its driver")[0]

    assert typed("run", "study.yaml", "--executor", "inline", "--wandb", "off")[0] == 0
    assert not folder.activity.exists()
    assert typed("status", "study.yaml")[1].endswith("3 of 3 trials done.\n")


@pytest.fixture
def running(tmp_path):
    folder = RunFolder(tmp_path, "tiny")
    folder.root.mkdir()
    plan = Plan(study_of(tiny()), Ledger(folder.ledger))
    listener = Activity(folder)
    listener.opened(plan, 2, {"CPU": 1.0, "GPU": 0.0})
    return folder, plan, listener


@pytest.fixture(autouse=True)
def _written_at_once(monkeypatch):
    monkeypatch.setattr("sweeps.monitor.activity.SECONDS", -1)


def report_of(stage, iteration, total):
    return Report(stage, iteration, total, None, [{"iteration": iteration}], Spent(), {"host": "h2"})


def test_the_file_follows_the_trials(running):
    folder, plan, listener = running
    one, two = plan.next(), plan.next()
    listener.started(one)
    assert [run["signature"] for run in activity(folder)["running"]] == [one.signature]
    listener.started(two)
    listener.progressed(two, report_of("generation", 20, 40))
    (first, second) = activity(folder)["running"]
    assert "stage" not in first
    assert (second["stage"], second["iteration"], second["total"], second["host"]) == ("generation", 20, 40, "h2")
    assert "curve" not in second
    listener.noticed(two, "its worker was lost")
    assert activity(folder)["events"] == [f"{two.name}: its worker was lost"]
    listener.ended(two, played_entry(plan, two))
    assert [run["signature"] for run in activity(folder)["running"]] == [one.signature]
    assert not activity(folder)["alive"], "nobody holds the study's lock here"
    with folder.driving():
        assert activity(folder)["alive"]
    listener.closed()
    assert activity(folder) is None


def test_a_file_that_cannot_be_written_stops_nothing(running):
    folder, plan, listener = running
    folder.activity.unlink()
    folder.activity.mkdir()
    listener.started(plan.next())
    assert activity(folder) is None
    listener.closed()


def test_a_finished_trial_is_not_running_whatever_the_file_says(running):
    folder, plan, listener = running
    one, two = plan.next(), plan.next()
    listener.started(one)
    listener.started(two)
    plan.record(one, played_entry(plan, one))
    with folder.driving():
        known = facts(plan, activity(folder))
    assert known["running"] == 1
    assert [now["signature"] for now in known["now"]["running"]] == [two.signature]


def test_a_lost_trial_and_a_finished_one_that_is_spoken_of_do_not_run(running):
    _, plan, listener = running
    one = plan.next()
    listener.started(one)
    listener.noticed(one, "its worker was lost; it goes on elsewhere", again=True)
    assert not listener.running
    listener.started(one)
    listener.ended(one, played_entry(plan, one))
    listener.noticed(one, "its pictures could not be fetched")
    assert not listener.running
    assert len(listener.events) == 2


def test_who_may_only_read_is_not_told_that_the_driver_died(running, monkeypatch, capsys):
    folder, plan, _ = running
    monkeypatch.setattr(RunFolder, "driven", None)
    print_status(plan, activity(folder), Console(soft_wrap=True))
    said = capsys.readouterr().out
    assert "is still there is not to be seen from here. At 20" in said
    assert "died" not in said
