"""Make results tidy: columns in order, of fixed types, with values in their ranges, no trial twice."""

from collections.abc import Sequence

import pandas as pd

from analysis.data.columns import COLUMNS, OPTIONAL, PHASES, STATUSES, TRIAL, of_kind
from analysis.errors import ResultsError
from analysis.methods import ordered


def tidy(table: pd.DataFrame) -> pd.DataFrame:
    """Bring the columns into order, each to one type that depends on its values only.

    So a ledger, the CSV and the Parquet file of one study give equal tables: text as `string`, counts as
    `Int64`, measurements as `float64`, and config columns by what all their values are.

    Raises:
        ResultsError: A column is missing, a row is there twice, or a value is out of its range.
    """
    return _checked(_typed(table))


def of_reference(results: pd.DataFrame) -> pd.DataFrame:
    """Select the trials of the methods as they are, leaving out the points of a design that change a factor."""
    return results[results["point"] == ""] if "point" in results else results


def in_order(table: pd.DataFrame, by: Sequence[str], declared: Sequence[str] = ()) -> pd.DataFrame:
    """Sort the rows by columns: search before confirm, methods as declared, otherwise as in the paper."""
    methods = ordered(table["method"], declared)
    orders = {"phase": PHASES, "method": methods}
    places = {name: {value: k for k, value in enumerate(order)} for name, order in orders.items()}
    return table.sort_values(
        list(by),
        key=lambda column: column.map(places[str(column.name)]) if column.name in places else column,
        kind="stable",
        ignore_index=True,
    )


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    absent = [name for name in COLUMNS if name in OPTIONAL and name not in table]
    table = table.reindex(columns=[*table.columns, *absent])
    if missing := [name for name in COLUMNS if name not in table]:
        raise ResultsError(
            f"results must have the columns {', '.join(COLUMNS)}, but {', '.join(missing)} are missing. "
            "Export the study again, or rename the columns."
        )
    texts, counts, numbers = of_kind("text"), of_kind("count"), of_kind("number")
    columns: dict[str, pd.Series] = {}
    for name in [*COLUMNS, *sorted(c for c in table.columns if c not in COLUMNS)]:
        values: pd.Series = table[name]
        if name == "point":
            columns[name] = values.astype("string").fillna("")
        elif name in texts or name.startswith("provenance."):
            columns[name] = values.astype("string")
        elif name in counts:
            columns[name] = _numeric(values, "whole numbers").astype("Int64")
        elif name in numbers:
            columns[name] = _numeric(values, "numbers").astype(float)
        else:
            columns[name] = _inferred(values)
    return pd.DataFrame(columns, index=table.index)


def _numeric(values: pd.Series, kind: str) -> pd.Series:
    try:
        return pd.to_numeric(values)
    except (ValueError, TypeError) as error:
        raise ResultsError(f"column `{values.name}` must hold {kind}, but {error}.") from error


def _inferred(values: pd.Series) -> pd.Series:
    """Turn values into whole numbers, numbers, truth values or text, by what all of them are, not by their type."""
    given = values.dropna()
    if len(given) and pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return values.astype("Int64" if (given % 1 == 0).all() else "Float64")
    text = values.map(str, na_action="ignore").astype("string")
    given = text.dropna()
    if given.isin(["True", "False"]).all():
        return text.map({"True": True, "False": False}).astype("boolean")
    numbers = pd.to_numeric(given, errors="coerce")
    if numbers.isna().any():
        return text
    whole = given.str.fullmatch(r"-?\d{1,18}").all() or (numbers % 1 == 0).all()
    return pd.to_numeric(text).astype("Int64" if whole else "Float64")


def _checked(table: pd.DataFrame) -> pd.DataFrame:
    for name, allowed in (("phase", PHASES), ("status", STATUSES)):
        unknown = table.loc[~table[name].isin(allowed), name]
        if len(unknown):
            raise ResultsError(f"`{name}` must be one of {', '.join(allowed)}, but got {unknown.iloc[0]}.")
    for name in ("validation_accuracy", "test_accuracy"):
        outside = table.loc[(table[name] < 0) | (table[name] > 1), name]
        if len(outside):
            raise ResultsError(f"`{name}` must lie in 0..1, but got {outside.iloc[0]:g}. Divide percentages by 100.")
    if table.loc[table["phase"] == "search", "test_accuracy"].notna().any():
        raise ResultsError(
            "`test_accuracy` must be empty in search rows, but some have one: the test set was not sealed. "
            "Such a study cannot be evidence; search again without test images."
        )
    repeated = table.duplicated(list(TRIAL))
    if repeated.any():
        again = table[repeated].iloc[0]
        raise ResultsError(
            f"a trial must be there once, but {int(repeated.sum())} rows repeat another, first "
            f"{again['phase']} trial {again['trial']} of {again['method']} ({again['dataset']}, "
            f"n={again['samples_per_class']}, seed {again['seed']}). "
            "Remove copied ledger files or merged tables."
        )
    return table
