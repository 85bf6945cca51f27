"""Whether a search was thorough: how many suggestions it tried, beside how many settings it searched."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.data.columns import CELL_METHOD
from analysis.search.importance import whole_settings
from analysis.search.space import searched, suggestions_advised


def thoroughness(results: pd.DataFrame, space: Mapping[str, Any]) -> pd.DataFrame:
    """Count the suggestions of each search beside those that its number of settings asks for.

    `space` as in `analysis.search.space.searched`. Columns: dataset, samples_per_class, method, suggestions, settings
    (that were sampled, so that trials differ in them; KC that is read off one training is none), advised
    (`suggestions_advised`) and few (whether there are fewer). A search of no setting has no row.
    """
    search = results[results["phase"] == "search"]
    domains = searched(space, whole=whole_settings(search))
    rows = []
    for key, group in search.groupby(CELL_METHOD, sort=False):
        own = [domain for name, domain in domains.items() if group.get(f"config.{name}", pd.Series()).nunique() > 1]
        if own:
            tried, advised = group["trial"].nunique(), suggestions_advised(own)
            rows.append([*key, tried, len(own), advised, tried < advised])
    return pd.DataFrame(rows, columns=[*CELL_METHOD, "suggestions", "settings", "advised", "few"])
