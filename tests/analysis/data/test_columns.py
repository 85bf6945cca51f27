"""One list of columns: what the ledger writes, what the results have and what the documentation says are the same."""

import re
import types
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

import analysis
from analysis.data.columns import COLUMNS, LEDGER, OPTIONAL, PHASES, STATUSES, SUMMARY
from sweeps.records.ledger import Confusion, Entry

KINDS = {str: {"text", "internal"}, int: {"count"}, float: {"number"}}
KINDS |= {kind: {"nested"} for kind in (dict, list, Confusion)}


def kind_of(annotation: Any) -> tuple[Any, bool]:
    """The plain type of a field, and whether it may be null."""
    nullable = False
    if get_origin(annotation) is types.UnionType:
        kept = [one for one in get_args(annotation) if one is not type(None)]
        nullable, annotation = len(kept) < len(get_args(annotation)), kept[0]
    origin = get_origin(annotation)
    return (str if origin is Literal else origin or annotation), nullable


def test_the_ledger_has_these_fields_in_this_order():
    assert list(Entry.model_fields) == [column.name for column in LEDGER]


@pytest.mark.parametrize("column", LEDGER, ids=lambda column: column.name)
def test_a_field_of_the_ledger_is_what_its_column_says(column):
    field = Entry.model_fields[column.name]
    plain, nullable = kind_of(field.annotation)
    assert column.kind in KINDS[plain]
    assert column.nullable == nullable
    assert column.required == field.is_required()
    assert column.meaning.endswith(".")


def test_phases_and_outcomes_are_the_ledgers():
    assert get_args(Entry.model_fields["phase"].annotation) == PHASES
    assert get_args(Entry.model_fields["status"].annotation) == STATUSES


def test_the_summary_of_a_run_and_the_table_are_parts_of_the_list():
    assert SUMMARY[0] == "status"
    assert {"pflop", "error", "warning"} <= set(SUMMARY) < set(COLUMNS)
    later = {"networks", "error", "warning", "quality", "readings", "confusion", "curve"}
    assert set(OPTIONAL) == {"point", "search"} | later
    assert not {"search", "config", "provenance", "quality", "curve"} & set(COLUMNS)


def test_the_reference_lists_every_field_with_its_meaning():
    page = (Path(analysis.__file__).parent / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (text|count|number|nested|internal) \| (.*) \|$", page, re.MULTILINE)
    assert rows == [(column.name, column.kind, column.meaning) for column in LEDGER]
