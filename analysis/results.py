"""The tidy results of a study: one row per trial, from a ledger, a CSV or a Parquet file alike."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.errors import ResultsError
from analysis.schema import COLUMNS, IDENTITY, in_order, tidy
from analysis.study import load_study


def load(path: str | Path) -> pd.DataFrame:
    """Read results from a study directory, a `.csv` or a `.parquet` file: the same table whichever it was.

    Columns: those of `COLUMNS` (accuracies in 0..1), then `config.*` and `provenance.*`. Rows come in the
    order dataset, samples per class, method (the study's order, else the paper's), phase, trial, seed. Ledger
    files that cannot be read are skipped and named, with the reason, in `attrs["damaged"]`;
    `attrs["methods"]` is the study's order.

    Raises:
        ResultsError: A column is missing, a row is there twice, or a value is out of its range.
    """
    path = Path(path)
    declared: Sequence[str] = ()
    damaged: dict[str, str] = {}
    if path.is_dir():
        declared = load_study(path).methods
        entries = list(_entries(path, damaged))
        table = pd.DataFrame([_row(entry) for entry in entries])
        table = table.reindex(columns=list(dict.fromkeys([*COLUMNS, *table.columns])))
    elif path.suffix == ".parquet":
        table = pd.read_parquet(path)
    elif path.suffix == ".csv":
        table = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    elif path.exists():
        raise ResultsError(f"results must be a study directory, a .csv or a .parquet file, but got {path.name}.")
    else:
        raise ResultsError(f"{path} must exist, but nothing is there. Run the study first, or name its directory.")
    by = ["dataset", "samples_per_class", "method", "phase", "trial", "seed", "signature"]
    results = in_order(tidy(table), by, declared)
    results.attrs |= {"damaged": damaged, "methods": list(declared)}
    return results


def load_curves(directory: str | Path) -> pd.DataFrame:
    """Read the learning curves of a study directory, one row per trial and point.

    Columns: signature, phase, dataset, samples_per_class, method, seed, trial, stage (`generation` or
    `classification`), iteration, validation_accuracy (0..1 or missing), images_per_second and one
    `loss.<term>` per loss.
    """
    identifying = ("signature", *IDENTITY)
    rows = [
        {name: entry[name] for name in identifying}
        | {name: point.get(name) for name in ("stage", "iteration", "validation_accuracy", "images_per_second")}
        | {f"loss.{term}": value for term, value in (point.get("losses") or {}).items()}
        for entry in _entries(Path(directory), {})
        for point in entry.get("curve") or ()
    ]
    columns = (*identifying, "stage", "iteration", "validation_accuracy", "images_per_second")
    table = pd.DataFrame(rows)
    table = table.reindex(columns=list(dict.fromkeys([*columns, *table.columns])))
    floats = [name for name in table.columns if name not in (*identifying, "stage", "iteration")]
    table[floats] = table[floats].astype(float)
    return table.sort_values([*IDENTITY, "stage", "iteration"], kind="stable", ignore_index=True)


def write_tables(results: pd.DataFrame, directory: str | Path) -> tuple[Path, Path]:
    """Write `results.csv` and `results.parquet`, the same columns in both, and return their paths."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    csv, parquet = directory / "results.csv", directory / "results.parquet"
    results.to_csv(csv, index=False)
    results.to_parquet(parquet, index=False)
    return csv, parquet


def _entries(directory: Path, damaged: dict[str, str]) -> Iterator[dict[str, Any]]:
    ledger = directory / "ledger"
    if not ledger.is_dir():
        raise ResultsError(
            f"{directory} must be a study directory with ledger/, but has none. "
            "Name results/<study>, after a first run."
        )
    for file in sorted(ledger.glob("[!.]*.json")):
        try:
            entry = json.loads(file.read_bytes())
        except (ValueError, OSError) as error:
            damaged[file.name] = f"not readable as JSON: {error}"
            continue
        if reason := _fault(entry):
            damaged[file.name] = reason
        else:
            yield entry


def _fault(entry: object) -> str:
    if not isinstance(entry, dict):
        return f"an entry must be a JSON object, but this is a {type(entry).__name__}"
    absent = [name for name in COLUMNS if name != "error" and name not in entry]
    return f"lacks {', '.join(absent)}" if absent else ""


def _row(entry: Mapping[str, Any]) -> dict[str, Any]:
    row = {name: entry.get(name) for name in COLUMNS}
    row |= dict(_flat("config", entry.get("config") or {}))
    return row | dict(_flat("provenance", entry.get("provenance") or {}))


def _flat(prefix: str, tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}.{name}", value)
        else:
            yield f"{prefix}.{name}", json.dumps(value) if isinstance(value, list) else value
