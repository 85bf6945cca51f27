"""Whether the space was wide enough: where the best settings lie between the ends of their ranges."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.data.columns import CELL_METHOD
from analysis.search.readings import KC
from analysis.search.space import Domain, searched
from analysis.search.suggestions import best_suggestions, suggestions

NEAR = 0.05  # of the range, on its own scale: a uniform draw lands so near to one of the ends in a tenth of searches
FEWEST = 3  # values of a list; of two the best always lies at an end


def edges(results: pd.DataFrame, space: Mapping[str, Any]) -> pd.DataFrame:
    """Measure how far each search's best setting lies from the ends of its range, and flag those at an end.

    `space` as in `analysis.search.space.searched`; settings without an order have no ends and no row, nor have
    those that a method does not search. Columns: dataset, samples_per_class, method, parameter, value (of the best
    suggestion), low, high (ends), position (0 lower … 1 upper end, on the logarithm where that was searched; of a
    list the place among its values), distance (to the nearer end, 0..0.5), edge (`low`, `high` or nothing: within 5
    % of a range, or an end of a list of three or more) and note.
    """
    tried = suggestions(results)
    best = tried.merge(best_suggestions(results)[[*CELL_METHOD, "trial"]])
    rows = []
    for name, domain in searched(space).items():
        column = f"config.{name}"
        if domain.numeric and column in best:
            own = best.merge(_searching(tried, name), on=CELL_METHOD)
            for row in own[own[column].notna()].to_dict("records"):
                cell = [row["dataset"], row["samples_per_class"], row["method"]]
                rows.append([*cell, name, float(row[column]), *_place(domain, float(row[column]))])
    columns = ["parameter", "value", "low", "high", "position", "distance", "edge", "note"]
    return pd.DataFrame(rows, columns=[*CELL_METHOD, *columns])


def _searching(tried: pd.DataFrame, name: str) -> pd.DataFrame:
    """Find the cells and methods that search a setting: others have it at one value in all of several suggestions.

    KC may be read off at its longest every time.
    """
    found = tried.groupby(CELL_METHOD, sort=False)[f"config.{name}"].agg(["nunique", "size"])
    searching = (found["nunique"] > 1) | (found["size"] < FEWEST) | (f"config.{name}" in KC)
    return found[searching].reset_index()[CELL_METHOD]


def _place(domain: Domain, value: float) -> list[Any]:
    low, high = float(min(domain.extremes)), float(max(domain.extremes))
    position = domain.position(value)
    distance = max(0.0, min(position, 1 - position)) if not math.isnan(position) else math.nan
    if domain.values and len(domain.values) < FEWEST:
        return [low, high, position, distance, "", "two values: the best is always at an end"]
    if math.isnan(position) or not -1e-9 <= position <= 1 + 1e-9:
        return [low, high, position, math.nan, "", "outside the searched space"]
    near = 1e-9 if domain.values else NEAR
    edge = "low" if position <= near else "high" if position >= 1 - near else ""
    return [low, high, position, distance, edge, _advice(edge, low)]


def _advice(edge: str, low: float) -> str:
    if not edge:
        return ""
    if edge == "low" and low == 0:
        return "at zero, which may be the natural end; if not, search lower"
    return f"at the {'lower' if edge == 'low' else 'upper'} end: better values may lie beyond it"
