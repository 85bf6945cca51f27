"""How the trials ended: counts and shares of every outcome, messages of lost trials, warnings."""

from typing import Any

import pandas as pd

from analysis.data.columns import CELL_METHOD, STATUSES
from analysis.data.tidy import in_order
from analysis.statistics.paired import share_limits

OUTCOMES = ("planned", *STATUSES, "missing")
LOST = ("diverged", "oom", "failed")


def counts(results: pd.DataFrame, planned: pd.DataFrame | None = None) -> pd.DataFrame:
    """Count the trials of each phase and method by outcome.

    Columns: phase, method, planned, completed, stopped, diverged, oom, failed, missing (planned but without a
    result; never below zero). `planned` has the columns phase, dataset, samples_per_class, method, trials;
    without it, planned and missing are unknown (NA).
    """
    found = results.groupby(["phase", "method", "status"]).size().unstack("status", fill_value=0)
    table = found.reindex(columns=list(STATUSES), fill_value=0)
    if planned is not None:
        due = planned.groupby(["phase", "method"])["trials"].sum()
        table = table.reindex(table.index.union(due.index), fill_value=0)
        table["planned"] = due.reindex(table.index, fill_value=0)
        per_cell = ["phase", "method", "dataset", "samples_per_class"]
        due_by_cell = planned.groupby(per_cell)["trials"].sum()
        found_by_cell = results.groupby(per_cell).size().reindex(due_by_cell.index, fill_value=0)
        missing = (due_by_cell - found_by_cell).clip(lower=0).groupby(level=["phase", "method"]).sum()
        table["missing"] = missing.reindex(table.index, fill_value=0)
    else:
        table["planned"] = table["missing"] = pd.NA
    table = table.astype("Int64").reset_index()[["phase", "method", *OUTCOMES]]
    return in_order(table, ["phase", "method"], results.attrs.get("methods", ()))


def outcome_shares(results: pd.DataFrame) -> pd.DataFrame:
    """Share of the trials of each phase, cell and method that ended in each way, with its interval.

    Columns: phase, dataset, samples_per_class, method, outcome, trials (all), count (with this outcome), share, low,
    high (95 % Clopper–Pearson). Outcomes that did not occur have rows too: none of 8 still allows a share of 37 %.
    """
    keys = ["phase", *CELL_METHOD]
    found = results.groupby([*keys, "status"], sort=False).size().unstack("status", fill_value=0)
    found = found.reindex(columns=list(STATUSES), fill_value=0).astype(int)
    trials = found.sum(axis="columns").to_frame("trials").reset_index()
    counted = found.reset_index().melt(keys, var_name="outcome", value_name="count")
    table = counted.merge(trials, on=keys)
    table["share"] = table["count"] / table["trials"]
    table["low"], table["high"] = share_limits(table["count"].to_numpy(), table["trials"].to_numpy())
    by = [*CELL_METHOD, "phase"]
    return in_order(table, by, results.attrs.get("methods", ()))[
        [*keys, "outcome", "trials", "count", "share", "low", "high"]
    ]


def messages(results: pd.DataFrame, most: int = 8) -> list[dict[Any, Any]]:
    """List the distinct messages of lost trials: status, method, error, trials; the most frequent first."""
    troubled = results[results["status"].isin(LOST)]
    troubled = troubled.assign(error=troubled["error"].fillna("no message"))
    return _counted(troubled, ["status", "method", "error"], most)


def warnings(results: pd.DataFrame, most: int = 8) -> list[dict[Any, Any]]:
    """List the kinds of warnings, what stands before their colon: method, warning, trials; the most frequent first.

    Where the warnings of a kind differ, the first of them stands for all.
    """
    rows = results[results["warning"].notna()]
    rows = rows.assign(kind=rows["warning"].str.split(":").str[0])
    listed = _counted(rows, ["method", "kind"], most)
    for one in listed:
        own = rows.loc[(rows["method"] == one["method"]) & (rows["kind"] == one["kind"]), "warning"]
        one["warning"] = own.iloc[0] if own.nunique() == 1 else f"{own.iloc[0]} The others likewise."
    return listed


def _counted(rows: pd.DataFrame, by: list[str], most: int) -> list[dict[Any, Any]]:
    counted = rows.groupby(by, sort=False).size().rename("trials").reset_index()
    return counted.sort_values("trials", ascending=False, kind="stable").head(most).to_dict("records")
