"""The connection to a Ray cluster, or a Ray of our own on this machine for the time of a run."""

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagan.errors import InvalidInput, first_line, refuse

QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_memory_monitor_refresh_ms": "0",  # a trial that the monitor kills takes the driver with it
    # A peer whose packets are silently lost is told from a slow one: without, trials hang for ever.
    "RAY_grpc_client_keepalive_time_ms": "10000",
    "RAY_grpc_client_keepalive_timeout_ms": "10000",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # they import torch into the driver and write what the ledger has
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "60",  # a reused actor whose last trial still unwinds would fail the next
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # Tune's own state is never read again
}
"""Environment of driver and workers, set before Ray is imported."""


@dataclass(frozen=True)
class Cluster:
    """Where to run."""

    address: str | None = None
    """Address of a running Ray cluster; None starts a Ray on this machine for the time of the run."""
    workers: int | None = None
    """Trials at a time; None: as many as fit."""


def prepare_environment(cluster: Cluster) -> None:
    """Set what Ray reads when it is imported; what the user has set stays."""
    for key, value in QUIET.items():
        os.environ.setdefault(key, value)
    if cluster.address and (Path.home() / ".ray" / "auth_token").is_file():
        # A cluster of `ray start` asks for the token by default, but its clients do not offer it by default.
        os.environ.setdefault("RAY_AUTH_MODE", "token")


@contextlib.contextmanager
def connected(cluster: Cluster, cpu: int) -> Iterator[None]:
    """Connect to the cluster, or start a Ray of our own on this machine with room for the workers asked for."""
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if cluster.address:
        require_answer(cluster.address)
        # Workers elsewhere get the code of this tree and the environment that keeps them quiet.
        folder = Path(__file__).parents[3]
        environment = {
            "env_vars": QUIET,
            "py_modules": [str(folder / package) for package in ("dagan", "sweeps", "analysis")],
        }
        try:
            ray.init(address=cluster.address, runtime_env=environment, **quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise no_answer(cluster.address, error) from None
        temporary = None
    else:
        temporary = temporary_folder()
        cores = max(len(os.sched_getaffinity(0)), (cluster.workers or 0) * cpu)
        ray.init(num_cpus=cores, include_dashboard=False, _temp_dir=temporary, **quiet)
    try:
        yield
    finally:
        ray.shutdown()
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)


def temporary_folder() -> str:
    """Make a folder for our Ray, short as socket paths are at most 107 bytes; remove those of killed drivers."""
    for old in Path(tempfile.gettempdir()).glob("sweeps-*-*"):
        pid = old.name.split("-")[1]
        if pid.isdecimal() and not alive(int(pid)):
            shutil.rmtree(old, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"sweeps-{os.getpid()}-")


def alive(pid: int) -> bool:
    """Whether a process with this number runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def require_answer(address: str) -> None:
    """Check that something listens at HOST:PORT: Ray itself would try for minutes.

    Raises:
        InvalidInput: nothing does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except (OSError, OverflowError) as error:
            raise no_answer(address, error) from None


def no_answer(address: str, error: Exception) -> InvalidInput:
    """The error for an address where no cluster answers."""
    remedy = "Is it running, and is RAY_AUTH_MODE (token, disabled) as the cluster has it?"
    return refuse("--address", f"no Ray cluster answers at {address} ({first_line(error)}). {remedy}")
