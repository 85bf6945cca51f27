"""A study on a Ray cluster that runs already: `sweeps run --address`."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import yaml
from playing import numbers, tiny

pytestmark = pytest.mark.cluster


@pytest.fixture
def address():
    """The address of a head node of our own, gone afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ray = str(Path(sys.executable).with_name("ray"))
    flags = ["--include-dashboard=false", "--disable-usage-stats", "--object-store-memory=100000000"]
    with tempfile.TemporaryDirectory(prefix="sw-", ignore_cleanup_errors=True) as folder:
        head = subprocess.Popen(
            [ray, "start", "--head", "--block", f"--port={port}", "--num-cpus=2", f"--temp-dir={folder}", *flags],
            env=os.environ | {"RAY_memory_monitor_refresh_ms": "0"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 60
        while not answers(port):
            assert time.monotonic() < deadline, "the head node did not start"
            time.sleep(0.2)
        yield f"127.0.0.1:{port}"
        head.send_signal(signal.SIGTERM)
        head.wait(30)


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_cluster_gives_the_numbers_of_a_local_run(address, tmp_path):
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(tiny(), sort_keys=False))
    for out, words in (("local", []), ("cluster", ["--address", address])):
        answer = subprocess.run(
            [sys.executable, "-m", "sweeps", "run", "study.yaml", "--out", out, "--wandb", "off", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert answer.returncode == 0, answer.stderr
    assert len(list((tmp_path / "cluster/tiny/pictures").iterdir())) == 3
    assert numbers(tmp_path / "cluster/tiny/ledger") == numbers(tmp_path / "local/tiny/ledger")
