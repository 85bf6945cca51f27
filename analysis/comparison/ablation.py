"""Contributions of single settings: one changed, every other setting and the seed the same."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.comparison.points import place
from analysis.comparison.verdicts import explored
from analysis.data.columns import CELL_METHOD
from analysis.errors import ResultsError
from analysis.statistics.paired import paired_statistics


def contributions(
    results: pd.DataFrame,
    factors: Sequence[str],
    base: Mapping[str, Any] | None = None,
    smallest_difference: float = 0.5,
) -> pd.DataFrame:
    """Measure how test accuracy changes when one factor leaves its base level, paired by seed and all other factors.

    One rule for every design. `factors` are config keys, `base` their base levels; by default those of the trials whose
    column `point` is empty, as the ledger of a design has them, else the level of most trials, which `one_factor` and
    `leave_one_out` have by construction. For each seed the difference
    level − base is taken wherever the other factors are alike and averaged over these contexts: one context in
    `one_factor` and `leave_one_out` (there a contribution is the loss, so its sign is turned by the reader), all
    settings of the others in a `grid` (main effect). The seed is the unit: contexts add no evidence. Only contexts that
    every seed of the row has count, so that no missing trial passes for an effect.

    Columns: dataset, samples_per_class, method, factor, base, level (text), contexts (averaged in each seed), unpaired
    (seeds that lack one side), then those of `analysis.statistics.paired.paired_statistics` and, over all rows,
    `analysis.comparison.verdicts.explored`.

    Raises:
        ResultsError: A factor is no config column, its base level is not in the results or cannot be told, or two
            completed trials share cell, method, seed and all factors.
    """
    columns = [f"config.{factor}" for factor in factors]
    trials = _trials(results, columns)
    rows: list[list[object]] = []
    values: list[float] = []
    belongs: list[int] = []
    for key, group in trials.groupby(CELL_METHOD, sort=False):
        levels = _base(group, columns, base or {})
        for column in columns:
            for level in _in_order(set(group[column]) - {levels[column]}):
                seeds, contexts, unpaired = _by_seed(group, column, columns, level, levels[column])
                belongs += [len(rows)] * len(seeds)
                values += seeds
                rows.append([*key, column.removeprefix("config."), levels[column], level, contexts, unpaired])
    naming = [*CELL_METHOD, "factor", "base", "level", "contexts", "unpaired"]
    said = paired_statistics(pd.Series(values, index=belongs, dtype=float), len(rows))
    return explored(pd.concat([pd.DataFrame(rows, columns=naming), said], axis=1), smallest_difference)


def _trials(results: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    if missing := [column for column in columns if column not in results]:
        known = ", ".join(name.removeprefix("config.") for name in results.columns if name.startswith("config."))
        named = ", ".join(name.removeprefix("config.") for name in missing)
        raise ResultsError(f"a factor must be a config key of the results, but {named} is none. Keys: {known}.")
    measured = results[(results["phase"] == "confirm") & (results["status"] == "completed")]
    kept = [*CELL_METHOD, *(["point"] if "point" in results else []), "seed", "test_accuracy", *columns]
    trials = measured.loc[measured["test_accuracy"].notna(), kept]
    # As text, so that "none" is a level like any other and 1 equals 1.0.
    trials = trials.assign(**{column: trials[column].map(_text) for column in columns})
    repeated = trials.duplicated([*CELL_METHOD, "seed", *columns])
    if repeated.any():
        again = trials[repeated].iloc[0]
        where = f"{again['method']} ({again['dataset']}, n={again['samples_per_class']}, seed {again['seed']})"
        raise ResultsError(
            f"two trials of {where} have the same factors, so what sets them apart is unknown. "
            "Name every setting that varies as a factor."
        )
    return trials


def _text(value: object) -> str:
    if pd.isna(value):  # type: ignore[call-overload]
        return "none"
    if isinstance(value, bool | np.bool_):
        return str(value).lower()  # as in the study's file
    return f"{float(value):g}" if isinstance(value, int | float) else str(value)


def _base(trials: pd.DataFrame, columns: Sequence[str], base: Mapping[str, Any]) -> dict[str, str]:
    if unknown := [name for name in base if f"config.{name}" not in columns]:
        raise ResultsError(f"`base` must name factors, but {', '.join(unknown)} is none of them.")
    levels = {}
    apart = "point" in trials and (trials["point"] != "").any()
    reference = trials[trials["point"] == ""] if apart else trials.head(0)
    for column in columns:
        name, counted = column.removeprefix("config."), trials[column].value_counts()
        if len(counted) == 1:  # a factor that does not reach the method
            levels[column] = str(counted.index[0])
        elif name in base:
            levels[column] = _text(base[name])
            if levels[column] not in counted.index:
                found = ", ".join(_in_order(set(counted.index)))
                raise ResultsError(
                    f"the base level of `{name}` must be in the results: {found}; but is {base[name]!r}."
                )
        elif len(reference):
            levels[column] = str(reference[column].iloc[0])
        elif len(counted) > 1 and counted.iloc[0] == counted.iloc[1]:
            found = ", ".join(_in_order(set(counted.index)))
            raise ResultsError(
                f"the base level of `{name}` must be told apart, but {found} are equally frequent. Name it."
            )
        else:
            levels[column] = str(counted.index[0]) if len(counted) else ""
    return levels


def _by_seed(
    group: pd.DataFrame, column: str, columns: Sequence[str], level: str, base: str
) -> tuple[list[float], int, int]:
    """Mean differences of the seeds over the contexts that all seeds have, number of contexts and of unpaired seeds."""
    others = [name for name in columns if name != column]
    group = group.assign(context=group[others].agg("\n".join, axis="columns") if others else "")
    changed, kept = (
        group[group[column] == side].pivot(index="seed", columns="context", values="test_accuracy")
        for side in (level, base)
    )
    differences = (changed - kept).dropna(axis="columns", how="all")
    seeds = differences.dropna(axis="index", how="all")
    # Where a seed lacks a context, the context goes; where that would leave none, the seeds that lack one go.
    whole = seeds.dropna(axis="columns") if seeds.notna().all().any() else seeds.dropna(axis="index")
    return whole.mean(axis="columns").tolist(), len(whole.columns), len(differences) - len(whole)


def _in_order(levels: Iterable[str]) -> list[str]:
    return sorted(levels, key=place)
