"""What trials cost: operations, with and without what they share, and wall time."""

import pandas as pd

from analysis.data.tidy import in_order


def costs(results: pd.DataFrame) -> pd.DataFrame:
    """Sum what the trials of each phase and method cost, however they ended.

    Columns: phase, method, trials, pflop (10^15 operations, shared work charged once), pflop_unshared (as if
    every trial had been trained alone), wall_seconds (summed over trials).
    """
    spent = ["pflop", "pflop_unshared", "wall_seconds"]
    groups = results.groupby(["phase", "method"])
    table = groups[spent].sum()
    table.insert(0, "trials", groups.size())
    return in_order(table.reset_index(), ["phase", "method"], results.attrs.get("methods", ()))
