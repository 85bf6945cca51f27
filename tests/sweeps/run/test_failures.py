"""Failures, provoked in whole runs, each with what follows; `sweeps/README.md` has the table of them.

Those that need a real Ray, because its workers or processes fail, are slow.
"""

import contextlib
import errno
import os
import signal
import subprocess
import sys

import pytest
from playing import numbers
from processes import INLINE, folder_of, run, started, trainers, wait

from sweeps.api import run_study
from sweeps.records.ledger import Ledger
from sweeps.run.experiment import Storage

STUDY = {
    "name": "tiny",
    "datasets": ["digits"],
    "samples_per_class": [5],
    "methods": ["c"],
    "base": {"network": {"width": 0.25}, "classifier": {"batch_size": 32, "iterations": 80}},
    "confirm": {"seeds": 4},
    "report_every": 20,
}
"""Four trainings of the plain classifier."""


def entries(folder):
    return {entry.seed: entry for entry in Ledger(folder / "results/tiny/ledger").entries.values()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = folder_of(tmp_path_factory.mktemp("undisturbed") / "run", STUDY)
    run_study(str(folder / "study.yaml"), out=folder / "results", wandb="off")
    return numbers(folder / "results/tiny/ledger")


SHORT_OF_MEMORY = """
import json, sys
import ray
import sweeps.run.tune.adapters

honest = sweeps.run.tune.adapters.train_trial

def train_trial(order):
    from dagan.training import losses
    seed = json.loads(order["order"])["config"]["seed"]
    cpus = ray.get_runtime_context().get_assigned_resources()["CPU"]
    whole = losses.classification_losses
    def fail(*_):
        raise MemoryError("no room")
    if seed == 1001 and cpus < 2 or seed == 1002:
        losses.classification_losses = fail
    try:
        honest(order)
    finally:
        losses.classification_losses = whole

sweeps.run.tune.adapters.train_trial = train_trial
from sweeps.cli.app import main
sys.argv[1:] = ["run", "study.yaml", "--workers", "2", "--wandb", "off"]
main()
"""
"""The command, but seed 1001 wants the machine for itself, and seed 1002 more than that."""


@pytest.mark.slow
def test_out_of_memory_runs_once_more_with_a_larger_share_and_is_then_recorded(undisturbed, tmp_path):
    folder = folder_of(tmp_path, STUDY)
    answer = run(folder, command=(sys.executable, "-c", SHORT_OF_MEMORY))
    assert answer.returncode == 1, answer.stderr
    ended = entries(folder)
    assert {seed: entry.status for seed, entry in ended.items()} == {
        1000: "completed",
        1001: "completed",
        1002: "oom",
        1003: "completed",
    }
    assert {seed: entry.provenance["starts"] for seed, entry in ended.items()} == {1000: 1, 1001: 2, 1002: 2, 1003: 1}
    assert ended[1002].error == "MemoryError: no room"
    assert answer.stderr.count("it runs once more, with more memory") == 2
    assert "1 confirm trials failed: MemoryError: no room" in answer.stderr
    good = {key: row for key, row in undisturbed.items() if row[3] != 1002}
    found = numbers(folder / "results/tiny/ledger")
    assert {key: row for key, row in found.items() if row[3] != 1002} == good
    answer = run(folder)
    assert answer.returncode == 0, "the next run tries it again"
    assert numbers(folder / "results/tiny/ledger") == undisturbed


@pytest.mark.slow
def test_a_worker_that_falls_silent_is_given_up_and_its_trial_runs_again(undisturbed, tmp_path):
    folder = folder_of(tmp_path, STUDY | {"resources": {"silence": 30}})
    # With keepalive Ray itself ends a stopped process, after 20 s; here the watch over silence is on its own.
    environment = os.environ | {"RAY_grpc_client_keepalive_time_ms": "3600000"}
    with started(folder, "--workers", "2", env=environment) as driver:
        os.kill(wait(driver, lambda: trainers(driver.pid))[0], signal.SIGSTOP)
        _, said = driver.communicate(timeout=300)
    assert driver.returncode == 0, said
    assert "nothing was heard of it for 30 s (resources.silence); its worker is given up" in said
    assert "its worker was lost; it goes on elsewhere" in said
    assert numbers(folder / "results/tiny/ledger") == undisturbed
    assert max(entry.provenance["starts"] for entry in entries(folder).values()) == 2


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 4 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_one_clear_error_and_the_same_command_goes_on(undisturbed, small_disk):
    folder = folder_of(small_disk, STUDY)
    with started(folder, command=INLINE) as driver:
        wait(driver, lambda: entries(folder))
        fill(small_disk / "ballast")
        _, said = driver.communicate(timeout=300)
    assert driver.returncode == 1, said
    assert said.count("Error:") == 1
    assert os.strerror(errno.ENOSPC) in said
    assert "Traceback" not in said
    assert len(entries(folder)) < 4
    assert numbers(folder / "results/tiny/ledger").items() <= undisturbed.items()
    assert not list((folder / "results/tiny/ledger").glob(".*")), "nothing half-written is left"
    (small_disk / "ballast").unlink()
    assert run_study(str(folder / "study.yaml"), out=folder / "results", wandb="off").finished
    assert numbers(folder / "results/tiny/ledger") == undisturbed


def fill(file):
    with file.open("wb", buffering=0) as ballast:
        for size in (65536, 512, 1):
            with contextlib.suppress(OSError):
                while ballast.write(b"\0" * size):
                    pass


@pytest.mark.slow
def test_storage_that_goes_away_costs_snapshots_not_trials(tmp_path, monkeypatch, capsys):
    study = STUDY | {
        "methods": ["dagan"],
        "base": STUDY["base"] | {"gan": {"iterations": 40}},
        "confirm": {"seeds": 2},
    }
    numbered = []
    for name, away in (("calm", False), ("away", True)):
        folder = folder_of(tmp_path / name, study)
        if away:

            def lose(*_, folder=folder):
                (folder / "store").mkdir(exist_ok=True)
                (folder / "store").rename(folder / "elsewhere")
                (folder / "store").write_text("no folder any more")
                monkeypatch.undo()

            monkeypatch.setattr("sweeps.monitor.live_table.LiveTable.started", lose)
        plan = run_study(
            str(folder / "study.yaml"), out=folder / "results", wandb="off", storage=Storage(str(folder / "store"))
        )
        assert plan.finished
        assert ("its pictures could not be kept" in capsys.readouterr().err) == away
        numbered.append(numbers(folder / "results/tiny/ledger"))
    assert numbered[0] == numbered[1]


@pytest.mark.slow
def test_storage_that_goes_away_costs_a_worker_snapshots_not_trials(tmp_path):
    folder = folder_of(tmp_path, STUDY | {"methods": ["dagan"], "base": STUDY["base"] | {"gan": {"iterations": 40}}})
    with started(folder, "--workers", "2", "--storage", "store") as driver:
        wait(driver, lambda: trainers(driver.pid))
        (folder / "store").rename(folder / "elsewhere")
        (folder / "store").write_text("no folder any more")
        _, said = driver.communicate(timeout=300)
    assert driver.returncode == 0, said
    assert "its pictures could not be kept" in said
    assert len(entries(folder)) == 4


@pytest.mark.parametrize("url", ["study.yaml/below", "nosuchthing://bucket/x"])
def test_storage_that_cannot_be_used_is_refused(tmp_path, typed, url):
    folder_of(tmp_path, STUDY)
    code, _, said = typed("run", "study.yaml", "--wandb", "off", "--storage", url)
    assert code == 2
    assert "--storage: " in said
    assert "must be a folder, or a URL that fsspec knows, that can be written, but is not" in said
    assert "Traceback" not in said
    assert not (tmp_path / "results/tiny/ledger").exists()
