"""Read the ledger of a study: a folder with one JSON file per finished trial, or all of it in one Parquet file."""

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.data.entries import fault

COMPACT = "ledger.parquet"
"""Name of the file, in the place of the folder `ledger`, to keep or to pass on."""


def ledger_entries(
    folder: Path, damaged: dict[str, str], signatures: Collection[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the entries of a ledger folder; files that cannot be read are named in `damaged`, with the reason.

    With `signatures` only the files of these trials are opened: a file is named by its signature.
    """
    # Names, not paths: a hundred thousand paths take seconds to sort.
    names = [name for name in os.listdir(folder) if name.endswith(".json") and not name.startswith(".")]  # noqa: PTH208
    for name in sorted(names):
        if signatures is not None and name.removesuffix(".json") not in signatures:
            continue
        try:
            entry = json.loads((folder / name).read_bytes())
        except (ValueError, OSError) as error:
            damaged[name] = f"not readable as JSON: {error}"
            continue
        if reason := fault(entry):
            damaged[name] = reason
        else:
            yield entry


def write_compact(entries: Iterable[Mapping[str, Any]], directory: Path) -> Path:
    """Write entries into `ledger.parquet` of a directory, losing nothing, and return the path.

    One row per entry in the order of signatures: its signature, and the whole of it as JSON text. Equal entries give
    equal bytes.
    """
    rows = sorted((str(entry["signature"]), json.dumps(entry, ensure_ascii=False, sort_keys=True)) for entry in entries)
    path = directory / COMPACT
    table = pd.DataFrame(rows, columns=["signature", "entry"])
    table.to_parquet(path, index=False, compression="zstd", compression_level=19)
    return path


def compact_entries(
    path: Path, damaged: dict[str, str], signatures: Collection[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the entries of a compact ledger, as `ledger_entries` does those of a folder."""
    table = pd.read_parquet(path)
    for signature, text in table.itertuples(index=False, name=None):
        if signatures is None or signature in signatures:
            entry = json.loads(text)
            if reason := fault(entry):
                damaged[signature] = reason
            else:
                yield entry
