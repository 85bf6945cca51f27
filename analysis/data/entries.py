"""Entries, one mapping per trial as in the ledger: checked, and made into rows and into the points of curves."""

import json
from collections.abc import Iterable, Iterator, Mapping
from statistics import fmean
from typing import Any

import pandas as pd

from analysis.data.columns import CELL_METHOD, COLUMNS, IDENTITY, OPTIONAL

Entry = Mapping[str, Any]
POINT = ("stage", "iteration", "validation_accuracy", "images_per_second", "diversity", "classes")


def fault(entry: object) -> str:
    """Reason why this is not an entry; empty if it is one."""
    if not isinstance(entry, Mapping):
        return f"an entry must be a JSON object, but this is a {type(entry).__name__}"
    absent = [name for name in COLUMNS if name not in OPTIONAL and name not in entry]
    if absent:
        return f"lacks {', '.join(absent)}"
    return "" if _is_square(entry.get("confusion")) else "its confusion must have a row and a column for each class"


def _is_square(confusion: Any) -> bool:
    """Whether a confusion, if there is one, has a row of counts for each class, and in each a count for each class."""
    if confusion is None:
        return True
    try:
        classes = len(confusion["classes"])
        return [len(row) for row in confusion["counts"]] == [classes] * classes
    except (TypeError, KeyError):
        return False


def table(entries: Iterable[Entry]) -> pd.DataFrame:
    """One row per entry: `COLUMNS`, then the nested fields, `config.*` and so on, as far as an entry has them."""
    # Column by column: of a hundred thousand rows pandas makes a table far sooner, and in less memory.
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    count = 0
    for entry in entries:
        for name, value in _row(entry).items():
            column = columns.setdefault(name, [])
            if len(column) < count:  # earlier entries lack it
                column.extend([None] * (count - len(column)))
            column.append(value)
        count += 1
    return pd.DataFrame({name: column + [None] * (count - len(column)) for name, column in columns.items()})


def curves(entries: Iterable[Entry]) -> pd.DataFrame:
    """One row per entry and point of its curve; columns as `analysis.data.results.load_curves` says."""
    identifying = ("signature", *IDENTITY)
    rows = pd.DataFrame(
        {name: entry.get(name, "") for name in identifying}
        | {name: point.get(name) for name in POINT}
        | _diversity(point.get("diversity") or {})
        | {f"loss.{term}": value for term, value in (point.get("losses") or {}).items()}
        for entry in entries
        for point in entry.get("curve") or ()
    )
    rows = rows.reindex(columns=list(dict.fromkeys([*identifying, *POINT, *sorted(rows.columns)])))
    floats = [name for name in rows.columns if name not in (*identifying, "stage", "iteration")]
    rows[floats] = rows[floats].astype(float)
    if rows.empty:  # of the types that rows would have, so that it merges with other tables
        counts = ("samples_per_class", "trial", "seed", "iteration")
        rows = rows.astype(
            {name: "int64" if name in counts else "str" for name in (*identifying, "stage", "iteration")}
        )
    return rows.sort_values([*IDENTITY, "stage", "iteration"], kind="stable", ignore_index=True)


def confusions(entries: Iterable[Entry]) -> pd.DataFrame:
    """One row per entry, class and predicted class; columns as `analysis.data.results.load_confusions` says."""
    identifying = ("signature", *CELL_METHOD, "point", "seed")
    rows = [
        (*(entry.get(name, "") for name in identifying), label, predicted, images)
        for entry in entries
        if (found := entry.get("confusion"))
        for label, row in zip(found["classes"], found["counts"], strict=True)
        for predicted, images in zip(found["classes"], row, strict=True)
    ]
    return pd.DataFrame(rows, columns=[*identifying, "label", "predicted", "images"])


def _diversity(ratios: Mapping[str, float]) -> dict[str, Any]:
    """Mean over the classes, and their number."""
    return {"diversity": fmean(ratios.values()), "classes": len(ratios)} if ratios else {}


def _row(entry: Entry) -> dict[str, Any]:
    row = {name: entry.get(name) for name in COLUMNS}
    row |= dict(_flat("networks", entry.get("networks") or {}))
    row |= dict(_flat("config", entry.get("config") or {}))
    row |= dict(_flat("quality", entry.get("quality") or {}))
    row |= dict(_flat("readings", entry.get("readings") or {}))
    return row | dict(_flat("provenance", entry.get("provenance") or {}))


def _flat(prefix: str, nested: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in nested.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}.{name}", value)
        else:
            yield f"{prefix}.{name}", json.dumps(value) if isinstance(value, list) else value
