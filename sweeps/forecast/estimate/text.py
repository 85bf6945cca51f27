"""The estimate of a study as text."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sweeps.forecast.estimate.costs import Estimate, MethodCost, hours
from sweeps.forecast.estimate.equal_work import EqualWork
from sweeps.forecast.estimate.limits import limit_lines
from sweeps.forecast.estimate.snapshot_usage import SnapshotUsage
from sweeps.study.readings import LENGTHS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

MARGIN = 2**0.5
"""By which the ends of the range that is told differ from what a probe says: a machine may have other work too."""
WIDTH = 120
"""Columns where the output is no terminal."""
EXPENDABLE = ("unshared", "saved", "of all", "stage 1", "stage 2")
"""Columns that a narrow terminal goes without, the first one first; the line below the table has their sums."""
MAX_READINGS = 8
"""KC values that are written out."""
MAX_TREES = 4
"""Trees of a method that are written out."""


def print_estimate(
    found: Estimate, *, images: Mapping[str, Sequence[str]] | None = None, predicted: float | None = None
) -> None:
    """Print an estimate on stdout, with the seconds that a simulation predicts for all of it, if there are any.

    `images`: what the data sets' folders hold, in sentences.
    """
    from rich.console import Console

    # A terminal gets lines that end between words, everything else lines that are whole.
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, soft_wrap=True, width=WIDTH)
    console.print(f"{found.study}: {found.question}", markup=False)
    for name, sentences in (images or {}).items():
        console.print(f"{name}: {' '.join(sentences)}", markup=False)
    console.print(cost_table(found, console))
    trees = tree_lines(found.rows) if found.exact else []  # those of a search are drawn, and all differ
    totals = [total_line(found, predicted), *remaining_lines(found, predicted)]
    for line in [*totals, *trees, snapshot_line(found.storage)]:
        console.print(line, markup=False)
    if not found.exact:
        for line in search_lines(found):
            console.print(line, markup=False)
    for line in [*limit_lines(found.lengths, found.searches), *equal_lines(found.equal_work)]:
        console.print(line, markup=False)
    console.print(found.detectable.sentence)
    if found.detectable.comparisons or found.exact:
        console.print(found.detectable.difference_sentence)


def cost_table(found: Estimate, console: "Console") -> "Table":
    """A rich table with one row per method of a cell; where it is too wide, without the columns that say least."""
    from rich.measure import Measurement

    cells, boundless = cost_columns(found), console.options.update(max_width=10_000)
    table = table_of(cells)
    for name in EXPENDABLE:
        if Measurement.get(console, boundless, table).maximum <= console.width:
            break
        cells.pop(name)
        table = table_of(cells)
    return table


def cost_columns(found: Estimate) -> dict[str, list[str]]:
    """The columns of the table of costs by their heads, the rows in the order of the plan."""
    rows = found.rows
    about = "~" if found.budget and "trials" not in found.budget else ""
    designed = any(row.points > 1 for row in rows)
    return {
        "data set": [row.dataset for row in rows],
        "n": [str(row.samples_per_class) for row in rows],
        "method": [row.method for row in rows],
        **({"points": [str(row.points) for row in rows]} if designed else {}),
        "search": [f"{about}{row.search_trials}" for row in rows],
        "confirm": [str(row.confirm_trials) for row in rows],
        "stage 1": [str(row.stage_1) for row in rows],
        "stage 2": [str(row.stage_2) for row in rows],
        "TFLOP": [figure(1000 * row.pflop) for row in rows],
        "unshared": [figure(1000 * row.pflop_unshared) for row in rows],
        "saved": [f"{100 * row.saving:.0f} %" for row in rows],
        "of all": [f"{100 * row.pflop / found.pflop:.0f} %" for row in rows],
    }


def table_of(columns: Mapping[str, Sequence[str]]) -> "Table":
    """A rich table of columns."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, justify="left" if name in ("data set", "method") else "right", no_wrap=True)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table


def total_line(found: Estimate, predicted: float | None) -> str:
    """Trials, trainings, operations and time of the whole study."""
    trainings = f"{found.stage_1} distinct trainings of stage 1 and {found.stage_2} of stage 2"
    drawn = "" if found.exact else ", by settings drawn at random, less what early stopping saves"
    time = f"on the {found.cores} cores here {time_of(found.pflop, found, predicted)}"
    return (
        f"In all {found.trials} trials: {trainings}. {figure(1000 * found.pflop)} TFLOP, unshared"
        f" {figure(1000 * found.pflop_unshared)} (sharing saves {100 * found.saving:.0f} %); {time}{drawn}."
    )


def remaining_lines(found: Estimate, predicted: float | None) -> list[str]:
    """What is left of a study that has run before."""
    left = found.remaining
    if left is None:
        return []
    if not left.trials:
        return ["All of these trials are done; `sweeps run` writes their report again."]
    time = time_of(left.pflop, found, predicted)
    return [
        f"{left.done} of these trials are done; {left.trials} are to go: {figure(1000 * left.pflop)} TFLOP, {time}."
    ]


def time_of(pflop: float, found: Estimate, predicted: float | None) -> str:
    """The time that operations of a study take here: as predicted for all of them, else by what cores do."""
    if predicted is None:
        slow, fast = hours(pflop, found.cores)
        return f"roughly {span(fast, slow)}"
    seconds = predicted * pflop / found.pflop
    return f"about {clock(seconds)}, as probed ({clock(seconds / MARGIN)} to {clock(seconds * MARGIN)})"


def tree_lines(rows: list[MethodCost]) -> list[str]:
    """The stage-1 trainings of each method and what begins at their snapshots; methods with equal trees together."""
    methods: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        lines = [line for tree in row.tree[:MAX_TREES] for line in tree.lines]
        more = len(row.tree) - MAX_TREES
        lines += [f"and {more} other shapes"] if more > 0 else []
        methods.setdefault(tuple(lines), []).append(f"{row.method} ({row.samples_per_class} per class)")
    return [line for lines, who in methods.items() for line in (f"{', '.join(who)}:", *(f"  {one}" for one in lines))]


def search_lines(found: Estimate) -> list[str]:
    """What each method samples, and what is read off one training at no cost beside its longest."""
    samples: dict[str, list[str]] = {}
    row: dict[str, list[str]] = {}
    for method, keys in found.parameters.items():
        samples.setdefault(", ".join(keys) or "nothing", []).append(method)
        for key, values in found.readings[method].items():
            shown = ", ".join(f"{value:g}" for value in values)
            many = f"{len(values)} values from {values[0]:g} to {values[-1]:g}"
            places = shown if len(values) <= MAX_READINGS else many
            row.setdefault(f"{key}, KC, is read off each training, at {places}", []).append(method)
        for key in keys:
            if key in LENGTHS:
                row.setdefault(f"{key}, KC, is sampled, as a schedule runs over it", []).append(method)
    lines = [f"{', '.join(methods)}: {keys} sampled." for keys, methods in samples.items()]
    for text, methods in row.items():
        whose = "" if methods == list(found.parameters) else f" ({', '.join(methods)})"
        lines.append(f"{text}{whose}.")
    return lines


def snapshot_line(usage: SnapshotUsage) -> str:
    """The snapshots' number and bytes."""
    if not usage.snapshots:
        return "Snapshots: none is shared; each running trial keeps one for a crash."
    return (
        f"Snapshots: {usage.snapshots} for other trials, {size(usage.written)} written, at most"
        f" {size(usage.peak)} kept at a time by one worker; each further one may add {size(usage.largest)}."
    )


def equal_lines(found: list[EqualWork]) -> list[str]:
    """The length at which each plain method has done the operations of a method with a GAN."""
    lengths: dict[str, dict[str, list[int]]] = {}
    for one in found:
        lengths.setdefault(one.baseline, {}).setdefault(one.method, []).append(round(one.epochs))
    lines = []
    for baseline, methods in lengths.items():
        spans: dict[str, list[str]] = {}
        for method, epochs in methods.items():
            to = f" to {max(epochs):,}" if len({*epochs}) > 1 else ""
            spans.setdefault(f"{min(epochs):,}{to}", []).append(method)
        text = ", ".join(f"{span} epochs ({', '.join(who)})" for span, who in spans.items())
        lines.append(f"{baseline} does as many operations as the costliest training with a GAN in {text}.")
    return lines


def figure(value: float) -> str:
    """A number with three digits, or all of them if it is large."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def size(count: float) -> str:
    """Bytes with a unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def span(fast: float, slow: float) -> str:
    """A range of times, in hours; one time where both look the same."""
    first, second = duration(fast), duration(slow)
    return first if first == second else f"{first} to {second}"


def duration(hours: float) -> str:
    """A rough time with a unit."""
    if hours < 1.5:
        return f"{max(1, round(60 * hours))} min"
    return f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} days"


def clock(seconds: float) -> str:
    """A predicted time; to the second where it is short."""
    if seconds < 5400:
        return f"{int(seconds // 60)}:{int(seconds % 60):02d} min"
    return duration(seconds / 3600)
