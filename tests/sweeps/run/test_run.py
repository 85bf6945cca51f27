"""A whole run on a real local Ray, driven from the command line as a user does, and the same numbers without Ray.

What kills of drivers, workers and nodes do to a run on Ray is the fault drill's, `tests/sweeps/cluster/test_drill.py`.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from playing import numbers, tiny
from processes import COMMAND, INLINE, folder_of, run, started, wait

from sweeps.records.ledger import Ledger

SMALL = tiny(search__budget={"trials": 3}, confirm__seeds=2)
PLANNED = 2 * (3 + 2)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The tiny study, run once on Ray with two trials at a time."""
    folder = folder_of(tmp_path_factory.mktemp("ran"), SMALL)
    answer = run(folder, "--workers", "2", command=COMMAND[:-2])
    assert answer.returncode == 0, answer.stderr
    return folder, answer


def test_a_run_says_what_was_found_and_where_everything_is(ran):
    folder, answer = ran
    for line in ("Report: results/tiny/report/index.html", "Best configs: results/tiny/best", "W&B runs: results/tiny"):
        assert line in answer.stdout
    assert "dagan_aug − c" in answer.stdout
    assert "Last result" not in answer.stdout, "what Tune says of trials"
    assert f"tiny: {PLANNED} trials; {PLANNED} to go, 2 at a time, each on 1 core. Ctrl-C" in answer.stderr
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
        "duplicates",
        "ledger",
        "pictures",
        "references.csv",
        "report",
        "study.yaml",
    }
    assert len(list((here / "pictures").glob("*.npz"))) == 2


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


@pytest.fixture
def there(ran, monkeypatch):
    """The folder of the run, as the current one."""
    folder, _ = ran
    monkeypatch.chdir(folder)
    return folder


def test_running_again_runs_nothing(ran, typed, there):
    before = {path: path.stat().st_mtime_ns for path in (there / "results/tiny/ledger").iterdir()}
    code, _, said = typed("run", "study.yaml")
    assert code == 0
    assert "to go" not in said
    assert {path: path.stat().st_mtime_ns for path in (there / "results/tiny/ledger").iterdir()} == before


@pytest.mark.slow
def test_kill_nine_half_way_without_ray_gives_the_same_numbers(ran, tmp_path, typed):
    folder, _ = ran
    folder_of(tmp_path, SMALL)
    ledger = tmp_path / "results/tiny/ledger"
    with started(tmp_path, command=INLINE) as driver:
        wait(driver, lambda: len(list(ledger.glob("*.json"))) >= PLANNED // 2)
        second, _, said = typed("run", "study.yaml", "--wandb", "off")
        assert second == 2
        assert "is being run by another driver" in said
        os.kill(driver.pid, signal.SIGKILL)
    finished = {path: path.stat().st_mtime_ns for path in ledger.glob("*.json")}
    assert PLANNED // 2 <= len(finished) < PLANNED

    code, _, said = typed("run", "study.yaml", "--wandb", "off", "--executor", "inline")
    assert code == 0, said
    assert f"{len(finished)} of them done before" in said
    assert "1 at a time" in said
    assert all(path.stat().st_mtime_ns == time_written for path, time_written in finished.items())
    assert numbers(ledger) == numbers(folder / "results/tiny/ledger")


@pytest.mark.parametrize(
    ("sent", "command", "in_background"),
    [
        (signal.SIGINT, INLINE, False),
        pytest.param(signal.SIGTERM, INLINE, True, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, COMMAND, False, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, COMMAND, True, marks=pytest.mark.slow),
    ],
)
def test_an_interrupt_keeps_what_is_finished_and_says_how_to_go_on(tmp_path, sent, command, in_background):
    """In the background of a script a command is started with SIGINT ignored."""
    folder_of(tmp_path, SMALL)
    ledger = tmp_path / "results/tiny/ledger"
    # Whoever runs the tests may do so in the background himself.
    ignoring = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"] if in_background else ["env", "--default-signal=INT"]
    with started(tmp_path, "--set", "datasets=[digits]", command=(*ignoring, *command)) as driver:
        wait(driver, lambda: list(ledger.glob("*.json")))
        driver.send_signal(sent)
        _, errors = driver.communicate(timeout=60)
    assert driver.returncode == 130, errors
    assert f"Interrupted; {len(list(ledger.glob('*.json')))} of {PLANNED} trials are kept." in errors
    assert errors.count("stopping …\n") == 1
    assert errors.index("stopping …") < errors.index("Interrupted; ")
    assert "sweeps run study.yaml --wandb off" in errors
    assert "--set 'datasets=[digits]'" in errors, "no markup of a console"
    assert "Traceback" not in errors


def test_a_data_set_that_is_not_there_ends_the_run_at_once(tmp_path, typed):
    folder_of(tmp_path, tiny(datasets=[{"name": "mnist", "root": "nothing"}]))
    (tmp_path / "nothing").write_text("a file where the folder should be")
    code, _, said = typed("run", "study.yaml", "--wandb", "off", "--executor", "inline")
    assert code == 2
    assert "data.root:" in said
    assert "must hold MNIST, but does not" in said
    assert "Traceback" not in said


def test_status_report_and_export_read_the_ledger(typed, there):
    facts = json.loads(typed("status", "study.yaml", "--json")[1])
    assert facts["finished"]
    assert facts["done"] == facts["planned"] == PLANNED
    assert f"{PLANNED} of {PLANNED} trials done." in typed("status", "study.yaml")[1]
    assert "Report: results/tiny/report/index.html" in typed("report", "study.yaml")[1]
    files = typed("export", "study.yaml")[1].split()
    assert files == ["results/tiny/best/digits-n5-c.yaml", "results/tiny/best/digits-n5-dagan_aug.yaml"]


@pytest.mark.parametrize("method", ["c", "dagan_aug"])
def test_an_exported_config_trains_again_to_the_recorded_number(typed, there, method):
    path = f"results/tiny/best/digits-n5-{method}.yaml"
    recorded = yaml.safe_load((there / path).read_text())["recorded"]["test_accuracy"]
    code, told, said = typed("train", path)
    assert code == 0, said
    assert told == f"test accuracy {recorded!r} (recorded {recorded!r}: identical)\n"


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
