"""The snapshots of trainings, where every node can read them: whole or not at all.

A snapshot is named by the key of its stage and its iteration, so two trials that pass through the same state write the
same file, and "has anybody trained this far?" is "is this file there?".
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


class SnapshotKey(NamedTuple):
    """The state of a training: the key of its stage, and the iteration."""

    stage_key: str
    iteration: int

    @property
    def name(self) -> str:
        """File name."""
        return f"{self.stage_key}-{self.iteration:08d}{SUFFIX}"

    @classmethod
    def of(cls, name: str) -> Self | None:
        """Parse a file name; None for a file that is no snapshot."""
        stage_key, _, iteration = name.removesuffix(SUFFIX).rpartition("-")
        return cls(stage_key, int(iteration)) if name.endswith(SUFFIX) and stage_key and iteration.isdecimal() else None


@dataclass(frozen=True)
class SnapshotStore:
    """A folder, or any URL that fsspec knows (`s3://…`, `gs://…`), that all nodes see."""

    url: str

    @property
    def _location(self) -> tuple[fsspec.AbstractFileSystem, PurePosixPath]:
        system, path = fsspec.core.url_to_fs(self.url)
        return system, PurePosixPath(path)

    def snapshots(self) -> dict[SnapshotKey, int]:
        """Size of every snapshot, bytes."""
        system, folder = self._location
        system.invalidate_cache()
        try:
            files = system.ls(str(folder), detail=True)
        except FileNotFoundError:
            return {}
        return {key: file["size"] or 0 for file in files if (key := SnapshotKey.of(PurePosixPath(file["name"]).name))}

    def write(self, key: SnapshotKey, content: bytes) -> int:
        """Write a snapshot with its digest; return its size in bytes."""
        self.put(key.name, hashlib.sha256(content).digest() + content)
        return DIGEST + len(content)

    def read(self, key: SnapshotKey) -> bytes | None:
        """Read a snapshot; None if there is none. A damaged one is removed and counts as none."""
        kept = self.get(key.name)
        if kept is None:
            return None
        if hashlib.sha256(kept[DIGEST:]).digest() == kept[:DIGEST]:
            return kept[DIGEST:]
        self.delete(key.name)
        return None

    def put(self, name: str, content: bytes) -> None:
        """Write a file under another name and rename it: a reader, or a crash, sees all of it or nothing."""
        system, folder = self._location
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
        """Read a file; None if there is none."""
        system, folder = self._location
        try:
            content: bytes = system.cat_file(str(folder / name))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return content

    def delete(self, name: str) -> None:
        """Remove a file if it exists."""
        system, folder = self._location
        with contextlib.suppress(FileNotFoundError):
            system.rm_file(str(folder / name))

    def clear(self) -> None:
        """Remove all snapshots, the leftovers of crashed writers, and the folder if it is empty then."""
        system, folder = self._location
        system.invalidate_cache()
        with contextlib.suppress(OSError):
            for path in system.ls(str(folder), detail=False):
                name = PurePosixPath(path).name
                if SnapshotKey.of(name) or (name.startswith(".") and SUFFIX in name):
                    self.delete(name)
            system.rmdir(str(folder))
