"""The snapshots of trainings: where every node can read them, whole or not at all. DESIGN §5.

A snapshot is named by the prefix that led to it and its iteration, so two trials that come by the same state write
the same file, and "has anybody trained this far?" is "is this file there?".
"""

import contextlib
import hashlib
import os
import socket
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple, Self

import fsspec

SUFFIX = ".snapshot"
DIGEST = hashlib.sha256().digest_size
SNAPSHOT_SECONDS = 30
"""Seconds from one snapshot of a running trial to the next: the work that a crash may cost, at the most, beyond one
report interval."""


class Key(NamedTuple):
    """A state: the prefix of its stage, and the iteration."""

    prefix: str
    iteration: int

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.prefix}-{self.iteration:08d}{SUFFIX}"

    @classmethod
    def of(cls, name: str) -> Self | None:
        """The key of a file; None for a file that is no snapshot."""
        prefix, _, iteration = name.removesuffix(SUFFIX).rpartition("-")
        return cls(prefix, int(iteration)) if name.endswith(SUFFIX) and prefix and iteration.isdecimal() else None


@dataclass(frozen=True)
class Store:
    """A folder, or any URL that fsspec knows (`s3://…`, `gs://…`), that all nodes see."""

    url: str

    @property
    def _place(self) -> tuple[fsspec.AbstractFileSystem, PurePosixPath]:
        system, path = fsspec.core.url_to_fs(self.url)
        return system, PurePosixPath(path)

    def snapshots(self) -> dict[Key, int]:
        """What is there, with sizes in bytes."""
        system, folder = self._place
        system.invalidate_cache()
        try:
            files = system.ls(str(folder), detail=True)
        except FileNotFoundError:
            return {}
        return {key: file["size"] or 0 for file in files if (key := Key.of(PurePosixPath(file["name"]).name))}

    def write(self, key: Key, content: bytes) -> int:
        """Keep a snapshot under its digest; its size in bytes."""
        self.put(key.name, hashlib.sha256(content).digest() + content)
        return DIGEST + len(content)

    def read(self, key: Key) -> bytes | None:
        """A snapshot; None where there is none. A damaged one is removed and counts as none."""
        kept = self.get(key.name)
        if kept is None:
            return None
        if hashlib.sha256(kept[DIGEST:]).digest() == kept[:DIGEST]:
            return kept[DIGEST:]
        self.delete(key.name)
        return None

    def put(self, name: str, content: bytes) -> None:
        """Write a file beside its place and rename it: a reader, or a crash, sees all of it or nothing."""
        system, folder = self._place
        system.makedirs(str(folder), exist_ok=True)
        beside = str(folder / f".{name}.{socket.gethostname()}.{os.getpid()}")
        try:
            system.pipe_file(beside, content)
            system.mv(beside, str(folder / name))
        except BaseException:
            with contextlib.suppress(Exception):
                system.rm_file(beside)
            raise

    def get(self, name: str) -> bytes | None:
        """The bytes of a file; None where there is none."""
        system, folder = self._place
        try:
            content: bytes = system.cat_file(str(folder / name))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return content

    def delete(self, name: str) -> None:
        """Remove a file, if it is there."""
        system, folder = self._place
        with contextlib.suppress(FileNotFoundError):
            system.rm_file(str(folder / name))

    def clear(self) -> None:
        """Remove all snapshots, what crashed writers have left, and the folder, if that is all there was in it."""
        system, folder = self._place
        system.invalidate_cache()
        with contextlib.suppress(OSError):
            for path in system.ls(str(folder), detail=False):
                name = PurePosixPath(path).name
                if Key.of(name) or (name.startswith(".") and SUFFIX in name):
                    self.delete(name)
            system.rmdir(str(folder))
