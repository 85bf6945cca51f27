"""Say what an answer was measured at, where that limits it: short trainings, a small search, poor images."""

from collections.abc import Iterator

import pandas as pd

from analysis.data.columns import CELL, CELL_METHOD
from analysis.formatting import listed, percent
from analysis.reports.answer import extent_of, in_cells
from analysis.search.epochs import is_short
from analysis.search.readings import KC
from analysis.search.space import PER_SETTING

REAL_COVERAGE = 0.97
"""Share of real images that have another real one near by (1 − 2^−5 for 5 neighbours, Naeem et al. 2020)."""
NAMED = 3  # settings at an end that are named
STAGES = {"generation": "a GAN", "classification": "a classifier"}


def limits(
    gains: pd.DataFrame,
    thoroughness: pd.DataFrame,
    edges: pd.DataFrame,
    generators: pd.DataFrame,
    ablation: pd.DataFrame,
    smallest: float = 0.5,
) -> Iterator[str]:
    """Write a sentence for each limit that applies; none where nothing limits the answer.

    The tables as from the functions of these names in `analysis`; `gains` from `late_gains`, with the columns epochs
    and paper. A limit applies where trainings still improve at their end or, where that is unclear, take less than half
    of the paper's epochs; where a search tried fewer suggestions than its settings ask for; where half of the searches
    that have a setting, or more, chose it at one and the same end of its range (zero is no such end, nor the upper end
    of KC, of which the curves tell); where a design is best at its longest trainings, by `smallest` points or more
    better than at the longest but one; and where generated images cover less than half of the real ones that others
    cover.
    """
    yield from length_limit(gains)
    yield from _longest(ablation, smallest)
    yield from _few(thoroughness)
    yield from _ends(edges)
    yield from _covered(generators)


def falling_behind(rows: pd.DataFrame) -> Iterator[str]:
    """Name the methods that what takes no network is ahead of, with a table as from `behind`."""
    for (dataset, size, reference), group in rows.groupby([*CELL, "reference"], sort=False):
        means = [f"{row['method']} ({percent(row['mean'])} %)" for row in group.to_dict("records")]
        ahead = percent(group["reference_mean"].iloc[0])
        verb = "is" if len(means) == 1 else "are"
        yield (
            f"On {dataset} with {size:,} per class {listed(means)} {verb} below {reference} "
            f"on pixels ({ahead} %), which takes no network: mend the settings before any comparison is believed."
        )


def length_limit(gains: pd.DataFrame) -> Iterator[str]:
    """Say at which lengths the answer was measured, where trainings were short or still improve; as in `limits`."""
    parts = []
    for stage, what in STAGES.items():
        every = gains[gains["stage"] == stage]
        improving = every[every["improving"] == "yes"]
        unclear = every[every["improving"] == "unclear"]
        short = unclear[[is_short(*of_one) for of_one in zip(unclear["epochs"], unclear["paper"], strict=True)]]
        rows = short if improving.empty else improving
        if len(rows):
            notes = [_whose(rows, every)]
            if rows["epochs"].notna().all():
                took = extent_of(rows["epochs"], "{:,.0f}".format)
                notes.append(f"{took} epochs, the paper takes {extent_of(rows['paper'], str)}")
            remark = f" ({'; '.join(filter(None, notes))})" if any(notes) else ""
            improves = "" if improving.empty else " that still improves"
            parts.append(f"at most {rows['iterations'].max():,} iterations of {what}{improves}{remark}")
    if parts:
        yield f"This is an answer for {listed(parts)}."


def _longest(ablation: pd.DataFrame, smallest: float) -> Iterator[str]:
    if ablation.empty:
        return
    lasting = ablation[ablation["factor"].str.endswith((".iterations", ".epochs")) & (ablation["n"] > 0)]
    for factor, rows in lasting.groupby("factor", sort=False):
        methods = []
        for (*_, method), levels in rows.groupby(CELL_METHOD, sort=False):
            gains = {float(row["level"]): row["difference"] for row in levels.to_dict("records")}
            gains[float(levels["base"].iloc[0])] = 0.0  # the others are against it
            *shorter, longest_but_one, longest = (gains[length] for length in sorted(gains))
            matters = longest - longest_but_one >= (1 - 1e-9) * smallest / 100
            if shorter and matters and longest == max(gains.values()):
                methods.append(str(method))
        if methods:
            yield f"Test accuracy is highest at the largest {factor} of the design for {listed(sorted(set(methods)))}."


def _few(thoroughness: pd.DataFrame) -> Iterator[str]:
    rows = thoroughness[thoroughness["few"]]
    if len(rows):
        tried, settings = (extent_of(rows[name], str) for name in ("suggestions", "settings"))
        where = f" ({whose})" if (whose := _whose(rows, thoroughness)) else ""
        noun = "setting" if settings == "1" else "settings"
        yield f"The search tried {tried} suggestions for {settings} {noun}{where}; {PER_SETTING} for each are advised."


def _ends(edges: pd.DataFrame) -> Iterator[str]:
    # Of a KC that is too short the curves tell.
    kc = ("config." + edges["parameter"]).isin(KC) & (edges["edge"] == "high")
    inside = edges[edges["distance"].notna() & ~kc]
    natural = (inside["edge"] == "low") & (inside["low"] == 0)
    at_end = inside[(inside["edge"] != "") & ~natural].groupby(["parameter", "edge"], sort=False).size()
    searches = inside.groupby("parameter").size()
    found = [
        f"{row['parameter']} ({'lower' if row['edge'] == 'low' else 'upper'} end, {row['count']} of {of} searches)"
        for row in at_end.reset_index(name="count").to_dict("records")
        if 2 * row["count"] >= (of := searches[row["parameter"]])
    ]
    if found:
        yield f"Chosen at an end of what was searched: {listed(found, most=NAMED)}."


def _covered(generators: pd.DataFrame) -> Iterator[str]:
    every = generators[generators["measure"] == "coverage"]
    rows = every[every["mean"] < REAL_COVERAGE / 2]
    if len(rows):
        where = f" ({whose})" if (whose := _whose(rows, every)) else ""
        yield (
            f"Generated images are far from real ones{where}: {extent_of(rows['mean'], percent)} % of the real test "
            f"images have a generated one near by; real ones would reach {100 * REAL_COVERAGE:.0f} %."
        )


def _whose(rows: pd.DataFrame, every: pd.DataFrame) -> str:
    """Name methods and cells of the rows, as far as they are not all."""
    methods = listed(list(rows["method"].unique())) if set(every["method"]) - set(rows["method"]) else ""
    cells = in_cells(rows, every) if len(rows[CELL].drop_duplicates()) < len(every[CELL].drop_duplicates()) else ""
    return f"{methods}{cells}".strip()
