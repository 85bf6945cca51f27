"""Kill drivers, trial workers and whole nodes at random during a study, and look at what is left at the end.

    python tests/benchmarks/faults.py            # at least 50 kills, about a quarter of an hour on 2 cores
    python tests/benchmarks/faults.py --kills 6

A real cluster of several raylets on this machine: a head that runs no trials and two nodes of one CPU each. The study
is run undisturbed first, then again and again under fire, each time into a folder of its own, until enough was killed.
At the end no finished trial may be lost, none may have run twice, and each ledger must hold the undisturbed one's
numbers. Only processes of this cluster and drivers started here are killed.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ENVIRONMENT = {
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_grpc_client_keepalive_time_ms": "10000",
    "RAY_grpc_client_keepalive_timeout_ms": "10000",
    # A lost node is noticed within seconds.
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "5000",
    "RAY_health_check_failure_threshold": "3",
}

STUDY = """
name: drill
question: Does anything get lost?
datasets: [digits]
samples_per_class: [5]
methods: [dagan, dagan_aug]
design: grid
factors:
  gan.iterations: [40, 80]
  classifier.iterations: [60, 120]
  classifier.augmentation_ratio: [0, 1]
base: {network: {width: 0.25}, gan: {learning_rate: 2.0e-3}, classifier: {batch_size: 32}}
confirm: {seeds: SEEDS}
report_every: 20
"""
MOST_BETWEEN = 4
"""So many trials finish from one kill to the next, at the most."""
PATIENCE = 600
"""Seconds without a new trial in the ledger after which the drill itself has failed."""
CLOCKS = ("wall_seconds", "images_per_second", "pflop", "provenance")
"""What may differ: clocks, what was done twice after a kill, and where."""


@dataclass
class Drill:
    """What was done, and what came of it."""

    kinds: list[str]
    kills: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    trials: int = 0
    lost: int = 0
    twice: int = 0
    different: int = 0
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return not (self.lost or self.twice or self.different)


class Raylets:
    """A cluster of our own: a head without CPUs, and nodes of one CPU each."""

    def __init__(self, nodes: int, rng: random.Random) -> None:
        from ray.cluster_utils import Cluster

        self.rng = rng
        flags = {"object_store_memory": 100_000_000, "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **flags})
        self.flags = {"num_cpus": 1, "object_store_memory": 100_000_000}
        self.nodes = [self.cluster.add_node(**self.flags) for _ in range(nodes)]

    @property
    def address(self) -> str:
        return self.cluster.address

    def kill_worker(self) -> bool:
        """SIGKILL to a process that trains a trial; whether there was one."""
        workers = self.workers
        if workers:
            os.kill(self.rng.choice(workers), signal.SIGKILL)
        return bool(workers)

    @property
    def workers(self) -> list[int]:
        """The processes that train a trial right now."""
        return [pid for node in self.nodes for pid in trainers(raylet(node).pid)]

    def kill_node(self) -> bool:
        """SIGKILL to a raylet and all below it; another node joins in its place."""
        node = self.nodes.pop(self.rng.randrange(len(self.nodes)))
        for pid in [raylet(node).pid, *below(raylet(node).pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.cluster.remove_node(node, allow_graceful=False)
        self.nodes.append(self.cluster.add_node(**self.flags))
        return True

    def close(self) -> None:
        self.cluster.shutdown()


def raylet(node: Any) -> Any:
    """The process of a node's raylet."""
    return node.all_processes["raylet"][0].process


def below(pid: int) -> list[int]:
    """The processes below another one."""
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in map(int, children.read_text().split()):
                found += [child, *below(child)]
        except OSError:
            continue
    return found


def trainers(pid: int) -> Iterator[int]:
    """The processes below another one that train a trial right now."""
    for child in below(pid):
        try:
            if "ImplicitFunc" in Path(f"/proc/{child}/cmdline").read_text():
                yield child
        except OSError:
            continue


def start_driver(folder: Path, address: str) -> subprocess.Popen[bytes]:
    """`sweeps run` on the cluster; what it says goes into a file."""
    words = ["run", "study.yaml", "--address", address, "--wandb", "off"]
    with (folder / "driver.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", "sweeps", *words], cwd=folder, stdout=log, stderr=log)


def entries(folder: Path) -> dict[Path, tuple[int, int]]:
    """The files of the ledger: one that is written again has another number and time."""
    found = {}
    for path in (folder / "results/drill/ledger").glob("*.json"):
        facts = path.stat()
        found[path] = (facts.st_ino, facts.st_mtime_ns)
    return found


def numbers(folder: Path) -> dict[str, Any]:
    """All that a ledger says, but for what may differ."""
    return {path.stem: timeless(json.loads(path.read_text())) for path in entries(folder)}


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: timeless(inner) for key, inner in value.items() if key not in CLOCKS}
    return [timeless(inner) for inner in value] if isinstance(value, list) else value


def round_under_fire(folder: Path, raylets: Raylets, drill: Drill, wanted: int) -> None:
    """Run the study to its end, killing on the way until `wanted` kills are done."""
    rng = raylets.rng
    driver = start_driver(folder, raylets.address)
    seen: dict[Path, tuple[int, int]] = {}
    progress = time.monotonic()
    target = rng.randint(0, MOST_BETWEEN)
    while True:
        now = time.monotonic()
        current = entries(folder)
        if current.keys() - seen.keys():
            progress = now
        drill.lost += len(seen.keys() - current.keys())
        drill.twice += sum(current.get(path, file) != file for path, file in seen.items())
        seen = current
        if driver.poll() is not None:
            if driver.returncode != 0:
                raise SystemExit(f"the driver ended with {driver.returncode}:\n{(folder / 'driver.log').read_text()}")
            return
        if now - progress > PATIENCE:
            raise SystemExit(f"nothing finished in {PATIENCE} s:\n{(folder / 'driver.log').read_text()}")
        if drill.kills.total() < wanted and len(current) >= target and raylets.workers:
            time.sleep(rng.uniform(0, 1))
            kind = drill.kinds[drill.kills.total()]
            if kind == "driver":
                driver.kill()
                driver.wait()
                driver = start_driver(folder, raylets.address)
            elif kind == "node":
                raylets.kill_node()
            elif not raylets.kill_worker():
                continue
            drill.kills[kind] += 1
            target = len(current) + rng.randint(0, MOST_BETWEEN)
            print(f"killed a {kind}; {len(current)} trials had finished", file=sys.stderr, flush=True)
        time.sleep(0.05)


def kinds_of(kills: int, rng: random.Random) -> list[str]:
    """Who dies, in order: one of each kind at first."""
    kinds = ["driver", "worker", "node"]
    rng.shuffle(kinds)
    return [*kinds, *rng.choices(["driver", "worker", "node"], [3, 5, 2], k=kills)][:kills]


def drill_of(kills: int, seeds: int, seed: int, place: Path) -> Drill:
    """The whole of it."""
    begun, rng = time.monotonic(), random.Random(seed)
    drill = Drill(kinds_of(kills, rng))
    raylets = Raylets(2, rng)
    try:
        study = STUDY.replace("SEEDS", str(seeds))
        calm = folder_for(place / "calm", study)
        round_under_fire(calm, raylets, drill, 0)
        expected = numbers(calm)
        print(f"undisturbed: {len(expected)} trials, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        while drill.kills.total() < kills:
            folder = folder_for(place / f"round-{drill.rounds}", study)
            round_under_fire(folder, raylets, drill, kills)
            found = numbers(folder)
            drill.rounds += 1
            drill.trials += len(found)
            drill.different += sum(found.get(key) != row for key, row in expected.items()) + len(
                found.keys() - expected
            )
    finally:
        raylets.close()
    drill.seconds = time.monotonic() - begun
    return drill


def folder_for(folder: Path, study: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text(study)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=6, help="16 trials each")
    parser.add_argument("--seed", type=int, default=0, help="of the luck that decides who dies when")
    asked = parser.parse_args()
    os.environ.update(ENVIRONMENT)
    with tempfile.TemporaryDirectory(prefix="dr-") as folder:
        os.environ["RAY_TMPDIR"] = folder
        drill = drill_of(asked.kills, asked.seeds, asked.seed, Path(folder))
    del drill.kinds
    print(json.dumps({**vars(drill), "seconds": round(drill.seconds), "passed": drill.passed}))
    sys.exit(0 if drill.passed else 1)


if __name__ == "__main__":
    main()
