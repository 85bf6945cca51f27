"""Read offline W&B runs from their `.wandb` files in this process; needs the package `wandb`, no account."""

import json
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from analysis.data.entries import fault
from analysis.data.wandb_run import UNENDED, TrackedRun, entry
from analysis.errors import ResultsError

# The framing is LevelDB's log with zlib's CRC: a file header, then blocks; a record that does not fit into
# the rest of a block goes on in the next one.
MAGIC, BLOCK = b":W&B", 32 * 1024
FILE_HEADER = 7
RECORD_HEADER = struct.Struct("<IHB")  # checksum of kind and body, length of the body, kind
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def run_files(folder: Path) -> list[Path]:
    """Find the `.wandb` files in a folder of offline runs, or in the `wandb/` of a study folder; oldest first."""
    for place in (folder, folder / "wandb"):
        # The links `latest-run` and the like would give a run twice.
        if found := sorted(place.glob("offline-run-*/run-*.wandb"), key=lambda file: file.parent.name):
            return found
    return sorted(folder.glob("run-*.wandb"))


def offline_entries(files: Iterable[Path], damaged: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the entries of runs; a trial continued in a second run is one entry. `damaged` names unreadable files."""
    runs: dict[str, TrackedRun] = {}
    parse = _parser()
    for file in files:
        try:
            _read(file, runs, parse)
        except (OSError, ValueError, struct.error) as error:
            damaged[file.name] = f"not readable as a W&B run: {error}"
    for run in runs.values():
        found = entry(run)
        if reason := UNENDED if found["status"] is None else fault(found):
            damaged.setdefault(f"run-{run.identifier}.wandb", reason)
        else:
            yield found


def records(content: bytes) -> Iterator[bytes]:
    """Yield the records of a `.wandb` file, without a last one that was cut off, as a kill leaves it.

    Raises:
        ValueError: The content is no such file, or damaged before its end.
    """
    if not content.startswith(MAGIC):
        raise ValueError("no W&B file")
    place, whole = FILE_HEADER, b""
    while place + RECORD_HEADER.size <= len(content):
        left = BLOCK - place % BLOCK
        if left < RECORD_HEADER.size:  # padding: no header fits into this block
            place += left
            continue
        checksum, length, kind = RECORD_HEADER.unpack_from(content, place)
        start = place + RECORD_HEADER.size
        body = content[start : start + length]
        place = start + length
        if place > len(content):
            return
        if kind not in (FULL, FIRST, MIDDLE, LAST) or zlib.crc32(bytes([kind]) + body) != checksum:
            raise ValueError(f"damaged at byte {start}")
        whole = body if kind in (FULL, FIRST) else whole + body
        if kind in (FULL, LAST):
            yield whole


def _read(file: Path, runs: dict[str, TrackedRun], parse: Callable[[bytes], Any]) -> None:
    run: TrackedRun | None = None
    for record in map(parse, records(file.read_bytes())):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = runs.setdefault(record.run.run_id, TrackedRun(record.run.run_id))
            _update(run.config, record.run.config.update)
        elif run is None:
            continue
        elif kind == "config":
            _update(run.config, record.config.update)
        elif kind == "summary":
            _update(run.summary, record.summary.update)
        elif kind == "history":
            values: dict[str, Any] = {}
            _update(values, record.history.item)
            # A trial that went on logs its curve again from the start: the later point of a step counts.
            run.history[int(values.get("_step", record.history.step.num))] = values


def _parser() -> Callable[[bytes], Any]:
    try:
        record = import_module("wandb.proto.wandb_internal_pb2").Record
        undecodable = import_module("google.protobuf.message").DecodeError
    except ImportError as error:
        raise ResultsError("reading W&B runs needs the package wandb. pip install wandb") from error

    def parse(content: bytes) -> Any:
        try:
            return record.FromString(content)
        except undecodable as error:
            raise ValueError(f"a record that cannot be decoded: {error}") from error

    return parse


def _update(nested: dict[str, Any], items: Iterable[Any]) -> None:
    for item in items:
        path = list(item.nested_key) or [item.key]
        branch = nested
        for name in path[:-1]:
            below = branch.get(name)
            branch = branch.setdefault(name, {}) if isinstance(below, dict) or below is None else {}
        branch[path[-1]] = json.loads(item.value_json)
