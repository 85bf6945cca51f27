"""Trials, distinct trainings and counted operations of a study, before any of it is spent."""

import os
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from dagan.methods import METHODS
from sweeps.forecast.estimate.detectable import Detectable, detectable
from sweeps.forecast.estimate.draft import Draft, drafts
from sweeps.forecast.estimate.equal_work import EqualWork, equal_work
from sweeps.forecast.estimate.limits import SearchSize, StageLength, search_sizes, stage_lengths
from sweeps.forecast.estimate.remaining import Remaining, remaining
from sweeps.forecast.estimate.snapshot_usage import SnapshotUsage, snapshot_usage
from sweeps.forecast.estimate.stage_tree import Tree, roots, trees
from sweeps.planning.budget import FlopBudget
from sweeps.records.ledger import Ledger
from sweeps.study.readings import readings, sampled
from sweeps.study.schema import Study

CORE_GFLOPS = (10, 100)
"""Float32 operations of one CPU core per second, 1e9: from the smallest networks on a busy core to wide ones."""


@dataclass(frozen=True)
class MethodCost:
    """Trials and cost of one method in one cell, all points of the design together."""

    dataset: str
    samples_per_class: int
    method: str
    description: str
    points: int
    search_trials: int
    confirm_trials: int
    trials: int
    stage_1: int
    """Distinct trainings of stage 1 that no earlier row counts."""
    stage_2: int
    tree: list[Tree]
    pflop_per_trial: float
    pflop: float
    """What trials share is charged to the first of them in the plan, whoever trains it."""
    pflop_unshared: float
    saving: float
    """Share of operations that sharing saves."""


@dataclass(frozen=True)
class Estimate:
    """What a study would do and cost, and what its confirm seeds can show."""

    study: str
    question: str
    hash: str
    exact: bool
    """Whether nothing is searched, so that nothing had to be drawn."""
    budget: dict[str, Any] | None
    rows: list[MethodCost]
    trials: int
    stage_1: int
    stage_2: int
    pflop: float
    pflop_unshared: float
    saving: float
    cores: int
    hours: list[float]
    """Hours on this machine's cores, at both of CORE_GFLOPS."""
    remaining: Remaining | None
    """What is left, where a part is done."""
    storage: SnapshotUsage
    parameters: dict[str, list[str]]
    """Sampled settings of each method."""
    readings: dict[str, dict[str, list[Any]]]
    """Of each method the setting that is read off one training, with its values; nothing where KC is not."""
    equal_work: list[EqualWork]
    lengths: list[StageLength]
    searches: list[SearchSize]
    detectable: Detectable


def estimate(study: Study, ledger: Ledger | None = None) -> Estimate:
    """Estimate a study from a draft of its plan.

    Where it has run already, its ledger says what is left, and how much paired differences vary.
    """
    plan, ledger = list(drafts(study)), ledger or Ledger(None)
    rows, cores = costs(plan), len(os.sched_getaffinity(0))
    pflop, unshared = sum(row.pflop for row in rows), sum(row.pflop_unshared for row in rows)
    first, *_ = study.cells  # in the others the same values, other iterations where they are epochs
    read_off = {method: readings(study, first, method, study.points(first, method)[0]) for method in study.methods}
    return Estimate(
        study=study.name,
        question=study.question,
        hash=study.hash,
        exact=study.search.budget is None,
        budget=study.search.budget.model_dump(exclude_none=True) if study.search.budget else None,
        rows=rows,
        trials=sum(row.trials for row in rows),
        stage_1=sum(row.stage_1 for row in rows),
        stage_2=sum(row.stage_2 for row in rows),
        pflop=pflop,
        pflop_unshared=unshared,
        saving=saving(pflop, unshared),
        cores=cores,
        hours=hours(pflop, cores),
        remaining=remaining(study, plan, ledger),
        storage=scaled(snapshot_usage(plan, window=study.search.window), plan),
        parameters={method: list(sampled(study, method, row)) for method, row in read_off.items()},
        readings={
            method: {row.key: list(row.values.values())} if row.values else {} for method, row in read_off.items()
        },
        equal_work=equal_work(study),
        lengths=stage_lengths(study),
        searches=search_sizes(study),
        detectable=detectable(study, ledger.entries.values()),
    )


def hours(pflop: float, cores: int) -> list[float]:
    """Hours that operations take on so many cores, the slow and the fast."""
    return [pflop * 1e6 / rate / cores / 3600 for rate in CORE_GFLOPS]


def costs(plan: list[Draft]) -> list[MethodCost]:
    """The cost of each method of a cell, in the order of the plan."""
    budget, begun = FlopBudget(), set[str]()
    groups = groupby(plan, key=lambda draft: (draft.cell.dataset.name, draft.cell.samples_per_class, draft.method))
    return [method_cost(list(branches), budget, begun) for _, branches in groups]


def method_cost(branches: list[Draft], budget: FlopBudget, begun: set[str]) -> MethodCost:
    """The cost of one method in one cell; what is charged, and which stage 1 have begun, carries over to the next."""
    first = branches[0]
    shared = unshared = 0.0
    for branch in branches:
        for trial in branch.trials:
            weight = branch.scale if trial.phase == "search" else 1.0
            shared += weight * budget.charge(trial)
            unshared += weight * FlopBudget().charge(trial)
    tree = roots(trial for branch in branches for trial in branch.trials)
    generating = {key for key, root in tree.items() if root.generates}
    search = sum(branch.search_trials for branch in branches)
    confirm = sum(len(branch.confirm) for branch in branches)
    row = MethodCost(
        dataset=first.cell.dataset.name,
        samples_per_class=first.cell.samples_per_class,
        method=first.method,
        description=METHODS[first.method].description,
        points=len(branches),
        search_trials=search,
        confirm_trials=confirm,
        trials=search + confirm,
        stage_1=round(first.scale * len(generating - begun)),
        stage_2=round(first.scale * sum(root.branches for root in tree.values())),
        tree=trees(tree.values()),
        pflop_per_trial=unshared / (search + confirm),
        pflop=shared,
        pflop_unshared=unshared,
        saving=saving(shared, unshared),
    )
    begun |= generating
    return row


def saving(shared: float, unshared: float) -> float:
    """The share of operations that sharing saves, 0…1."""
    return 1 - shared / unshared if unshared else 0.0


def scaled(usage: SnapshotUsage, plan: list[Draft]) -> SnapshotUsage:
    """Extrapolate what is written to the whole plan, where only a part of a long search was drafted."""
    drafted = sum(len(branch.trials) for branch in plan)
    planned = sum(branch.search_trials + len(branch.confirm) for branch in plan)
    if all(branch.scale == 1 for branch in plan):
        return usage
    factor = planned / drafted
    return SnapshotUsage(round(usage.snapshots * factor), round(usage.written * factor), usage.peak, usage.largest)
