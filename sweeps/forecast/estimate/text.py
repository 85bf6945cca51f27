"""The outline of a study as text."""

from typing import Any

from sweeps.forecast.estimate.detectable import detectable, sentence
from sweeps.forecast.estimate.stage_tree import in_words

WIDTH = 120
"""Columns where the output is no terminal."""
SHAPES = 4
"""So many shapes of a method's tree are told."""


def print_outline(facts: dict[str, Any]) -> None:
    """Everything, on stdout."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    console = console if console.is_terminal else Console(highlight=False, soft_wrap=True, width=WIDTH)
    console.print(f"{facts['study']}: {facts['question']}", markup=False)
    console.print(cost_table(facts))
    trees = told_trees(facts["rows"]) if facts["exact"] else []  # of a search each differs, and would be drawn
    for line in [*told_costs(facts), *trees, told_storage(facts["storage"])]:
        console.print(line, markup=False)
    for method, keys in facts["parameters"].items():
        if any(facts["parameters"].values()):
            console.print(f"{method} searches: {', '.join(keys) or 'nothing'}", markup=False)
    console.print(sentence(facts["evidence"]))
    if facts["evidence"]["comparisons"] or facts["exact"]:
        console.print(detectable(facts["evidence"]))


def cost_table(facts: dict[str, Any]) -> Any:
    """One line per method of a cell."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    designed = any(row["points"] > 1 for row in facts["rows"])
    counts = [*(["points"] if designed else []), "search", "confirm", "stage 1", "stage 2"]
    for name in ("data set", "n", "method", *counts, "TFLOP", "unshared", "saved", "of all"):
        table.add_column(name, justify="left" if name in ("data set", "method") else "right", no_wrap=True)
    for item in facts["rows"]:
        about = "" if "trials" in (facts["budget"] or {"trials": 0}) else "~"
        table.add_row(
            item["dataset"],
            str(item["samples_per_class"]),
            item["method"],
            *([str(item["points"])] if designed else []),
            f"{about}{item['search_trials']}",
            str(item["confirm_trials"]),
            str(item["stage_1"]),
            str(item["stage_2"]),
            figure(1000 * item["pflop"]),
            figure(1000 * item["pflop_unshared"]),
            f"{100 * item['saving']:.0f} %",
            f"{100 * item['pflop'] / facts['pflop']:.0f} %",
        )
    return table


def told_costs(facts: dict[str, Any]) -> list[str]:
    """Trials, trainings, operations and time in all."""
    slow, fast = facts["hours"]
    trainings = f"{facts['stage_1']} distinct trainings of stage 1 and {facts['stage_2']} of stage 2"
    less = "" if facts["exact"] else ", by settings drawn at random, less what early stopping saves"
    time = f"on the {facts['cores']} cores here roughly {span(fast, slow)}"
    if "predicted" in facts:
        time = (
            f"on the {facts['predicted']['slots']} slots here about {clock(facts['predicted']['seconds'])}, as probed"
        )
    return [
        f"In all {facts['trials']} trials: {trainings}. {figure(1000 * facts['pflop'])} TFLOP, unshared"
        f" {figure(1000 * facts['pflop_unshared'])} (sharing saves {100 * facts['saving']:.0f} %); {time}{less}.",
    ]


def told_trees(rows: list[dict[str, Any]]) -> list[str]:
    """For each method the stage-1 trainings, and what begins at their snapshots; methods alike in all sizes once."""
    told: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        lines = [line for shape in row["tree"][:SHAPES] for line in in_words(shape)]
        more = len(row["tree"]) - SHAPES
        lines += [f"and {more} other shapes"] if more > 0 else []
        told.setdefault(tuple(lines), []).append(f"{row['method']} ({row['samples_per_class']} per class)")
    return [line for lines, who in told.items() for line in (f"{', '.join(who)}:", *(f"  {one}" for one in lines))]


def told_storage(found: dict[str, int]) -> str:
    """What the snapshots take, in words."""
    if not found["snapshots"]:
        return "Snapshots: none is shared; each running trial keeps one for a crash."
    return (
        f"Snapshots: {found['snapshots']} for other trials, {size(found['written'])} written, at most"
        f" {size(found['peak'])} kept at a time by one worker; each further one may add {size(found['largest'])}."
    )


def figure(value: float) -> str:
    """A number to three digits, large ones in full."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def size(count: float) -> str:
    """Bytes in the unit that suits them."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def span(fast: float, slow: float) -> str:
    """Two times, or one where they look the same."""
    first, second = duration(fast), duration(slow)
    return first if first == second else f"{first} to {second}"


def duration(hours: float) -> str:
    """A rough time in the unit that suits it."""
    if hours < 1.5:
        return f"{max(1, round(60 * hours))} min"
    return f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} days"


def clock(seconds: float) -> str:
    """A predicted time: seconds count where it is short."""
    if seconds < 5400:
        return f"{int(seconds // 60)}:{int(seconds % 60):02d} min"
    return duration(seconds / 3600)
