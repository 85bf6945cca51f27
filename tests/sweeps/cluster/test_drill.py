"""The fault drill in its short form; the full one is `python tests/benchmarks/faults.py`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

DRILL = Path(__file__).parents[2] / "benchmarks" / "faults.py"


@pytest.mark.cluster
@pytest.mark.timeout(900)
def test_kills_of_driver_worker_and_node_lose_nothing_repeat_nothing_and_change_nothing():
    command = [sys.executable, str(DRILL), "--kills", "6", "--seeds", "2", "--seed", "1"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=800)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    found = json.loads(answer.stdout)
    assert sum(found["kills"].values()) == 6
    assert set(found["kills"]) == {"driver", "worker", "node"}
    assert (found["lost"], found["twice"], found["different"]) == (0, 0, 0)
    assert found["trials"] == 32 * found["rounds"]
