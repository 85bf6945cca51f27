"""The ledger folder of a study: one JSON file per finished trial."""

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from analysis.entries import fault


def ledger_entries(
    folder: Path, damaged: dict[str, str], signatures: Collection[str] | None = None
) -> Iterator[dict[str, Any]]:
    """The entries of a ledger folder; files that cannot be read are named in `damaged`, with the reason.

    With `signatures` only the files of these trials are opened: a file is named by its signature.
    """
    for file in sorted(folder.glob("[!.]*.json")):
        if signatures is not None and file.stem not in signatures:
            continue
        try:
            entry = json.loads(file.read_bytes())
        except (ValueError, OSError) as error:
            damaged[file.name] = f"not readable as JSON: {error}"
            continue
        if reason := fault(entry):
            damaged[file.name] = reason
        else:
            yield entry
