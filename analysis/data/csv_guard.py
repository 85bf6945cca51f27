"""Guard the texts of a CSV, so that no spreadsheet takes one for a formula, and take the guard away again."""

import re

import pandas as pd

# An apostrophe makes a spreadsheet show what follows as text. One that is there already gets another, so
# that reading takes away just what writing put there.
_STARTS = r"'*[=+\-@\t\r]"


def guarded(table: pd.DataFrame) -> pd.DataFrame:
    """Put an apostrophe before every text, and column name, that begins like a formula."""
    columns = {name: _text(table[name]).str.replace(f"^(?={_STARTS})", "'", regex=True) for name in _texts(table)}
    return table.assign(**columns).rename(columns=lambda name: guarded_text(str(name)))


def unguarded(table: pd.DataFrame) -> pd.DataFrame:
    """Undo `guarded`."""
    columns = {name: _text(table[name]).str.replace(f"^'(?={_STARTS})", "", regex=True) for name in _texts(table)}
    return table.assign(**columns).rename(columns=lambda name: guarded_text(str(name), back=True))


def guarded_text(text: str, *, back: bool = False) -> str:
    """Guard one text as in a table, or undo it with `back`."""
    pattern, put = (f"^'(?={_STARTS})", "") if back else (f"^(?={_STARTS})", "'")
    return re.sub(pattern, put, text)


def _texts(table: pd.DataFrame) -> list[str]:
    return [name for name in table.columns if pd.api.types.is_string_dtype(table[name].dtype)]


def _text(values: pd.Series) -> pd.Series:
    return values.astype("string")
