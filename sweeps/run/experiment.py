"""One Ray Tune experiment that runs a whole study, on this machine or on a cluster.

A run always starts a new experiment and replays the ledger into its plan, so it hangs on nothing that Tune keeps.
"""

import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagan.errors import InvalidInput, refuse
from sweeps.planning.plan import Plan
from sweeps.planning.sharing import Sharing
from sweeps.planning.trial import Trial, portable
from sweeps.records.ledger import Entry, Ledger, Place, write_atomically
from sweeps.records.snapshot_store import Key, Store
from sweeps.run.preflight import Token, require_common_sight, token_in
from sweeps.run.resources import Share, Shares, least_share, nodes_alive, room, shares_of
from sweeps.study.schema import Study

if TYPE_CHECKING:
    from sweeps.run.controller import Conductor

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
    """Of a running Ray cluster; None starts one on this machine for the time of the run."""
    workers: int | None = None
    """Trials at a time; None: as many as fit."""


@dataclass(frozen=True)
class Storage:
    """Where snapshots are kept, and what they are for."""

    url: str | None = None
    """A folder or URL that all nodes see; None: in the folder of the study."""
    limit: float = float("inf")
    """Bytes that they may take together."""
    shared: bool = True
    """Whether trials go on from each other's; else from their own, after a crash."""

    @property
    def option(self) -> str:
        """What it is decided by."""
        return "--storage" if self.url else "--out"

    def store(self, place: Place) -> Store:
        """A folder by its absolute path: workers run in other ones."""
        if self.url is None:
            return Store(str(place.snapshots))
        return Store(self.url if "://" in self.url else str(Path(self.url).absolute()))


def run(
    study: Study,
    place: Place,
    *,
    cluster: Cluster | None = None,
    storage: Storage | None = None,
    listeners: Sequence[Any] = (),
) -> Plan:
    """Run what the ledger does not have yet; the plan, finished or, after an interruption, not.

    Listeners have `__call__(trial, report, entry)`, and `begin(plan, slots, share)` and `end()` around the whole.

    Raises:
        InvalidInput: the study is being run already, or the cluster cannot hold a single trial.
        RepeatedFailure: a method fails every time in the same way.
    """
    with place.driving():
        place.activity.unlink(missing_ok=True)  # an earlier driver's that was killed
        write_atomically(place.study, study.text)
        storage = storage or Storage()
        store = storage.store(place)
        with token_in(store, storage.option) as token:
            sharing = Sharing(store.snapshots(), shared=storage.shared, limit=storage.limit)
            plan = Plan(study, Ledger(place.ledger, writing=True), retry=True, sharing=sharing)
            if not plan.finished:
                _run(plan, place, cluster or Cluster(), token, storage.option, listeners)
        if plan.finished:
            store.clear()
    return plan


def _run(plan: Plan, place: Place, cluster: Cluster, token: Token, option: str, listeners: Sequence[Any]) -> None:
    prepare_environment(cluster)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    conductor = conductor_of(plan, place, token.store, listeners)
    with connected(cluster, plan.study.resources.cpu), terminating_gently():
        if cluster.address:
            require_common_sight(plan.study, token, option, nodes_for(least_share(plan.study, nodes_alive())))
        shares = shares_of(plan.study, min(plan.at_once, cluster.workers or plan.at_once))
        slots = room(shares.usual, nodes_alive())
        slots = min(slots, cluster.workers or slots)
        for listener in listeners:
            listener.begin(plan, slots, shares.usual)
        try:
            tuner_of(conductor, place, shares, slots).fit()
        except Exception:
            if conductor.failure is None:
                raise
        finally:
            for listener in listeners:
                listener.end()
            shutil.rmtree(place.ray, ignore_errors=True)
    if conductor.failure:
        raise conductor.failure


def conductor_of(plan: Plan, place: Place, store: Store, listeners: Sequence[Any]) -> "Conductor":
    """A conductor whose orders and snapshots go by this store."""
    from sweeps.records.provenance import commit
    from sweeps.run.controller import Conductor

    revision = commit()

    def order(trial: Trial) -> dict[str, Any]:
        beginning = plan.begin(trial)
        return {
            "config": portable(trial.config),
            "rungs": trial.rungs,
            "every": plan.study.report_every,
            "commit": revision,
            "store": store.url,
            "shared": plan.sharing.shared,
            "starts": beginning.starts,
            "marks": beginning.marks,
            "pictures": f"{trial.signature}.npz" if trial.phase == "confirm" else "",
            "quality": plan.study.confirm.quality and trial.phase == "confirm",
        }

    def discard(key: Key) -> None:
        # What cannot be removed now is in nobody's way.
        with contextlib.suppress(Exception):
            store.delete(key.name)

    def fetch_pictures(trial: Trial, _report: dict[str, Any], entry: Entry | None) -> None:
        name = f"{trial.signature}.npz"
        if entry is None or trial.phase != "confirm":
            return
        try:
            if content := store.get(name):
                place.pictures.mkdir(parents=True, exist_ok=True)
                (place.pictures / name).write_bytes(content)
                store.delete(name)
        except Exception as error:  # fsspec's systems have no error in common
            conductor.tell(trial, f"its pictures could not be fetched ({error})")

    conductor = Conductor(plan, order, discard)
    conductor.listeners = [fetch_pictures, *listeners]  # what it has to tell comes before a trial's end
    return conductor


def tuner_of(conductor: "Conductor", place: Place, shares: Shares, slots: int) -> Any:
    """Tune's experiment: it asks the conductor what to do, and keeps nothing that is read again."""
    from ray import tune

    from sweeps.run.controller import Mute, PlanScheduler, PlanSearcher
    from sweeps.run.worker import train_trial

    return tune.Tuner(
        tune.with_resources(
            train_trial,
            lambda config: tune.PlacementGroupFactory([shares.larger if config["larger"] else shares.usual]),
        ),
        tune_config=tune.TuneConfig(
            search_alg=PlanSearcher(conductor),
            scheduler=PlanScheduler(conductor, shares.usual),
            num_samples=-1,
            max_concurrent_trials=slots,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(name="experiment", storage_path=str(place.ray), verbose=0, callbacks=[Mute()]),
    )


def nodes_for(share: Share) -> list[dict[str, Any]]:
    """The nodes that can hold a trial, as Ray describes them."""
    import ray

    return [node for node in ray.nodes() if node["Alive"] and room(share, [node["Resources"]])]


def prepare_environment(cluster: Cluster) -> None:
    """Set what Ray reads when it is imported; what the user has set stays."""
    for key, value in QUIET.items():
        os.environ.setdefault(key, value)
    if cluster.address and (Path.home() / ".ray" / "auth_token").is_file():
        # A cluster of `ray start` asks for the token by default, but its clients do not offer it by default.
        os.environ.setdefault("RAY_AUTH_MODE", "token")


@contextlib.contextmanager
def connected(cluster: Cluster, cpu: int) -> Iterator[None]:
    """A connection to the cluster, or a Ray of our own on this machine, with room for the workers asked for."""
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if cluster.address:
        require_answer(cluster.address)
        # Workers elsewhere get the code of this tree and the environment that keeps them quiet.
        folder = Path(__file__).parents[2]
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
    """A folder for our Ray, short, since socket paths may have 107 letters; those of killed drivers are removed."""
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
    """What to say of an address where no cluster is."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    remedy = "Is it running, and is RAY_AUTH_MODE (token, disabled) as the cluster has it?"
    return refuse("--address", f"no Ray cluster answers at {address} ({reason}). {remedy}")


GRACE_SECONDS = 20
"""What a SIGTERM leaves to Tune, before the driver simply goes: whoever sent it may kill soon, or has ended Ray too."""


@contextlib.contextmanager
def terminating_gently() -> Iterator[None]:
    """SIGTERM (`ray job stop`, scancel, Kubernetes) ends the run as Ctrl-C does: Tune stops, nothing is lost."""

    def leave() -> None:
        print("terminated; what has finished is kept, and the same command goes on", file=sys.stderr, flush=True)
        os._exit(128 + signal.SIGTERM)

    last_resort = threading.Timer(GRACE_SECONDS, leave)
    last_resort.daemon = True

    def interrupt(_signal: int, _frame: object) -> None:
        if not last_resort.is_alive():
            print("terminating …", file=sys.stderr, flush=True)
            last_resort.start()
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        last_resort.cancel()
        signal.signal(signal.SIGTERM, before)
