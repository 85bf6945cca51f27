"""What every node must see before the first trial: the store, as the driver sees it, and the images. DESIGN §8.

Each node reads a token that the driver has left in the store and answers with one of its own.
"""

import contextlib
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagan.config import Config
from dagan.data.downloads import LAYOUTS, present
from dagan.data.kdef import kdef_folder
from dagan.errors import InvalidInput, Problem, refuse
from sweeps.records.snapshot_store import Store
from sweeps.study.schema import Study

ANSWER_SECONDS = 60
"""How long a node may take; it starts a process, and a busy one is slow at that."""


@dataclass(frozen=True)
class Token:
    """A file in the store that is there for a moment."""

    store: Store
    name: str

    @property
    def content(self) -> bytes:
        """What is in it."""
        return self.name.encode()

    def answer(self, node: str) -> "Token":
        """The one that a node writes."""
        return Token(self.store, f"{self.name}.{node}")

    def leave(self) -> None:
        """Write it."""
        self.store.put(self.name, self.content)

    @property
    def seen(self) -> bool:
        """Whether it is there, and whole."""
        return self.store.get(self.name) == self.content

    def remove(self) -> None:
        """Take it away."""
        with contextlib.suppress(Exception):
            self.store.delete(self.name)


@dataclass(frozen=True)
class Sight:
    """What a node sees."""

    host: str
    store: str = ""
    """What is wrong with the store; empty: nothing."""
    missing: tuple[str, ...] = ()
    """Files and folders of the study that are not there."""


@contextlib.contextmanager
def token_in(store: Store, option: str) -> Iterator[Token]:
    """A token in the store, left as trials will leave snapshots.

    Raises:
        InvalidInput: the driver itself cannot write there, or not read what it wrote.
    """
    token = Token(store, f".probe-{uuid.uuid4().hex[:12]}")
    rule = f"{store.url} must be a folder, or a URL that fsspec knows, that can be written"
    try:
        try:
            token.leave()
            seen = token.seen
        except Exception as error:  # fsspec's systems have no error in common
            raise refuse(option, f"{rule}, but is not ({type(error).__name__}: {error}).") from None
        if not seen:
            raise refuse(option, f"{rule}, but what is written there cannot be read.")
        yield token
    finally:
        token.remove()


def require_common_sight(study: Study, token: Token, option: str, nodes: Iterable[Mapping[str, Any]]) -> None:
    """Let each of these nodes of a cluster (`ray.nodes()`) look for the store and the images.

    Raises:
        InvalidInput: a node that does not see what the driver sees, each with its address.
    """
    places = places_of(study)
    sights = sights_of(token, [path for paths in places.values() for path in paths], nodes)
    problems = []
    for address, sight in sorted(sights.items()):
        name = f"node {address}" + (f" ({sight.host})" if sight.host else "")
        if sight.store:
            rule = f"{token.store.url} must be one place that all nodes see, but {name} {sight.store}."
            remedy = "Mount it there under the same path (NFS, …), or give one that all see: --storage s3://…"
            problems.append(Problem(option, f"{rule} {remedy}"))
        for where, paths in places.items():
            for path in sorted(set(paths) & set(sight.missing)):
                rule = f"{path} must be there on every node, since trials read it, but is not on {name}."
                problems.append(Problem(where, f"{rule} Mount or copy it there under the same path."))
    if problems:
        raise InvalidInput(problems)


def places_of(study: Study) -> dict[str, list[str]]:
    """By the key of the study, the files and folders on this machine that its trials will read."""
    found: dict[str, set[Path]] = {"datasets": set(), "base.network.weights": set()}
    for config in configs_of(study):
        found["datasets"].update(images_of(config))
        if config.network.weights:
            found["base.network.weights"].add(config.network.weights)
    return {where: sorted(str(path.absolute()) for path in paths) for where, paths in found.items()}


def images_of(config: Config) -> list[Path]:
    """Where this machine has the images of a config; nothing for those that are bundled, or yet to be downloaded."""
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


def sights_of(token: Token, paths: list[str], nodes: Iterable[Mapping[str, Any]]) -> dict[str, Sight]:
    """What the nodes see, by address; a node that is lost meanwhile is left out."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look = ray.remote(num_cpus=0, max_retries=0)(look_around)
    asked = {
        node["NodeID"]: (
            node["NodeManagerAddress"],
            look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(
                token, node["NodeID"][:12], paths
            ),
        )
        for node in nodes
    }
    ray.wait([answer for _, answer in asked.values()], num_returns=len(asked), timeout=ANSWER_SECONDS)
    sights: dict[str, Sight] = {}
    for node_id, (address, answer) in asked.items():
        try:
            sight = ray.get(answer, timeout=0.1)
        except Exception as error:
            if node_id not in {node["NodeID"] for node in ray.nodes() if node["Alive"]}:
                continue
            sight = Sight("", f"did not answer ({(str(error).strip().splitlines() or [type(error).__name__])[-1]})")
        back = token.answer(node_id[:12])
        if not sight.store and not back.seen:
            sight = Sight(sight.host, "writes what is not seen here", sight.missing)
        back.remove()
        sights[address] = sight
    return sights


def look_around(token: Token, node: str, paths: list[str]) -> Sight:
    """On a node: what is there of the driver's token and of these files, and an answer in the store."""
    import socket

    missing = tuple(path for path in paths if not Path(path).exists())
    try:
        if not token.seen:
            return Sight(socket.gethostname(), "does not see what is written here", missing)
        token.answer(node).leave()
    except Exception as error:  # fsspec's systems have no error in common
        return Sight(socket.gethostname(), f"cannot use it ({type(error).__name__}: {error})", missing)
    return Sight(socket.gethostname(), missing=missing)
