"""Results read back from W&B: offline runs that the sweep's own tracker wrote, and runs of wandb's own API class."""

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import wandb
from rich.console import Console
from wandb.apis.public.runs import Run

from analysis import ResultsError, load, load_curves
from analysis.data.wandb_offline import records, run_files
from dagan.config import Config
from sweeps.monitor.wandb_runs import WandbRuns, summary_of
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry, Ledger
from sweeps.run.messages import Report, Spent
from sweeps.study.schema import Cell, Dataset

LONG = "x" * 100_000  # a record over four blocks of the file


def trial(method: str, phase: str, number: int) -> Trial:
    settings = {"method": method, "seed": number + 1000 * (phase == "confirm")}
    settings |= {"data": {"dataset": "digits", "samples_per_class": 5, "phase": phase}}
    settings |= {"gan": {"iterations": 20}} if "gan" in method else {}
    cell = Cell(dataset=Dataset(name="digits"), samples_per_class=5)
    return Trial(cell=cell, method=method, phase=phase, number=number, config=Config.of(settings))


def ended(one: Trial, status: str = "completed", **changes) -> Entry:
    search = one.phase == "search"
    curve = [
        {"stage": stage, "iteration": at, "total": 20, "images_per_second": 99.5, "diversity": None}
        | {"validation_accuracy": 0.1 * at / 3 if search and stage == "classification" else None}
        | {"losses": {"real": 1 / at} if stage == "classification" else {"feature matching": float("nan")}}
        for stage in (("generation", "classification") if one.config.gan else ("classification",))
        for at in (10, 20)
    ]
    values = {"validation_accuracy": 2 / 3 if search else None, "test_accuracy": None if search else 0.7 / 3}
    values |= {"iterations": 40, "pflop": 0.001 / 3, "pflop_unshared": 0.002 / 3, "wall_seconds": 1.5}
    values |= {"quality": {"kid": -0.001 / 3, "gan_test": 0.5}} if one.config.gan and not search else {}
    values |= {"provenance": {"commit": "0123abc", "torch": "2.9.0", "threads": 1}, "curve": curve}
    return Entry(**one.identity("tiny"), status=status, **values | changes)


def wait_for(trials: int, folder: Path) -> None:
    """Until W&B's own process has written what it was given: on a busy machine that is after `finish`."""
    for _ in range(300):
        if len(load(folder)) >= trials:
            return
        time.sleep(0.1)
    raise AssertionError(f"W&B has written no {trials} runs: {load(folder).attrs['damaged']}")


def report_of(curve):
    return Report("classification", 0, 0, None, curve, Spent(), {})


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A study folder with a ledger and the W&B runs of the same trials, written by the tracker itself."""
    folder = tmp_path_factory.mktemp("results") / "tiny"
    ledger, runs = Ledger(folder / "ledger"), WandbRuns(folder / "wandb", "offline", Console(quiet=True))
    runs.opened(SimpleNamespace(study=SimpleNamespace(name="tiny")), 1, {})
    trials = [trial(m, phase, number) for m in ("c", "dagan") for phase in ("search", "confirm") for number in (0, 1)]
    entries = [(one, ended(one)) for one in trials]
    lost = trial("dagan", "confirm", 7)
    entries += [(lost, ended(lost, "diverged", test_accuracy=None, error=LONG, warning="generated images collapsed"))]
    for one, entry in entries:
        ledger.write(entry)
        runs.ended(one, entry)
    interrupted = trial("c", "confirm", 8)
    runs.progressed(interrupted, report_of(ended(interrupted).curve))
    runs.closed()
    assert not runs.broken
    wait_for(len(entries), folder / "wandb")
    return folder


def test_offline_runs_give_the_table_of_the_ledger(study):
    from_ledger, from_runs = load(study), load(study / "wandb")
    pd.testing.assert_frame_equal(from_runs, from_ledger, check_exact=True)
    assert len(from_runs) == 9
    assert from_runs["warning"].dropna().tolist() == ["generated images collapsed"]


def test_offline_runs_give_the_curves_of_the_ledger(study):
    from_ledger, from_runs = load_curves(study), load_curves(study / "wandb")
    pd.testing.assert_frame_equal(from_runs, from_ledger, check_exact=True)
    assert from_runs.loc[from_runs["stage"] == "classification", "iteration"].unique().tolist() == [10, 20]


def test_a_run_that_has_not_ended_is_named_and_left_out(study):
    damaged = load(study / "wandb").attrs["damaged"]
    assert [reason.split(":")[0] for reason in damaged.values()] == ["the run has no status"]
    assert list(damaged) == [f"run-{trial('c', 'confirm', 8).signature}.wandb"]


def test_a_ledger_and_its_runs_are_the_same_trials(study):
    both = load(study, study / "wandb")
    assert both.attrs["repeated"] == 9
    pd.testing.assert_frame_equal(both, load(study), check_exact=True)


def test_a_trial_that_went_on_in_a_second_run_is_one_row(tmp_path):
    one = trial("dagan", "search", 3)
    entry = ended(one)
    for folder, known in (("first", None), ("second", entry)):
        runs = WandbRuns(tmp_path / folder / "wandb", "offline", Console(quiet=True))
        runs.opened(SimpleNamespace(study=SimpleNamespace(name="tiny")), 1, {})
        # The first run was logged until it was killed; the second logs the curve from its start.
        if known:
            runs.ended(one, known)
        else:
            runs.progressed(one, report_of(entry.curve[:3]))
        runs.closed()
    gathered = tmp_path / "wandb"
    gathered.mkdir()
    for number, file in enumerate([*run_files(tmp_path / "first"), *run_files(tmp_path / "second")]):
        file.parent.rename(gathered / f"offline-run-2026010{number}_000000-{one.signature}")
    assert len(run_files(gathered)) == 2
    wait_for(1, gathered)
    assert load(gathered)["status"].tolist() == ["completed"]
    assert load_curves(gathered)["iteration"].tolist() == [10, 20, 10, 20]


def test_a_file_that_was_cut_off_keeps_its_whole_records(study):
    content = run_files(study)[0].read_bytes()
    whole = list(records(content))
    assert 5 < len(list(records(content[:-300]))) < len(whole)


def test_a_damaged_run_is_named(study, tmp_path):
    files = run_files(study)
    content = bytearray(files[0].read_bytes())
    content[200] ^= 1
    for name, bad in (("aaaa", bytes(content)), ("bbbb", b"rubbish"), ("cccc", b"")):
        (tmp_path / f"offline-run-2026-{name}").mkdir()
        (tmp_path / f"offline-run-2026-{name}" / f"run-{name}.wandb").write_bytes(bad)
    results = load_with(tmp_path, files[1])
    assert len(results) == 1
    reasons = results.attrs["damaged"]
    assert "damaged at byte" in reasons["run-aaaa.wandb"]
    assert "no W&B file" in reasons["run-bbbb.wandb"]
    assert "no W&B file" in reasons["run-cccc.wandb"]


def load_with(folder: Path, good: Path) -> pd.DataFrame:
    """The results of a folder of runs to which a good one is added."""
    (folder / good.parent.name).mkdir()
    (folder / good.parent.name / good.name).write_bytes(good.read_bytes())
    return load(folder)


class Project:
    """Stands in for `wandb.Api`: real `Run` objects with what a server would have sent, and no server."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.asked: list[str] = []

    def runs(self, path, per_page, include_sweeps, lazy=True):
        assert not lazy, "each run would be a request of its own"
        self.asked.append(path)
        for entry in self.entries:
            yield online_run(entry)


def online_run(entry: Entry) -> Run:
    config = {"trial": entry.trial, "study": entry.study, "provenance": entry.provenance, **entry.config}
    summary = summary_of(entry) | {"_runtime": 3}
    attributes = {
        "config": json.dumps({"_wandb": {"value": {}}} | {name: {"value": value} for name, value in config.items()}),
        "summaryMetrics": json.dumps(summary),
        "state": "finished",
        "user": {},
    }
    return Run(None, "me", "tiny", entry.signature, attrs=attributes, lazy=False)


def offset(entry: Entry, point: dict) -> int:
    """Where on a run's one axis the stage of a point begins."""
    return 20 if point["stage"] == "classification" and entry.config["gan"] else 0


def test_an_online_project_gives_the_table_of_the_ledger(study, monkeypatch):
    entries = list(Ledger(study / "ledger").entries.values())
    project = Project(entries)
    monkeypatch.setattr(wandb, "Api", lambda: project)
    results = load("wandb:me/tiny")
    assert project.asked == ["me/tiny"]
    pd.testing.assert_frame_equal(results, load(study), check_exact=True)


def test_online_histories_give_the_curves_of_the_ledger(study, monkeypatch):
    entries = Ledger(study / "ledger").entries
    history = {
        signature: [
            {"_step": step, "iteration": p["iteration"] + offset(entry, p)}
            | {f"{p['stage']}/{term}": value for term, value in p["losses"].items()}
            | {"images_per_second": p["images_per_second"], "validation_accuracy": p["validation_accuracy"]}
            for step, p in enumerate(entry.curve, start=1)
        ]
        for signature, entry in entries.items()
    }  # fmt: skip
    monkeypatch.setattr(wandb, "Api", lambda: Project(list(entries.values())))
    monkeypatch.setattr(Run, "scan_history", lambda run: history[run.id])
    pd.testing.assert_frame_equal(load_curves("wandb:me/tiny"), load_curves(study), check_exact=True)


def test_a_project_that_cannot_be_reached_is_an_error_with_a_remedy(monkeypatch):
    def refuse():
        raise wandb.errors.UsageError("api_key not configured (no-tty)")

    monkeypatch.setattr(wandb, "Api", refuse)
    with pytest.raises(ResultsError, match=r"could not be read \(api_key not configured.*wandb login"):
        load("wandb:me/tiny")


def test_without_wandb_installed_the_remedy_is_named(study, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb.proto.wandb_internal_pb2", None)
    with pytest.raises(ResultsError, match="pip install wandb"):
        load(study / "wandb")
