"""What a study would do and cost, before anything is spent: the facts behind `sweeps show`."""

import os
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from dagan.methods import METHODS
from sweeps.forecast.estimate.detectable import evidence
from sweeps.forecast.estimate.draft import Draft, drafts
from sweeps.forecast.estimate.snapshot_usage import Storage, storage
from sweeps.forecast.estimate.stage_tree import roots, shapes
from sweeps.planning.budget import FlopBudget
from sweeps.records.ledger import Entry
from sweeps.study.schema import Study

CORE_GFLOPS = (10, 100)
"""Float32 work that one CPU core does in a second, 1e9: from the smallest networks on a busy core to wide ones."""


def outline(study: Study, entries: Iterable[Entry] = ()) -> dict[str, Any]:
    """Trials, distinct trainings and cost per method of each cell, snapshots, and what the confirm seeds can show.

    Entries of a ledger say how much paired differences vary.
    """
    plan = list(drafts(study))
    rows, cores = costs(study, plan), len(os.sched_getaffinity(0))
    total = {key: sum(row[key] for row in rows) for key in ("trials", "stage_1", "stage_2", "pflop", "pflop_unshared")}
    return {
        "study": study.name,
        "question": study.question,
        "hash": study.hash,
        "exact": study.search.budget is None,
        "budget": study.search.budget.model_dump(exclude_none=True) if study.search.budget else None,
        "rows": rows,
        **total,
        "saving": saving(total),
        "cores": cores,
        "hours": [total["pflop"] * 1e6 / rate / cores / 3600 for rate in CORE_GFLOPS],
        "storage": vars(scaled(storage(plan, window=study.search.window), plan)),
        "parameters": {method: list(study.space(method)) for method in study.methods},
        "evidence": evidence(study, entries),
    }


def costs(study: Study, plan: list[Draft]) -> list[dict[str, Any]]:
    """One row per method of a cell, all points of the design together.

    What trials share is charged to the first of them in the plan, as `sweeps.planning.budget` does, whoever trains it.
    """
    account, rows, begun = FlopBudget(), [], set[str]()
    for (dataset, size, method), group in groupby(
        plan, key=lambda one: (one.cell.dataset.name, one.cell.samples_per_class, one.method)
    ):
        branches = list(group)
        shared = unshared = 0.0
        for branch in branches:
            for trial in branch.trials:
                weight = branch.scale if trial.phase == "search" else 1.0
                shared += weight * account.charge(trial)
                unshared += weight * FlopBudget().charge(trial)
        tree = roots(trial for branch in branches for trial in branch.trials)
        own = {prefix: root for prefix, root in tree.items() if prefix not in begun}
        begun |= {prefix for prefix, root in tree.items() if root.generates}
        scale = branches[0].scale
        search = sum(branch.search_trials for branch in branches)
        confirm = sum(len(branch.confirm) for branch in branches)
        rows.append(
            {
                "dataset": dataset,
                "samples_per_class": size,
                "method": method,
                "description": METHODS[method].description,
                "points": len(branches),
                "search_trials": search,
                "confirm_trials": confirm,
                "trials": search + confirm,
                "stage_1": round(scale * sum(root.generates for root in own.values())),
                "stage_2": round(scale * sum(root.branches for root in tree.values())),
                "tree": shapes(tree.values()),
                "pflop_per_trial": unshared / (search + confirm),
                "pflop": shared,
                "pflop_unshared": unshared,
                "saving": saving({"pflop": shared, "pflop_unshared": unshared}),
            }
        )
    return rows


def saving(cost: dict[str, Any]) -> float:
    """The share of operations that sharing saves, 0…1."""
    return 1 - cost["pflop"] / cost["pflop_unshared"] if cost["pflop_unshared"] else 0.0


def scaled(found: Storage, plan: list[Draft]) -> Storage:
    """What is written in all, where only a part of a long search was drafted."""
    drafted = sum(len(branch.trials) for branch in plan)
    planned = sum(branch.search_trials + len(branch.confirm) for branch in plan)
    if all(branch.scale == 1 for branch in plan):
        return found
    factor = planned / drafted
    return Storage(round(found.snapshots * factor), round(found.written * factor), found.peak, found.largest)
