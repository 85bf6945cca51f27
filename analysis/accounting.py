"""Where trials and compute went: counts by outcome, cost by method, progress of each search."""

import pandas as pd

from analysis.data.columns import STATUSES, in_order
from analysis.statistics.paired import share_limits

OUTCOMES = ("planned", *STATUSES, "missing")


def counts(results: pd.DataFrame, planned: pd.DataFrame | None = None) -> pd.DataFrame:
    """Trials of each phase and method by outcome.

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


def costs(results: pd.DataFrame) -> pd.DataFrame:
    """Compute spent per phase and method, every outcome counted.

    Columns: phase, method, trials, pflop (10^15 operations, shared work charged once), pflop_unshared (as if
    every trial had been trained alone), wall_seconds (summed over trials).
    """
    spent = ["pflop", "pflop_unshared", "wall_seconds"]
    groups = results.groupby(["phase", "method"])
    table = groups[spent].sum()
    table.insert(0, "trials", groups.size())
    return in_order(table.reset_index(), ["phase", "method"], results.attrs.get("methods", ()))


def outcome_shares(results: pd.DataFrame) -> pd.DataFrame:
    """How often trials of each phase, cell and method diverged, were stopped, failed or ran out of memory.

    Columns: phase, dataset, samples_per_class, method, outcome, trials (all), count (with this outcome), share, low,
    high (95 % Clopper–Pearson). Outcomes that did not occur have rows too: none of 8 still allows a share of 37 %.
    """
    keys = ["phase", "dataset", "samples_per_class", "method"]
    found = results.groupby([*keys, "status"], sort=False).size().unstack("status", fill_value=0)
    found = found.reindex(columns=list(STATUSES), fill_value=0).astype(int)
    trials = found.sum(axis="columns").to_frame("trials").reset_index()
    counted = found.reset_index().melt(keys, var_name="outcome", value_name="count")
    table = counted.merge(trials, on=keys)
    table["share"] = table["count"] / table["trials"]
    table["low"], table["high"] = share_limits(table["count"].to_numpy(), table["trials"].to_numpy())
    by = ["dataset", "samples_per_class", "method", "phase"]
    return in_order(table, by, results.attrs.get("methods", ()))[
        [*keys, "outcome", "trials", "count", "share", "low", "high"]
    ]


def search_progress(results: pd.DataFrame) -> pd.DataFrame:
    """The best validation accuracy so far after each suggestion of each search.

    Columns: dataset, samples_per_class, method, trial, tried (suggestions so far), validation_accuracy (mean
    over the suggestion's completed seeds, nan if none completed), best (0..1), pflop (of the suggestion),
    pflop_so_far.
    """
    search = results[results["phase"] == "search"]
    search = search.assign(validation_accuracy=search["validation_accuracy"].where(search["status"] == "completed"))
    keys = ["dataset", "samples_per_class", "method"]
    table = (
        search.groupby([*keys, "trial"], sort=False)
        .agg(validation_accuracy=("validation_accuracy", "mean"), pflop=("pflop", "sum"))
        .reset_index()
    )
    groups = table.groupby(keys, sort=False)
    # A suggestion that did not complete leaves the best as it was, and the first ones may have none yet.
    table["best"] = groups["validation_accuracy"].cummax()
    table["best"] = table.groupby(keys, sort=False)["best"].ffill()
    table["tried"] = groups.cumcount() + 1
    table["pflop_so_far"] = groups["pflop"].cumsum()
    return table[[*keys, "trial", "tried", "validation_accuracy", "best", "pflop", "pflop_so_far"]]


def best_suggestions(results: pd.DataFrame) -> pd.DataFrame:
    """The suggestion with the best mean validation accuracy of each search; the earlier one of equals.

    Columns: dataset, samples_per_class, method, trial, validation_accuracy (0..1).
    """
    keys = ["dataset", "samples_per_class", "method"]
    progress = search_progress(results).dropna(subset="validation_accuracy")
    best = progress.loc[progress.groupby(keys, sort=False)["validation_accuracy"].idxmax()]
    return best[[*keys, "trial", "validation_accuracy"]].reset_index(drop=True)
