"""What DESIGN calls failures, provoked in whole runs on a real local Ray, each with what follows."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from playing import numbers

from sweeps.records.ledger import Ledger

pytestmark = pytest.mark.timeout(600)

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
COMMAND = (sys.executable, "-m", "sweeps", "run", "study.yaml", "--workers", "2", "--wandb", "off")


def folder_of(folder, study=STUDY):
    folder.mkdir(exist_ok=True)
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return folder


def run(folder, *words, command=COMMAND):
    return subprocess.run([*command, *words], cwd=folder, capture_output=True, text=True, timeout=400)


def entries(folder):
    return {entry.seed: entry for entry in Ledger(folder / "results/tiny/ledger").entries.values()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = folder_of(tmp_path_factory.mktemp("undisturbed") / "run")
    answer = run(folder)
    assert answer.returncode == 0, answer.stderr
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


def test_out_of_memory_runs_once_more_with_a_larger_share_and_is_then_recorded(undisturbed, tmp_path):
    folder = folder_of(tmp_path)
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
    assert answer.stderr.count("it runs once more, with a larger share") == 2
    assert "1 confirm trials failed: MemoryError: no room" in answer.stderr
    good = {key: row for key, row in undisturbed.items() if row[3] != 1002}
    found = numbers(folder / "results/tiny/ledger")
    assert {key: row for key, row in found.items() if row[3] != 1002} == good
    answer = run(folder)
    assert answer.returncode == 0, "the next run tries it again"
    assert numbers(folder / "results/tiny/ledger") == undisturbed


def trainers(driver):
    """The processes below a driver that train a trial right now."""
    below, found = [driver], []
    while below:
        pid = below.pop()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it may have ended by now
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                below += map(int, children.read_text().split())
            if "ImplicitFunc.train" in Path(f"/proc/{pid}/cmdline").read_text():
                found.append(pid)
    return found


def test_a_worker_that_falls_silent_is_given_up_and_its_trial_runs_again(undisturbed, tmp_path):
    folder = folder_of(tmp_path, STUDY | {"resources": {"silence": 30}})
    # With keepalive Ray itself ends a stopped process, after 20 s; here the watch over silence is on its own.
    environment = os.environ | {"RAY_grpc_client_keepalive_time_ms": "3600000"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(COMMAND, cwd=folder, env=environment, **pipes) as driver:
        while not (found := trainers(driver.pid)):
            assert driver.poll() is None
            time.sleep(0.05)
        os.kill(found[0], signal.SIGSTOP)
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


def test_a_full_disk_is_one_clear_error_and_the_same_command_goes_on(undisturbed, small_disk):
    folder = folder_of(small_disk)
    with subprocess.Popen(COMMAND, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as driver:
        while not trainers(driver.pid):
            assert driver.poll() is None
            time.sleep(0.05)
        fill(small_disk / "ballast")
        _, said = driver.communicate(timeout=300)
    assert driver.returncode == 1, said
    assert said.count("Error:") == 1
    assert os.strerror(errno.ENOSPC) in said
    assert "Traceback" not in said
    finished = entries(folder)
    assert len(finished) < 4
    assert numbers(folder / "results/tiny/ledger").items() <= undisturbed.items()
    assert not list((folder / "results/tiny/ledger").glob(".*")), "nothing half-written is left"
    (small_disk / "ballast").unlink()
    answer = run(folder)
    assert answer.returncode == 0, answer.stderr
    assert numbers(folder / "results/tiny/ledger") == undisturbed


def fill(file):
    with file.open("wb", buffering=0) as ballast:
        for size in (65536, 512, 1):
            with contextlib.suppress(OSError):
                while ballast.write(b"\0" * size):
                    pass


def test_storage_that_goes_away_costs_snapshots_not_trials(tmp_path):
    study = STUDY | {"methods": ["dagan"], "base": STUDY["base"] | {"gan": {"iterations": 40}}}
    numbered = []
    for name, away in (("calm", False), ("away", True)):
        folder = folder_of(tmp_path / name, study)
        command = [*COMMAND, "--storage", "store"]
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as driver:
            while not trainers(driver.pid):
                assert driver.poll() is None
                time.sleep(0.05)
            if away:
                (folder / "store").rename(folder / "elsewhere")
                (folder / "store").write_text("no folder any more")
            _, said = driver.communicate(timeout=300)
        assert driver.returncode == 0, said
        assert ("its pictures could not be kept" in said) == away
        numbered.append(numbers(folder / "results/tiny/ledger"))
    assert numbered[0] == numbered[1]


@pytest.mark.parametrize("url", ["study.yaml/below", "nosuchthing://bucket/x"])
def test_storage_that_cannot_be_used_is_refused(tmp_path, url):
    answer = run(folder_of(tmp_path), "--storage", url)
    assert answer.returncode == 2
    assert "--storage: " in answer.stderr
    assert "must be a folder, or a URL that fsspec knows, that can be written, but is not" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (tmp_path / "results/tiny/ledger").exists()
