"""Whole runs on a real local Ray, driven from the command line as a user does."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from playing import numbers, tiny

from sweeps.records.ledger import Ledger

PLANNED = 2 * (5 + 3)


def sweeps(*words, folder: Path, **options) -> subprocess.CompletedProcess[str]:
    """The command in a folder of its own."""
    return subprocess.run(
        [sys.executable, "-m", "sweeps", *map(str, words)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        **options,
    )


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The tiny study, run once with two trials at a time."""
    folder = tmp_path_factory.mktemp("ran")
    (folder / "study.yaml").write_text(yaml.safe_dump(tiny(), sort_keys=False))
    answer = sweeps("run", "study.yaml", "--workers", 2, folder=folder)
    assert answer.returncode == 0, answer.stderr
    return folder, answer


def test_a_run_says_what_was_found_and_where_everything_is(ran):
    folder, answer = ran
    for line in ("Report: results/tiny/report/index.html", "Best configs: results/tiny/best", "W&B runs: results/tiny"):
        assert line in answer.stdout
    assert "dagan_aug − c" in answer.stdout
    assert "Last result" not in answer.stdout, "what Tune says of trials"
    assert "tiny: 16 trials; 16 to go, 2 at a time, each on 1 core. Ctrl-C" in answer.stderr
    assert "c: search done, best validation" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert len(answer.stderr.splitlines()) < 10, "Ray is to be quiet"
    here = folder / "results" / "tiny"
    assert sorted(path.name for path in (here / "report").iterdir()) == [
        "figures",
        "index.html",
        "report.md",
        "results.csv",
        "results.parquet",
        "study.yaml",
        "tables",
    ]
    assert {path.name for path in here.iterdir()} - {"wandb"} == {
        ".lock",
        "best",
        "ledger",
        "pictures",
        "report",
        "study.yaml",
    }
    assert len(list((here / "pictures").glob("*.npz"))) == 3


def test_the_ledger_holds_exactly_the_planned_trials(ran):
    folder, _ = ran
    entries = list(Ledger(folder / "results/tiny/ledger").entries.values())
    assert len(entries) == PLANNED
    search = [entry for entry in entries if entry.phase == "search"]
    assert all(entry.test_accuracy is None and entry.validation_accuracy is not None for entry in search)
    confirm = [entry for entry in entries if entry.phase == "confirm"]
    assert all(entry.test_accuracy is not None and entry.validation_accuracy is None for entry in confirm)
    assert {entry.provenance["precision"] for entry in entries} == {"float32"}
    assert all(entry.provenance["torch"] and entry.provenance["device"] for entry in entries)


def test_running_again_runs_nothing(ran):
    folder, _ = ran
    before = {path: path.stat().st_mtime_ns for path in (folder / "results/tiny/ledger").iterdir()}
    answer = sweeps("run", "study.yaml", folder=folder)
    assert answer.returncode == 0
    assert "to go" not in answer.stderr
    assert {path: path.stat().st_mtime_ns for path in (folder / "results/tiny/ledger").iterdir()} == before


def test_one_trial_at_a_time_and_kill_nine_half_way_give_the_same_numbers(ran, tmp_path):
    folder, _ = ran
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(tiny(), sort_keys=False))
    command = [sys.executable, "-m", "sweeps", "run", "study.yaml", "--workers", "1", "--wandb", "off"]
    ledger = tmp_path / "results/tiny/ledger"
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as driver:
        deadline = time.monotonic() + 120
        while len(list(ledger.glob("*.json"))) < PLANNED // 2:
            assert time.monotonic() < deadline, "the first half did not finish"
            time.sleep(0.05)
        os.kill(driver.pid, signal.SIGKILL)
    finished = {path: path.stat().st_mtime_ns for path in ledger.glob("*.json")}
    assert PLANNED // 2 <= len(finished) < PLANNED

    answer = sweeps("run", "study.yaml", "--workers", 1, "--wandb", "off", folder=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert f"{len(finished)} of them done before" in answer.stderr
    assert all(path.stat().st_mtime_ns == time_written for path, time_written in finished.items())
    assert numbers(ledger) == numbers(folder / "results/tiny/ledger")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_what_is_finished_and_says_how_to_go_on(tmp_path, sent):
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(tiny(), sort_keys=False))
    command = [sys.executable, "-m", "sweeps", "run", "study.yaml", "--wandb", "off"]
    ledger = tmp_path / "results/tiny/ledger"
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as driver:
        while not list(ledger.glob("*.json")):
            assert driver.poll() is None
            time.sleep(0.05)
        second = sweeps("run", "study.yaml", folder=tmp_path)
        assert second.returncode == 2
        assert "is being run by another driver" in second.stderr
        driver.send_signal(sent)
        _, errors = driver.communicate(timeout=60)
    assert driver.returncode == 130, errors
    assert f"Interrupted; {len(list(ledger.glob('*.json')))} of 16 trials are kept." in errors
    assert "sweeps run study.yaml --wandb off" in errors
    assert "Traceback" not in errors


def test_a_killed_worker_is_replaced_and_changes_nothing(ran, tmp_path):
    folder, _ = ran
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(tiny(), sort_keys=False))
    command = [sys.executable, "-m", "sweeps", "run", "study.yaml", "--workers", "1", "--wandb", "off"]
    ledger = tmp_path / "results/tiny/ledger"
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as driver:
        while len(list(ledger.glob("*.json"))) < 3:
            assert driver.poll() is None
            time.sleep(0.05)
        (worker,) = workers_of(driver.pid)
        os.kill(worker, signal.SIGKILL)
        _, errors = driver.communicate(timeout=120)
    assert driver.returncode == 0, errors
    assert numbers(ledger) == numbers(folder / "results/tiny/ledger")


def workers_of(driver: int) -> list[int]:
    """The processes below a driver that train a trial right now."""
    below, found = [driver], []
    while below:
        pid = below.pop()
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            below += map(int, children.read_text().split())
        if "ImplicitFunc" in Path(f"/proc/{pid}/cmdline").read_text():
            found.append(pid)
    return found


def test_a_data_set_that_is_not_there_ends_the_run_at_once(tmp_path):
    tree = tiny(datasets=[{"name": "mnist", "root": "nothing"}])
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    (tmp_path / "nothing").write_text("a file where the folder should be")
    answer = sweeps("run", "study.yaml", "--wandb", "off", folder=tmp_path)
    assert answer.returncode == 2
    assert "data.root:" in answer.stderr
    assert "must hold MNIST, but does not" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_status_report_and_export_read_the_ledger(ran):
    folder, _ = ran
    status = sweeps("status", "study.yaml", "--json", folder=folder)
    facts = json.loads(status.stdout)
    assert facts["finished"]
    assert facts["done"] == facts["planned"] == PLANNED
    table = sweeps("status", "study.yaml", folder=folder).stdout
    assert "16 of 16 trials done." in table
    assert "Report: results/tiny/report/index.html" in sweeps("report", "study.yaml", folder=folder).stdout
    files = sweeps("export", "study.yaml", folder=folder).stdout.split()
    assert files == ["results/tiny/best/digits-n5-c.yaml", "results/tiny/best/digits-n5-dagan_aug.yaml"]


@pytest.mark.parametrize("method", ["c", "dagan_aug"])
def test_an_exported_config_trains_again_to_the_recorded_number(ran, method):
    folder, _ = ran
    path = folder / f"results/tiny/best/digits-n5-{method}.yaml"
    recorded = yaml.safe_load(path.read_text())["recorded"]["test_accuracy"]
    answer = sweeps("train", path.relative_to(folder), folder=folder)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == f"test accuracy {recorded!r} (recorded {recorded!r}: identical)\n"


def test_wandb_runs_read_back(ran):
    """One offline run per trial, with config, curves, summary, group and job type, by wandb's own reader."""
    folder, _ = ran
    files = sorted((folder / "results/tiny/wandb").glob("offline-run-*/run-*.wandb"))
    assert len(files) == PLANNED
    entries = Ledger(folder / "results/tiny/ledger").entries
    assert {path.stem.removeprefix("run-") for path in files} == set(entries)
    entry = next(e for e in entries.values() if e.phase == "confirm" and e.method == "dagan_aug")
    file = next(path for path in files if entry.signature in path.stem)
    records = read_wandb(file)
    run = next(record["run"] for record in records if "run" in record)
    assert run["run_group"] == "digits-n5-dagan_aug"
    assert run["job_type"] == "confirm"
    assert run["project"] == "tiny"
    assert run["config"]["update"]["classifier"]["learning_rate"] == entry.config["classifier"]["learning_rate"]
    history = [record["history"] for record in records if "history" in record]
    assert len(history) == len(entry.curve)
    told = [json.dumps(one).count("generation/lowest diversity") for one in history]
    assert told == [int(point["stage"] == "generation") for point in entry.curve]
    summary = {}
    for record in records:
        summary |= record.get("summary", {}).get("update", {})
    assert summary["test_accuracy"] == entry.test_accuracy
    assert summary["status"] == "completed"


def read_wandb(file: Path) -> list[dict]:
    """The records of an offline run, as `wandb leet inspect` prints them."""
    answer = subprocess.run(
        [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", str(file)],
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")]
