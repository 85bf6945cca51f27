"""Answer a study's question from the evidence alone: a paragraph, and a few lines for a terminal."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.comparison.points import settings
from analysis.data.columns import CELL
from analysis.data.study import Study
from analysis.formatting import interval, listed, p_statement, percent, plural, points

MOST_SEEDS = 100  # that a next step asks for
NAMED = 4  # groups of comparisons that the paragraph names; the table below it has them all
Row = Mapping[Any, Any]


@dataclass(frozen=True)
class Answer:
    """Plain text: `lead` and `paragraph` for a report, `lines` for a terminal; none is escaped for any markup."""

    paragraph: str
    lines: tuple[str, ...]
    lead: str = ""
    """The answer in a word or a few; empty where nothing was compared."""
    seeds: int | None = None
    """Confirm seeds that are likely to decide what is open; None where nothing is, or too many would be needed."""


def answer(
    study: Study,
    means: pd.DataFrame,
    comparisons: pd.DataFrame,
    counts: pd.DataFrame,
    ablation: pd.DataFrame,
    limits: Sequence[str] = (),
    *,
    is_short: bool = False,
) -> Answer:
    """Say what the evidence shows: declared comparisons, changed factors, best method of each cell, missing trials.

    `means`, `comparisons`, `counts` and `ablation` as from the functions of these names in `analysis`; `ablation`
    without rows where there is none. `limits` are sentences that say what the answer was measured at, `is_short` says
    whether the lengths of the trainings are such a limit.
    """
    measured = means[means["n"] > 0]
    gaps = list(_gaps(counts))
    if measured.empty and not (comparisons["n"] > 0).any():
        searched = int(counts.loc[counts["phase"] == "search", "completed"].sum())
        opening = "The question is open: no confirm trial has been completed yet."
        sentences = [opening, f"The search has completed {plural(searched, 'trial')}.", *gaps]
        return Answer(" ".join(sentences), tuple(sentences))
    changes = list(_changes(ablation, brief=len(comparisons) > 0))
    compared = [] if comparisons.empty and changes else _compared(study, comparisons, measured)
    sentences = [*compared, *changes, *_best(measured, changed=bool(changes)), *limits, *gaps]
    evidence = [*_best_lines(measured), *_comparison_lines(comparisons)]
    opening = lead(comparisons["verdict"], is_short=is_short) if len(comparisons) else ""
    lines = [*filter(None, [opening]), *_in_short(comparisons), *changes, *evidence, *limits, *gaps]
    return Answer(" ".join(sentences), tuple(lines), opening, _seeds(comparisons))


def lead(verdicts: pd.Series, *, is_short: bool) -> str:
    """Answer in a word or a few, from the verdicts of the declared comparisons.

    `is_short`: the trainings were short, or still improve, so that what was not found may be found at other lengths.
    """
    small = verdicts.str.contains("smaller than")
    better, worse = (verdicts.str.startswith(way) & ~small for way in ("better", "worse"))
    if better.all():
        return "Yes."
    if better.any():
        return "It depends." if worse.any() else "Yes, in part."
    if verdicts.str.endswith("too few seeds").all():
        return "Not to be said: too few seeds."
    if is_short:
        return "Not at these lengths."
    if worse.any():
        return "No."
    return "No: what there is, is too small." if small.all() else "Not shown."


def _seeds(comparisons: pd.DataFrame) -> int | None:
    """Return how many seeds are likely to decide the comparisons that are open, if not more than `MOST_SEEDS`."""
    if comparisons.empty:
        return None
    open_ones = comparisons[~comparisons["verdict"].str.startswith(("better", "worse"))]
    for column in ("seeds_needed", "seeds_needed_seen"):
        needed = open_ones[column].replace(math.inf, math.nan).dropna()
        if len(needed) and open_ones["n"].max() < needed.max() <= MOST_SEEDS:
            return int(needed.max())
    return None


def _in_short(comparisons: pd.DataFrame) -> Iterator[str]:
    """Summarise all declared comparisons in one sentence, where there are several."""
    if len(comparisons) < 2:
        return
    better = int(comparisons["verdict"].str.startswith("better").sum())
    worse = int(comparisons["verdict"].str.startswith("worse").sum())
    family = f"{len(comparisons)} declared comparisons"
    looking = [(way, int(comparisons["verdict"].str.startswith(f"looks {way}").sum())) for way in ("better", "worse")]
    looks = "".join(f"; {number} {'looks' if number == 1 else 'look'} {way}" for way, number in looking if number)
    if comparisons["verdict"].str.endswith("too few seeds").all():
        yield f"The {family} cannot be decided, too few seeds{looks}."
    elif not better + worse:
        yield f"None of the {family} shows a difference{looks}."
    else:
        yield f"Of the {family}, {better or 'none'} shown better, {worse or 'none'} shown worse{looks}."


def _compared(study: Study, comparisons: pd.DataFrame, measured: pd.DataFrame) -> Iterator[str]:
    if comparisons.empty:
        if measured["method"].nunique() == 1:
            yield "There is one method, so nothing to compare."
        else:
            yield "The study declares no comparisons, so no difference was tested."
        return
    shown, looks = (comparisons["verdict"].str.startswith(way) for way in (("better", "worse"), "looks"))
    yield from _shown(comparisons[shown | looks], comparisons)
    for verdict, say in (("no difference shown", _not_shown), ("too few seeds", _too_few)):
        rows = comparisons[comparisons["verdict"] == verdict]
        if len(rows):
            yield say(rows, comparisons, study)


def _changes(ablation: pd.DataFrame, *, brief: bool) -> Iterator[str]:
    """Say what leaving the base configuration in one factor does; `brief`: beside comparisons, which come first."""
    if ablation.empty:
        return
    number = plural(len(ablation), "change of one setting", "changes of one setting")
    if ablation["verdict"].str.endswith("too few seeds").all():
        yield f"Too few seeds (n = {ablation['n'].max()}) for any of {number} to stand out."
        return
    found = ablation[ablation["verdict"].str.startswith(("better", "worse"))]
    if found.empty:
        half = ((ablation["high"] - ablation["low"]) / 2).median()
        typical = "" if math.isnan(half) else f"; a typical 95 % interval is ± {points(half).lstrip('+')} points"
        yield f"None of {number} stands out{typical}."
        return
    yield f"{len(found)} of {number} {'stands' if len(found) == 1 else 'stand'} out."
    if brief:
        return
    strongest = found.loc[found["difference"].abs().sort_values(ascending=False, kind="stable").index]
    for method, rows in strongest.groupby("method", sort=False):
        named = [
            f"{factor} = {level} ({extent_of(group['difference'], points)}){_where(group, ablation)}"
            for (factor, level), group in rows.groupby(["factor", "level"], sort=False)
        ]
        yield f"{method}, in points against its base: {listed(named)}."


def _shown(rows: pd.DataFrame, comparisons: pd.DataFrame) -> Iterator[str]:
    """Write one sentence per method, direction and place, over all its baselines there; what is shown comes first."""
    alike: dict[tuple[str, str, str], list[pd.DataFrame]] = {}
    in_order = rows.sort_values("verdict", key=lambda verdict: verdict.str.startswith("looks"), kind="stable")
    for (method, _, verdict), group in in_order.groupby(["method", "baseline", "verdict"], sort=False):
        alike.setdefault((str(method), str(verdict), _where(group, comparisons)), []).append(group)
    for (method, verdict, where), groups in list(alike.items())[:NAMED]:
        direction, _, limit = verdict.partition(", ")
        baselines = [
            f"{group['baseline'].iloc[0]} ({extent_of(group['difference'], points)} points)" for group in groups
        ]
        if direction.startswith("looks"):
            yield f"{method} {direction} than {listed(baselines)}{where}, but {_unproven(pd.concat(groups))}."
        else:
            yield f"{method} is {direction} than {listed(baselines)}{where}{', ' + limit if limit else ''}."
    if rest := sum(map(len, list(alike.values())[NAMED:])):
        yield f"{plural(rest, 'more comparison')} shown or likely to differ, in the table below."


def _unproven(rows: pd.DataFrame) -> str:
    """Say why what a difference looks like is not shown, and how many seeds would show it."""
    few = rows["verdict"].str.endswith("too few seeds").all()
    why = f"n = {extent_of(rows['n'], str)} seeds {'are too few to show it' if few else 'do not show it'}"
    needed = rows["seeds_needed_seen"][lambda seeds: seeds > rows["n"]].replace(math.inf, math.nan).dropna()
    if needed.empty:
        return f"{why} after correction"
    return f"{why} after correction; about {extent_of(needed, '{:,.0f}'.format)} would be needed"


def _not_shown(rows: pd.DataFrame, comparisons: pd.DataFrame, study: Study) -> str:
    needed = rows.loc[(rows["seeds_needed"] > rows["n"]) & (rows["seeds_needed"] < math.inf), "seeds_needed"]
    seeds = ""
    if len(needed):
        extent, have = extent_of(needed, "{:,.0f}".format), extent_of(rows["n"], str)
        seeds = f"; n = {extent} seeds would be needed for {study.smallest_difference:g} points, there are {have}"
    return f"No difference could be shown {_between(rows, comparisons)}{seeds}."


def _too_few(rows: pd.DataFrame, comparisons: pd.DataFrame, study: Study) -> str:
    if (rows["n"] == 0).all():
        return f"No seed has been completed by both methods yet {_between(rows, comparisons)}."
    if (rows["n"] <= 1).all():
        return f"There is a single seed, so no interval and no test {_between(rows, comparisons)}."
    return f"Too few seeds (n = {extent_of(rows['n'], str)}) to show any difference {_between(rows, comparisons)}."


def _between(rows: pd.DataFrame, comparisons: pd.DataFrame) -> str:
    """Name the comparisons as briefly as is clear."""
    if len(rows) == len(comparisons) > 1:
        return f"in any of the {len(rows)} declared comparisons"
    places: dict[str, list[str]] = {}
    groups = rows.groupby(["method", "baseline"], sort=False)
    for (method, baseline), group in groups:
        places.setdefault(_where(group, comparisons), []).append(f"between {method} and {baseline}")
    if groups.ngroups > NAMED:
        return f"in the other {plural(len(rows), 'comparison')}"
    return "; ".join(f"{', or '.join(pairs)}{',' * (len(pairs) > 1 and bool(at))}{at}" for at, pairs in places.items())


def _where(rows: pd.DataFrame, table: pd.DataFrame) -> str:
    """Name the cells of the rows and, with a design, their points; empty if these are all there are."""
    if "at" not in table or (table["at"] == "").all():
        return in_cells(rows, table)
    pair = ["method", "baseline"]
    own = table.merge(rows[pair].drop_duplicates(), on=pair)
    places: dict[str, list[pd.DataFrame]] = {}
    for cell, group in rows.groupby(CELL, sort=False):
        here = (own[CELL] == list(cell)).all(axis="columns")
        places.setdefault(_at(list(group["at"]), list(own.loc[here, "at"])), []).append(group)
    return " and".join(f"{at}{in_cells(pd.concat(groups), table)}" for at, groups in places.items())


def _at(points: Sequence[str], of: Sequence[str]) -> str:
    """Name some of the points of a design: by levels of its factors if these are exactly what they have in common."""
    if len(points) == len(of):
        return " at every point" if len(of) > 1 else ""
    found, every = ([settings(point) for point in some] for some in (points, of))
    chosen = {key: list(dict.fromkeys(levels.get(key, "") for levels in found)) for key in found[0]}
    telling = {key: levels for key, levels in chosen.items() if {one.get(key) for one in every} - set(levels)}
    covered = [levels for levels in every if all(levels.get(key) in telling[key] for key in telling)]
    if telling and len(covered) == len(found) and max(map(len, telling.values())) <= NAMED:
        return " at " + " and ".join(f"{key} = {' or '.join(levels)}" for key, levels in telling.items())
    return f" at {len(points)} of {len(of)} points of the design"


def in_cells(rows: pd.DataFrame, table: pd.DataFrame) -> str:
    """Name the cells of the rows; empty if the table has only one."""
    cells = table[CELL].drop_duplicates()
    if len(cells) == 1:
        return ""
    if len(rows[CELL].drop_duplicates()) == len(cells):
        return " at every size"
    return f" {_cells(rows, table['dataset'].nunique() == 1)}"


def extent_of(numbers: pd.Series, text: Callable[[Any], str]) -> str:
    """Write the lowest and the highest of some numbers, or the one if both read alike."""
    low, high = text(numbers.min()), text(numbers.max())
    return low if low == high else f"{low} to {high}"


def _best(measured: pd.DataFrame, *, changed: bool) -> Iterator[str]:
    if measured["method"].nunique() < 2:
        return
    best = measured.loc[measured.groupby(CELL, sort=False)["mean"].idxmax()]
    one_dataset = measured["dataset"].nunique() == 1
    parts = []
    for method, rows in best.groupby("method", sort=False):
        everywhere = len(rows) == len(best) > 1
        parts.append(f"for {method} {'throughout' if everywhere else _cells(rows, one_dataset)}")
    of_base = " of the base configurations" if changed else ""
    yield f"The mean{of_base} is highest {listed(parts)}."


def _gaps(counts: pd.DataFrame) -> Iterator[str]:
    outcomes = {"diverged": "diverged", "oom": "ran out of memory", "failed": "failed", "missing": "missing"}
    for phase, where in (("search", "of the search"), ("confirm", "to confirm, so not in the means")):
        total = counts.loc[counts["phase"] == phase, list(outcomes)].sum()
        lost = [f"{int(total[k]):,} {text}" for k, text in outcomes.items() if total[k] > 0]
        if lost:
            yield f"Trials {where}: {listed(lost)}."


def _best_lines(measured: pd.DataFrame) -> Iterator[str]:
    best = measured.loc[measured.groupby(CELL, sort=False)["mean"].idxmax()]
    for row in best.to_dict("records"):
        yield f"{row['dataset']} n={row['samples_per_class']}: best by mean {row['method']}, {_mean(row)}"


def _mean(row: Row) -> str:
    mean = f"{percent(row['mean'])} %"
    if math.isnan(row["low"]):
        return f"{mean}, {'one seed' if row['n'] == 1 else plural(row['n'], 'equal seed')}, no interval"
    limits = f"{percent(row['low'])} to {percent(row['high'])}"
    return f"{mean}, 95 % interval {limits}, {plural(row['n'], 'seed')}"


def _comparison_lines(comparisons: pd.DataFrame) -> Iterator[str]:
    for row in comparisons.to_dict("records"):
        pair = f"{row['dataset']} n={row['samples_per_class']}: {row['method']} − {row['baseline']}"
        pair += f" at {row['at']}" if row["at"] else ""
        if row["n"] == 0:
            yield f"{pair}: no seed that both completed"
            continue
        measured = f"{points(row['difference'])} points ({interval(row['low'], row['high'])})"
        tested = f", corrected {p_statement(row['p_holm'])}" if row["n"] > 1 else ""
        yield f"{pair}: {measured}{tested}, {row['verdict']}"


def _cells(rows: pd.DataFrame, one_dataset: bool) -> str:
    parts = []
    for dataset, group in rows.groupby("dataset", sort=False):
        sizes = listed([f"{size:,}" for size in group["samples_per_class"].unique()], most=6)
        parts.append(f"with {sizes} per class" + ("" if one_dataset else f" of {dataset}"))
    return listed(parts)
