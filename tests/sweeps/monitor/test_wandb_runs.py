"""W&B in trouble: the study goes on, and says so once."""

import threading
import time
from pathlib import Path
from typing import ClassVar

import pytest
from playing import numbers, plain, played_entry
from rich.console import Console

from sweeps.api import run_study
from sweeps.monitor import wandb_runs
from sweeps.monitor.wandb_runs import WandbRuns
from sweeps.planning.plan import Plan
from sweeps.records.ledger import Ledger
from sweeps.run.messages import Report, Spent
from sweeps.study.parse import study_of

STUDY = plain(search__budget={"trials": 3}, search__window=4, confirm__seeds=2)


def run(folder: Path, **options) -> dict:
    """The numbers of the study, run in this process."""
    plan = run_study(study_of(STUDY), out=folder, **options)
    assert plan.finished
    return numbers(folder / "tiny/ledger")


def test_a_folder_that_wandb_cannot_write_stops_nothing(tmp_path, capsys):
    good, bad = tmp_path / "good", tmp_path / "bad"
    (bad / "tiny").mkdir(parents=True)
    (bad / "tiny/wandb").write_text("a file where the folder should be")
    found = run(bad, wandb="offline")
    assert capsys.readouterr().err.count("W&B logging has stopped (FileExistsError") == 1
    assert found == run(good, wandb="off")


@pytest.mark.slow
def test_a_server_that_does_not_answer_stops_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert len(run(tmp_path, wandb="online")) == 5
    assert capsys.readouterr().err.count("W&B logging has stopped") == 1


@pytest.fixture
def runs(tmp_path, capsys):
    plan = Plan(study_of(STUDY), Ledger(tmp_path))
    made = WandbRuns(tmp_path / "wandb", "offline", Console(stderr=True, soft_wrap=True))
    made.opened(plan, 1, {})
    return made


def report_of(points):
    return Report("classification", points, 100, None, [{"iteration": i} for i in range(points)], Spent(), {})


def test_a_slow_server_holds_up_no_trial_and_gets_the_latest_report_of_each(runs, monkeypatch):
    logged, free = [], threading.Event()

    def log(trial, curve, entry):
        free.wait(10)
        logged.append((trial.signature, len(curve), entry))

    monkeypatch.setattr(runs, "_log", log)
    one, two = runs.plan.next(), runs.plan.next()
    begun = time.monotonic()
    for points in range(100):
        runs.progressed(one, report_of(points))
        runs.progressed(two, report_of(points))
    runs.noticed(two, "its worker was lost", again=True)
    entry = played_entry(runs.plan, one)
    runs.ended(one, entry)
    assert time.monotonic() - begun < 5
    assert not logged
    free.set()
    runs.closed()
    assert logged[-1] == (one.signature, len(entry.curve), entry), "the end, with the whole curve"
    assert [found for found in logged if found[0] == two.signature][-1] == (two.signature, 99, None)
    assert len(logged) <= 3, "what was taken at once, and the latest of each"


def test_the_run_of_an_interrupted_trial_is_closed_as_failed(runs, monkeypatch):
    class Run:
        codes: ClassVar = []

        def log(self, values, step):
            pass

        def finish(self, exit_code):
            self.codes.append(exit_code)

    monkeypatch.setattr(runs, "_open", lambda trial: Run())
    runs.progressed(runs.plan.next(), report_of(0))
    runs.closed()
    assert Run.codes == [1]


def test_the_end_does_not_wait_for_ever(runs, monkeypatch, capsys):
    monkeypatch.setattr(wandb_runs, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(runs, "_log", lambda *message: time.sleep(30))
    for _ in range(3):
        runs.progressed(runs.plan.next(), report_of(0))
    runs.closed()
    said = capsys.readouterr().err
    assert "W&B took too long (more than 0.1 s): 2 trials are not in W&B; the ledger has all." in said
