"""Preflight checks: before the first trial every node must see the store as the driver does, and the images.

Each node reads a file that the driver has left in the store, and answers with one of its own.
"""

import contextlib
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dagan.config import Config
from dagan.data.downloads import LAYOUTS, present
from dagan.data.kdef import kdef_folder
from dagan.errors import InvalidInput, Problem, last_line, refuse
from sweeps.records.snapshot_store import SnapshotStore
from sweeps.study.schema import Study

ANSWER_SECONDS = 60
"""How long a node may take; it starts a process, and a busy one is slow at that."""


@dataclass(frozen=True)
class StorageCheck:
    """A small file in the store, written to check who can read it, and removed again."""

    store: SnapshotStore
    name: str
    option: str
    """The command-line option that decides where the store is."""

    @property
    def content(self) -> bytes:
        """Content of the file."""
        return self.name.encode()

    def answer(self, node: str) -> "StorageCheck":
        """The file that a node writes in answer."""
        return replace(self, name=f"{self.name}.{node}")

    def write(self) -> None:
        """Write the file."""
        self.store.put(self.name, self.content)

    @property
    def seen(self) -> bool:
        """Whether the file is there, and whole."""
        return self.store.get(self.name) == self.content

    def remove(self) -> None:
        """Remove the file."""
        with contextlib.suppress(Exception):
            self.store.delete(self.name)


@dataclass(frozen=True)
class NodeView:
    """What one node sees."""

    host: str
    store: str = ""
    """What is wrong with the store; empty: nothing."""
    missing: tuple[str, ...] = ()
    """Files and folders of the study that are not there."""


@contextlib.contextmanager
def storage_check(store: SnapshotStore, option: str) -> Iterator[StorageCheck]:
    """Write a check into the store, as trials will write snapshots, and remove it at the end.

    Raises:
        InvalidInput: the driver itself cannot write there, or not read what it wrote.
    """
    check = StorageCheck(store, f".probe-{uuid.uuid4().hex[:12]}", option)
    rule = f"{store.url} must be a folder, or a URL that fsspec knows, that can be written"
    try:
        try:
            check.write()
            seen = check.seen
        except Exception as error:  # fsspec's systems have no error in common
            raise refuse(option, f"{rule}, but is not ({type(error).__name__}: {error}).") from None
        if not seen:
            raise refuse(option, f"{rule}, but what is written there cannot be read.")
        yield check
    finally:
        check.remove()


def require_common_view(study: Study, check: StorageCheck, nodes: Iterable[Mapping[str, Any]]) -> None:
    """Check from each of these nodes of a cluster (`ray.nodes()`) that it sees the store and the images.

    Raises:
        InvalidInput: a node that does not see what the driver sees, each with its address.
    """
    paths = paths_by_key(study)
    views = views_of(check, [path for found in paths.values() for path in found], nodes)
    problems = []
    for address, view in sorted(views.items()):
        name = f"node {address}" + (f" ({view.host})" if view.host else "")
        if view.store:
            rule = f"{check.store.url} must be one place that all nodes see, but {name} {view.store}."
            remedy = "Mount it there under the same path (NFS, …), or give one that all see: --storage s3://…"
            problems.append(Problem(check.option, f"{rule} {remedy}"))
        for where, files in paths.items():
            for path in sorted(set(files) & set(view.missing)):
                rule = f"{path} must be there on every node, since trials read it, but is not on {name}."
                problems.append(Problem(where, f"{rule} Mount or copy it there under the same path."))
    if problems:
        raise InvalidInput(problems)


def paths_by_key(study: Study) -> dict[str, list[str]]:
    """The files and folders on this machine that a study's trials will read, by the key of the study."""
    found: dict[str, set[Path]] = {"datasets": set(), "base.network.weights": set()}
    for config in configs_of(study):
        found["datasets"].update(image_files_of(config))
        if config.network.weights:
            found["base.network.weights"].add(config.network.weights)
    return {where: sorted(str(path.absolute()) for path in paths) for where, paths in found.items()}


def image_files_of(config: Config) -> list[Path]:
    """Where this machine has the images of a config, generated ones too; not those bundled, or yet to be downloaded."""
    return real_image_files_of(config) + ([config.data.generated] if config.data.generated else [])


def real_image_files_of(config: Config) -> list[Path]:
    """Where this machine has the images of a config's data set."""
    data, name = config.data, config.facts.name
    if data.folder is not None:
        return [data.folder]
    if name == "kdef":
        return [kdef_folder(data.root)]
    layout = LAYOUTS.get(name)
    files = [present(data.root / layout.folder / file) for file in layout.train] if layout else []
    return [file for file in files if file] if all(files) else []


def configs_of(study: Study) -> list[Config]:
    """The base config of each method and data set."""
    size = study.samples_per_class[0]
    cells = [cell for cell in study.cells if cell.samples_per_class == size]
    return [study.config(cell, method, seed=0, phase="search") for cell in cells for method in study.methods]


def views_of(check: StorageCheck, paths: list[str], nodes: Iterable[Mapping[str, Any]]) -> dict[str, NodeView]:
    """What the nodes see, by address; a node that is lost meanwhile is left out."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look = ray.remote(num_cpus=0, max_retries=0)(view_from_node)
    asked = {
        node["NodeID"]: (
            node["NodeManagerAddress"],
            look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(
                check, node["NodeID"][:12], paths
            ),
        )
        for node in nodes
    }
    ray.wait([answer for _, answer in asked.values()], num_returns=len(asked), timeout=ANSWER_SECONDS)
    views: dict[str, NodeView] = {}
    for node_id, (address, answer) in asked.items():
        try:
            view = ray.get(answer, timeout=0.1)
        except Exception as error:
            if node_id not in {node["NodeID"] for node in ray.nodes() if node["Alive"]}:
                continue
            view = NodeView("", f"did not answer ({last_line(error)})")
        back = check.answer(node_id[:12])
        if not view.store and not back.seen:
            view = NodeView(view.host, "writes what is not seen here", view.missing)
        back.remove()
        views[address] = view
    return views


def view_from_node(check: StorageCheck, node: str, paths: list[str]) -> NodeView:
    """Look from a node for the driver's check and for these files, and write an answer into the store."""
    import socket

    missing = tuple(path for path in paths if not Path(path).exists())
    try:
        if not check.seen:
            return NodeView(socket.gethostname(), "does not see what is written here", missing)
        check.answer(node).write()
    except Exception as error:  # fsspec's systems have no error in common
        return NodeView(socket.gethostname(), f"cannot use it ({type(error).__name__}: {error})", missing)
    return NodeView(socket.gethostname(), missing=missing)
