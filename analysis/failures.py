"""What did not go well: messages of trials that were lost, and warnings of trials that were not."""

from typing import Any

import pandas as pd

LOST = ("diverged", "oom", "failed")


def messages(results: pd.DataFrame, most: int = 8) -> list[dict[Any, Any]]:
    """The distinct messages of trials that did not complete: status, method, error, trials; most frequent first."""
    troubled = results[results["status"].isin(LOST)]
    troubled = troubled.assign(error=troubled["error"].fillna("no message"))
    return _counted(troubled, ["status", "method", "error"], most)


def warnings(results: pd.DataFrame, most: int = 8) -> list[dict[Any, Any]]:
    """The distinct warnings, as of a generator that collapsed: phase, method, warning, trials; most frequent first."""
    return _counted(results[results["warning"].notna()], ["phase", "method", "warning"], most)


def _counted(rows: pd.DataFrame, by: list[str], most: int) -> list[dict[Any, Any]]:
    counted = rows.groupby(by, sort=False).size().rename("trials").reset_index()
    return counted.sort_values("trials", ascending=False, kind="stable").head(most).to_dict("records")
