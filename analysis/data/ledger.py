"""Read the ledger folder of a study: one JSON file per finished trial."""

import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from analysis.data.entries import fault


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
