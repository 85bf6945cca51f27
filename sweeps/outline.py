"""What a study would do and cost, before anything is spent: `sweeps show`."""

import os
import random
from typing import Any

from dagan.architecture import pflop
from dagan.config import is_whole
from dagan.methods import METHODS
from sweeps.study import Cell, Study

DRAWS = 64
"""Settings drawn per method to estimate the mean cost of a trial."""


CORE_GFLOPS = (10, 100)
"""Float32 work that one CPU core does in a second, 1e9: from the smallest networks on a busy core to wide ones."""


def outline(study: Study) -> dict[str, Any]:
    """Trials and cost per method of each cell, and what the confirm seeds can show."""
    rows = [row(study, cell, method) for cell in study.cells for method in study.methods]
    pflops, cores = sum(item["pflop"] for item in rows), len(os.sched_getaffinity(0))
    return {
        "study": study.name,
        "question": study.question,
        "hash": study.hash,
        "rows": rows,
        "trials": sum(item["search_trials"] + item["confirm_trials"] for item in rows),
        "pflop": pflops,
        "cores": cores,
        "hours": [pflops * 1e6 / rate / cores / 3600 for rate in CORE_GFLOPS],
        "parameters": {method: list(study.space(method)) for method in study.methods},
        "evidence": evidence(study),
    }


def row(study: Study, cell: Cell, method: str) -> dict[str, Any]:
    """One method of one cell. The cost is the mean over settings drawn at random from the search space."""
    luck = random.Random(study.seed)
    space = study.space(method)
    search = 0
    if budget := study.search.budget:
        search = (budget.trials or 0) if space else len(study.search_seeds)
    costs = []
    for _ in range(DRAWS if space else 1):
        settings = {key: value.draw(luck, whole=is_whole(key)) for key, value in space.items()}
        config = study.config(cell, method, seed=0, phase="search", settings=settings)
        kg = config.gan.iterations if config.gan else 0
        costs.append(
            pflop(config, stage="generation", iterations=kg)
            + pflop(config, stage="classification", iterations=config.classifier.iterations)
        )
    confirm = len(study.confirm_seeds)
    return {
        "dataset": cell.dataset.name,
        "samples_per_class": cell.samples_per_class,
        "method": method,
        "description": METHODS[method].description,
        "search_trials": search,
        "confirm_trials": confirm,
        "pflop_per_trial": sum(costs) / len(costs),
        "pflop": sum(costs) / len(costs) * (search + confirm),
    }


def evidence(study: Study) -> dict[str, Any]:
    """What the declared comparisons can reach with the planned seeds.

    The exact sign-flip test of n paired seeds cannot give a p below 2/2^n; Holm multiplies the smallest of m by m.
    """
    seeds = len(study.confirm_seeds)
    comparisons = sum(len(baselines) for baselines in study.compare.values()) * len(study.cells)
    needed = 1
    while comparisons and comparisons * 2 / 2**needed >= 0.05:
        needed += 1
    return {
        "confirm_seeds": seeds,
        "comparisons": comparisons,
        "smallest_p": 2 / 2**seeds,
        "seeds_needed": needed,
        "enough": seeds >= needed,
    }


def print_outline(facts: dict[str, Any]) -> None:
    """The outline as text."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{facts['study']}: {facts['question']}", markup=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("data set", "per class", "method", "search", "confirm", "TFLOP per trial", "share of cost"):
        named = name in ("data set", "method")
        table.add_column(name, justify="left" if named else "right", no_wrap=named)
    for item in facts["rows"]:
        table.add_row(
            item["dataset"],
            str(item["samples_per_class"]),
            item["method"],
            str(item["search_trials"]),
            str(item["confirm_trials"]),
            f"{1000 * item['pflop_per_trial']:.3g}",
            f"{100 * item['pflop'] / facts['pflop']:.0f} %",
        )
    console.print(table)
    slow, fast = facts["hours"]
    console.print(
        f"In all {facts['trials']} trials and {1000 * facts['pflop']:.3g} TFLOP; on the {facts['cores']} cores here"
        f" roughly {span(fast, slow)}, less what early stopping saves."
    )
    for method, keys in facts["parameters"].items():
        console.print(f"{method} searches: {', '.join(keys) or 'nothing'}", markup=False)
    console.print(sentence(facts["evidence"]))


def sentence(found: dict[str, Any]) -> str:
    """What the planned seeds can show, in words."""
    if not found["comparisons"]:
        return "No comparisons are declared (`compare:`), so the report will test none."
    start = f"Confirm seeds: {found['confirm_seeds']}; declared comparisons: {found['comparisons']}; "
    if found["enough"]:
        return start + f"the smallest p that the exact test can give is {found['smallest_p']:.2g}, enough after Holm."
    return (
        start + f"the smallest p that the exact test can give is {found['smallest_p']:.2g}. That cannot pass Holm's"
        f" correction at 0.05, whatever is measured; {found['seeds_needed']} seeds could."
    )


def span(fast: float, slow: float) -> str:
    """Two times, or one where they look the same."""
    first, second = duration(fast), duration(slow)
    return first if first == second else f"{first} to {second}"


def duration(hours: float) -> str:
    """A rough time in the unit that suits it."""
    if hours < 1.5:
        return f"{max(1, round(60 * hours))} min"
    return f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} days"
