"""W&B in trouble: the study goes on, and says so once."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml
from playing import numbers, plain
from rich.console import Console

from sweeps import tracking
from sweeps.ledger import Ledger
from sweeps.plan import Plan
from sweeps.study import Study
from sweeps.tracking import Tracker

STUDY = plain(search__budget={"trials": 3}, confirm__seeds=2)


def run(folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    command = [sys.executable, "-m", "sweeps", "run", "study.yaml", *options]
    return subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=400
    )


def test_a_folder_that_wandb_cannot_write_stops_nothing(tmp_path):
    good, bad = tmp_path / "good", tmp_path / "bad"
    (bad / "results/tiny").mkdir(parents=True)
    (bad / "results/tiny/wandb").write_text("a file where the folder should be")
    good.mkdir()
    said = run(bad)
    assert said.returncode == 0, said.stderr
    assert said.stderr.count("W&B logging has stopped (FileExistsError") == 1
    assert run(good, "--wandb", "off").returncode == 0
    assert numbers(bad / "results/tiny/ledger") == numbers(good / "results/tiny/ledger")


@pytest.mark.slow
def test_a_server_that_does_not_answer_stops_nothing(tmp_path):
    nobody = {"WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_API_KEY": "0" * 40}
    said = run(tmp_path, "--wandb", "online", **nobody)
    assert said.returncode == 0, said.stderr
    assert said.stderr.count("W&B logging has stopped") == 1
    assert len(numbers(tmp_path / "results/tiny/ledger")) == 5


@pytest.fixture
def tracker(tmp_path, capsys):
    plan = Plan(Study.of(STUDY), Ledger(tmp_path))
    made = Tracker(tmp_path / "wandb", "offline", Console(stderr=True))
    made.begin(plan, 1, {})
    return made


def test_a_slow_server_holds_up_no_trial(tracker, monkeypatch):
    logged, free = [], threading.Event()

    def log(trial, report, entry):
        free.wait(10)
        logged.append(report["iteration"])

    monkeypatch.setattr(tracker, "_log", log)
    trial = tracker.plan.next()
    begun = time.monotonic()
    for iteration in range(100):
        tracker(trial, {"iteration": iteration}, None)
    assert time.monotonic() - begun < 5
    assert not logged
    free.set()
    tracker.end()
    assert logged == list(range(100)), "the end waits for what is left"


def test_the_end_does_not_wait_for_ever(tracker, monkeypatch, capsys):
    monkeypatch.setattr(tracking, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(tracker, "_log", lambda *message: time.sleep(30))
    for iteration in range(3):
        tracker(tracker.plan.branches[0], {"iteration": iteration}, None)
    tracker.end()
    assert "W&B logging has stopped (TimeoutError: 3 reports were not taken in)" in capsys.readouterr().err
