"""A study over several hosts, some of which fail: the numbers of an undisturbed run, or a refusal that says where."""

import os
import subprocess
import sys
import time
from pathlib import Path

import hosts
import numpy as np
import pytest
import yaml
from PIL import Image
from playing import numbers, tiny

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(bool(hosts.why_not()), reason=hosts.why_not()),
    pytest.mark.timeout(900),
]

ROOT = Path(__file__).parents[3]
STUDY = tiny(search__budget={"trials": 6}, confirm__seeds=6)
KEEPALIVE = {"RAY_grpc_client_keepalive_time_ms": "5000", "RAY_grpc_client_keepalive_timeout_ms": "5000"}
CLUSTER = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "4000",
    "RAY_health_check_failure_threshold": "3",
    "PYTHONPATH": str(ROOT),
    **{key: value for key, value in os.environ.items() if key == "RAY_worker_niceness"},
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What the study gives on this machine alone."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    command = [sys.executable, "-m", "sweeps", "run", "study.yaml", "--wandb", "off"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=600)
    return equal_parts(folder)


def equal_parts(folder):
    """The numbers without operations: what was lost with a worker is done, and counted, again."""
    found = numbers(folder / "results/tiny/ledger")
    return {key: (*row[:9], *row[10:]) for key, row in found.items()}


class Run:
    """A study on a cluster whose storage is the network's, driven from its head or from another of its hosts."""

    def __init__(self, net, study, head, driver=None):
        self.folder = net.shared
        (self.folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
        self.driver = (driver or head).start(
            *(sys.executable, "-m", "sweeps", "run", "study.yaml", "--wandb", "off"),
            *("--address", f"{head.address}:6379"),
            folder="/mnt/shared",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    @property
    def finished(self):
        return len(list((self.folder / "results/tiny/ledger").glob("*.json")))

    def wait_for(self, trials):
        while self.finished < trials:
            assert self.driver.poll() is None, self.driver.stdout.read()
            time.sleep(0.05)

    def end(self):
        """What it said; its exit code must be 0."""
        said, _ = self.driver.communicate(timeout=800)
        assert self.driver.returncode == 0, said
        return said

    def refused(self):
        """What it said as it refused to run at all."""
        said, _ = self.driver.communicate(timeout=300)
        assert self.driver.returncode == 2, said
        assert "Traceback" not in said
        assert self.finished == 0
        return said

    @property
    def trained_on(self):
        """Host names, by the ledger."""
        files = (self.folder / "results/tiny/ledger").glob("*.json")
        return {yaml.safe_load(path.read_text())["provenance"]["host"] for path in files}


def test_a_study_spreads_and_survives_the_power_loss_of_a_host(undisturbed):
    with hosts.network(CLUSTER | KEEPALIVE) as net:
        head, *_ = net.cluster([0, 1, 1])
        run = Run(net, STUDY, head)
        run.wait_for(8)
        net.hosts[2].cut_power()
        begun = time.monotonic()
        run.end()
        print(f"power lost: {time.monotonic() - begun:.0f} s to the end")
        assert run.trained_on == {"h1", "h2"}
        assert equal_parts(net.shared) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["plug", "lose_packets"])
@pytest.mark.parametrize("seconds", [20, 60])
def test_a_study_survives_a_host_that_is_away_for_a_while(undisturbed, fault, seconds):
    with hosts.network(CLUSTER | KEEPALIVE) as net:
        head, *_ = net.cluster([0, 1, 1])
        run = Run(net, STUDY, head)
        run.wait_for(8)
        host = net.hosts[2]
        before = run.finished
        begun = time.monotonic()
        getattr(host, fault)(fault == "lose_packets")
        time.sleep(seconds)
        during = run.finished - before
        getattr(host, fault)(fault != "lose_packets")
        said = run.end()
        print(f"{fault} {seconds} s: {during} trials meanwhile, {time.monotonic() - begun:.0f} s to the end\n{said}")
        assert equal_parts(net.shared) == undisturbed


@pytest.mark.slow
def test_without_keepalive_a_silent_trial_is_given_up_and_runs_again(undisturbed):
    never = {
        "RAY_grpc_client_keepalive_time_ms": "3600000",
        "RAY_grpc_client_keepalive_timeout_ms": "3600000",  # TCP's too, for what nobody has acknowledged
        "RAY_health_check_failure_threshold": "1000",
    }
    with hosts.network(CLUSTER | never) as net:
        head, *_ = net.cluster([0, 1, 1])
        run = Run(net, STUDY | {"resources": {"silence": 12}}, head)
        run.wait_for(8)
        begun = time.monotonic()
        net.hosts[2].lose_packets(True)
        time.sleep(40)
        net.hosts[2].lose_packets(False)
        said = run.end()
        print(f"without keepalive: {time.monotonic() - begun:.0f} s to the end\n{said}")
        assert "nothing was heard of it for 12 s (resources.silence)" in said
        assert equal_parts(net.shared) == undisturbed


def test_storage_that_is_not_shared_is_refused_with_the_nodes_address():
    with hosts.network(CLUSTER | KEEPALIVE) as net:
        head, *_ = net.cluster([0, 1, 1], alone=[2])
        begun = time.monotonic()
        run = Run(net, STUDY, head)
        said = run.refused()
        print(f"refused after {time.monotonic() - begun:.1f} s\n{said}")
        assert "--out: /mnt/shared/results/tiny/snapshots must be one place that all nodes see" in said
        assert "node 10.77.0.3 (h2) does not see what is written here" in said
        assert "10.77.0.2" not in said


def test_images_that_a_node_lacks_are_refused_with_its_address():
    with hosts.network(CLUSTER | KEEPALIVE) as net:
        head, *workers = net.cluster([0, 1, 1])
        for label in ("cat", "dog"):
            (net.shared / "images" / label).mkdir(parents=True)
            for number in range(20):
                pixels = np.random.default_rng(number).integers(0, 256, (8, 8), dtype=np.uint8)
                Image.fromarray(pixels).save(net.shared / "images" / label / f"{number}.png")
        for host in (head, workers[0]):
            host.start("cp", "-r", "/mnt/shared/images", "/mnt/local/images").wait(30)
        pets = {"name": "pets", "folder": "/mnt/local/images", "image_size": 8, "channels": 1}
        said = Run(net, STUDY | {"datasets": [pets], "samples_per_class": [4]}, head).refused()
        assert "datasets: /mnt/local/images must be there on every node, since trials read it" in said
        assert "but is not on node 10.77.0.3 (h2). Mount or copy it there under the same path." in said
        assert "10.77.0.2" not in said


@pytest.mark.slow
@pytest.mark.parametrize("on", ["head", "another host"])
def test_after_the_loss_of_the_head_the_same_command_goes_on_in_a_new_cluster(undisturbed, on):
    with hosts.network(CLUSTER | KEEPALIVE) as net:
        head, worker, _ = net.cluster([0, 1, 1])
        run = Run(net, STUDY, head, driver=worker if on == "another host" else head)
        run.wait_for(8)
        begun = time.monotonic()
        head.cut_power()
        said, _ = run.driver.communicate(timeout=400)
        print(
            f"head lost: the driver ended after {time.monotonic() - begun:.0f} s with {run.driver.returncode}\n{said}"
        )
        assert run.driver.returncode != 0
        done = run.finished
        head, *_ = net.cluster([0, 1, 1])
        assert f"{done} of them done before" in Run(net, STUDY, head).end()
        assert equal_parts(net.shared) == undisturbed


@pytest.mark.slow
def test_without_any_host_left_it_waits_says_so_and_goes_on_when_one_joins(undisturbed):
    with hosts.network(CLUSTER | KEEPALIVE) as net:
        head, worker = net.cluster([0, 1])
        run = Run(net, STUDY, head)
        run.wait_for(4)
        worker.cut_power()
        time.sleep(100)
        done = run.finished
        net.join(head, 1)
        said = run.end()
        assert done < 10
        assert "nothing has run for 60 s: no node of the cluster has room; it goes on as soon as one joins" in said
        assert equal_parts(net.shared) == undisturbed
