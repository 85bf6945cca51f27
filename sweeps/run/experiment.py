"""Running a study: its plan, its storage, and an executor that works through the plan."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from dagan.errors import refuse
from dagan.files import write_atomically
from sweeps.planning.plan import Plan
from sweeps.planning.sharing import Sharing
from sweeps.records.ledger import Ledger
from sweeps.records.run_folder import RunFolder, shown
from sweeps.records.snapshot_store import SnapshotStore
from sweeps.run.controller import Controller
from sweeps.run.listeners import Listener
from sweeps.run.pictures import PictureCollector
from sweeps.run.tune.executor import run_with_tune
from sweeps.run.tune.preflight import storage_check
from sweeps.run.tune.session import Cluster
from sweeps.study.schema import Study

Executor = Literal["ray", "inline"]
"""ray: Ray Tune, in processes on this machine or a cluster. inline: one trial at a time in this process."""


@dataclass(frozen=True)
class Storage:
    """Where snapshots are kept, and who uses them."""

    url: str | None = None
    """A folder or URL that all nodes see; None: in the run folder."""
    limit: float = float("inf")
    """Bytes that they may take together."""
    shared: bool = True
    """Whether trials go on from each other's snapshots; else from their own, after a crash."""

    @property
    def option(self) -> str:
        """The command-line option that decides where it is."""
        return "--storage" if self.url else "--out"

    def store(self, folder: RunFolder) -> SnapshotStore:
        """The snapshot store; a folder by its absolute path, as workers run in others."""
        if self.url is None:
            return SnapshotStore(str(folder.snapshots))
        return SnapshotStore(self.url if "://" in self.url else str(Path(self.url).absolute()))


def run(
    study: Study,
    folder: RunFolder,
    *,
    executor: Executor = "ray",
    cluster: Cluster | None = None,
    storage: Storage | None = None,
    listeners: Sequence[Listener] = (),
) -> Plan:
    """Run what the ledger does not have yet; return the plan, finished or, after an interruption, not.

    Raises:
        InvalidInput: the study is being run already, its folder is another study's, or the cluster cannot hold a single
            trial.
        RepeatedFailure: a method fails every time in the same way.
    """
    with folder.driving():
        require_same(study, folder)
        folder.activity.unlink(missing_ok=True)  # left by an earlier driver that was killed
        write_atomically(folder.study, study.text)
        storage = storage or Storage()
        store = storage.store(folder)
        with storage_check(store, storage.option) as check:
            sharing = Sharing(store.snapshots(), shared=storage.shared, limit=storage.limit)
            plan = Plan(study, Ledger(folder.ledger, writing=True), retry=True, sharing=sharing)
            if not plan.finished:
                controller = Controller(plan, store)
                # The collector comes first: what it has to tell comes before a trial's end.
                controller.listeners = [PictureCollector(controller, folder), *listeners]
                if executor == "inline":
                    from sweeps.run.inline import run_inline

                    run_inline(controller)
                else:
                    run_with_tune(controller, folder, cluster or Cluster(), check)
                if controller.failure:
                    raise controller.failure
        if plan.finished:
            store.clear()
    return plan


def require_same(study: Study, folder: RunFolder) -> None:
    """Refuse a folder where a study of the same name, but of other images, has run.

    Raises:
        InvalidInput: none of its data sets is the study's.
    """
    try:
        known = yaml.safe_load(folder.study.read_text(encoding="utf-8"))["datasets"]
        before = {str(one["name"]) for one in known}
    except (OSError, UnicodeError, yaml.YAMLError, KeyError, TypeError):
        return  # no earlier run, or its file is damaged: it is written anew
    if before and before.isdisjoint(dataset.name for dataset in study.cell_datasets):
        there = f"{shown(folder.root)} holds a study of other images ({', '.join(sorted(before))}) under that name"
        raise refuse("name", f"must be a new one, but is `{study.name}`: {there}. Change it, or give another --out.")
