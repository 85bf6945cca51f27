"""Suggestions of a search: their settings, their accuracies, and the best so far; each at its best KC."""

import pandas as pd

from analysis.data.columns import CELL_METHOD
from analysis.search.readings import at_best_kc


def suggestions(results: pd.DataFrame) -> pd.DataFrame:
    """List the suggestions of each search with their settings and mean validation accuracies over seeds.

    Columns: dataset, samples_per_class, method, trial, completed (whether all its trials did: only then can it be
    chosen), stopped (early, any of them), accuracy (mean over the completed trials or, if not all are, over the stopped
    ones; nan if neither), and the config columns.
    """
    keys = [*CELL_METHOD, "trial"]
    results = at_best_kc(results)
    search = results[results["phase"] == "search"]
    settings = [name for name in results.columns if name.startswith("config.")]
    rows = search[[*keys, *settings]].drop_duplicates(keys).set_index(keys)
    for status, chosen in (("completed", _whole(search)), ("stopped", search["status"] == "stopped")):
        found = search[chosen].groupby(keys, sort=False)["validation_accuracy"].mean()
        rows[f"{status}_accuracy"] = found.reindex(rows.index)
    rows["completed"] = rows["completed_accuracy"].notna()
    rows["stopped"] = rows["stopped_accuracy"].notna() & ~rows["completed"]
    rows["accuracy"] = rows.pop("completed_accuracy").fillna(rows.pop("stopped_accuracy"))
    return rows.reset_index()[[*keys, "completed", "stopped", "accuracy", *settings]]


def search_progress(results: pd.DataFrame) -> pd.DataFrame:
    """Track the best validation accuracy so far after each suggestion of each search.

    Columns: dataset, samples_per_class, method, trial, tried (suggestions so far), validation_accuracy (mean
    over the suggestion's seeds, nan unless all completed), best (0..1), pflop (of the suggestion), pflop_so_far.
    """
    results = at_best_kc(results)
    search = results[results["phase"] == "search"]
    search = search.assign(validation_accuracy=search["validation_accuracy"].where(_whole(search)))
    table = (
        search.groupby([*CELL_METHOD, "trial"], sort=False)
        .agg(validation_accuracy=("validation_accuracy", "mean"), pflop=("pflop", "sum"))
        .reset_index()
    )
    groups = table.groupby(CELL_METHOD, sort=False)
    # A suggestion that did not complete leaves the best as it was, and the first ones may have none yet.
    table["best"] = groups["validation_accuracy"].cummax()
    table["best"] = table.groupby(CELL_METHOD, sort=False)["best"].ffill()
    table["tried"] = groups.cumcount() + 1
    table["pflop_so_far"] = groups["pflop"].cumsum()
    return table[[*CELL_METHOD, "trial", "tried", "validation_accuracy", "best", "pflop", "pflop_so_far"]]


def best_suggestions(results: pd.DataFrame) -> pd.DataFrame:
    """Find the suggestion with the best mean validation accuracy of each search; of equals the earlier one.

    Columns: dataset, samples_per_class, method, trial, validation_accuracy (0..1).
    """
    progress = search_progress(results).dropna(subset="validation_accuracy")
    best = progress.loc[progress.groupby(CELL_METHOD, sort=False)["validation_accuracy"].idxmax()]
    return best[[*CELL_METHOD, "trial", "validation_accuracy"]].reset_index(drop=True)


def _whole(search: pd.DataFrame) -> "pd.Series[bool]":
    """Whether all trials of the suggestion of each row completed."""
    completed = search["status"] == "completed"
    return completed.groupby([search[name] for name in (*CELL_METHOD, "trial")]).transform("all")
