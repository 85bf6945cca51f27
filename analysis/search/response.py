"""Validation accuracy against single settings, as λ, KG / KC or r, over all suggestions of the search."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.data.columns import CELL_METHOD
from analysis.search.readings import KC, by_kc
from analysis.search.suggestions import suggestions
from analysis.statistics.groups import of_equal_size
from analysis.statistics.intervals import Numbers, cut, interval_note, spreads, t_limits


def responses(results: pd.DataFrame, parameters: Sequence[str], bins: int = 5) -> pd.DataFrame:
    """Average the validation accuracy of completed suggestions by the value of each setting, for each cell and method.

    `parameters` are config keys (`gan.feature_matching_weight`), or quotients of two (`gan.iterations /
    classifier.iterations`: KG/KC). A setting with more than `bins` values is cut into `bins` of about equally many
    suggestions; KC that was read off their trainings is not cut, and each suggestion counts at each of its values. All
    other settings varied at the same time and a sampler goes where it is good, so this shows where good values lie;
    what one setting does alone is for an ablation (`analysis.comparison.ablation`).

    Columns: dataset, samples_per_class, method, parameter, bin (0 …), value (median in the bin), from, to (lowest and
    highest in it), n (suggestions), mean, low, high (0..1, 95 % Student t interval, cut at 0 and 1; nan for one), best,
    unfinished (suggestions of the bin that were stopped, diverged or failed: where few complete, the mean flatters),
    note. A setting that does not vary, or is not numeric, has no rows.
    """
    tried, read_off = suggestions(results), by_kc(results)
    tables = [
        _response(tried, name, bins)
        if read_off.empty or f"config.{name}" not in KC
        else _response(read_off, name, max(bins, read_off[f"config.{name}"].nunique()))
        for name in parameters
    ]
    columns = [*CELL_METHOD, "parameter", "bin", "value", "from", "to", "n"]
    columns += ["mean", "low", "high", "best", "unfinished", "note"]
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True)[columns] if filled else pd.DataFrame(columns=columns)


def quotient(table: pd.DataFrame, name: str) -> pd.Series:
    """Values of a config key, or of a quotient `a / b`, as numbers; nan where there are none."""
    parts = [f"config.{part.strip()}" for part in name.split("/")]
    empty = pd.Series(math.nan, index=table.index)
    values = [pd.to_numeric(table.get(part, empty), errors="coerce").astype(float) for part in parts]
    return values[0] if len(values) == 1 else values[0] / values[1].where(values[1] != 0)


def _response(tried: pd.DataFrame, name: str, bins: int) -> pd.DataFrame:
    table = (
        tried[[*CELL_METHOD, "completed", "accuracy"]].assign(setting=quotient(tried, name)).dropna(subset="setting")
    )
    searches = table.groupby(CELL_METHOD, sort=False)["setting"]
    table["distinct"] = searches.transform("nunique")
    table = table[table["distinct"] > 1]
    searches = table.groupby(CELL_METHOD, sort=False)["setting"]
    # Equal values share a bin, whichever way the cut falls.
    by_rank = np.ceil(searches.rank(method="max") / searches.transform("size") * bins) - 1
    table["bin"] = by_rank.where(table["distinct"] > bins, searches.rank(method="dense") - 1).astype(int)
    groups = table.groupby([*CELL_METHOD, "bin"])
    rows = groups["setting"].agg(["median", "min", "max"]).set_axis(["value", "from", "to"], axis=1)
    rows["unfinished"] = (groups.size() - groups["completed"].sum()).astype(int)
    place = pd.Series(np.arange(len(rows)), index=rows.index)
    done = table[table["completed"]]
    group = place.reindex(pd.MultiIndex.from_frame(done[[*CELL_METHOD, "bin"]])).to_numpy(dtype=np.int64)
    rows = rows.reset_index().assign(parameter=name, n=np.bincount(group, minlength=len(rows)))
    rows[["mean", "low", "high", "best"]], rows["note"] = math.nan, "no values"
    for chosen, samples in of_equal_size(done["accuracy"], group, len(rows)):
        for column, values in _summary(samples).items():
            rows.loc[chosen, column] = values
    return rows


def _summary(samples: Numbers) -> dict[str, Numbers | list[str]]:
    mean, sd = samples.mean(axis=1), spreads(samples)
    low, high = cut(*t_limits(mean, sd, samples.shape[1]), within=(0.0, 1.0))
    notes = [interval_note(samples.shape[1], spread) for spread in sd]
    return {"mean": mean, "low": low, "high": high, "best": samples.max(axis=1), "note": notes}
