"""A tiny real study, and a way to play a plan through without Ray."""

import copy
import random
from pathlib import Path
from typing import Any

from sweeps.ledger import Entry, Ledger
from sweeps.plan import Plan
from sweeps.study import Study
from sweeps.trial import Trial

TINY: dict[str, Any] = {
    "name": "tiny",
    "question": "Does it run?",
    "datasets": ["digits"],
    "samples_per_class": [5],
    "methods": ["c", "dagan_aug"],
    "compare": {"dagan_aug": ["c"]},
    "base": {"network": {"width": 0.25}, "gan": {"learning_rate": 2e-3}, "classifier": {"batch_size": 32}},
    "search": {
        "parameters": {
            "gan.feature_matching_weight": {"distribution": "log_uniform_values", "min": 0.05, "max": 5.0},
            "gan.iterations": {"values": [20, 40]},
            "classifier.iterations": {"values": [40, 80]},
            "classifier.learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 3e-3},
        },
        "budget": {"trials": 5},
        "window": 2,
        "early_stopping": {"type": "hyperband", "min_iter": 20, "eta": 2},
    },
    "confirm": {"seeds": 3},
    "report_every": 20,
}


def tiny(**changes: Any) -> dict[str, Any]:
    """The tiny study with some keys, dotted ones with `__` for the dot, set to other values."""
    tree = copy.deepcopy(TINY)
    for key, value in changes.items():
        branch = tree
        *parents, leaf = key.split("__")
        for parent in parents:
            branch = branch[parent]
        branch[leaf] = value
    return tree


def plain(**changes: Any) -> dict[str, Any]:
    """The tiny study of the plain classifier alone."""
    tree = tiny(**({"methods": ["c"], "compare": {}} | changes))
    del tree["base"]["gan"]
    parameters = tree["search"]["parameters"]
    tree["search"]["parameters"] = {key: value for key, value in parameters.items() if not key.startswith("gan")}
    return tree


def accuracy_of(trial: Trial, iteration: int) -> float:
    """A stand-in for training: an accuracy that hangs on the config and the iteration alone."""
    luck = random.Random(trial.signature)
    return round(0.5 + 0.4 * luck.random() * iteration / (iteration + 20), 6)


def played_entry(plan: Plan, trial: Trial) -> Entry:
    """How the stand-in training of a trial ends, early stopping included."""
    total = trial.config.classifier.iterations
    curve: list[dict[str, Any]] = []
    status = "completed"
    for iteration in range(20, total + 1, 20):
        value = accuracy_of(trial, iteration) if trial.phase == "search" else None
        curve.append({"stage": "classification", "iteration": iteration, "validation_accuracy": value, "losses": {}})
        if value is not None and plan.stops(trial, iteration, value):
            status = "stopped"
            break
    return Entry(
        **trial.identity(plan.study.name),
        status=status,
        validation_accuracy=curve[-1]["validation_accuracy"],
        test_accuracy=accuracy_of(trial, total) if trial.phase == "confirm" else None,
        iterations=curve[-1]["iteration"],
        pflop=1e-3,
        pflop_unshared=1e-3,
        wall_seconds=1.0,
        provenance={},
        curve=curve,
    )


def play(study: Study, folder: Path, *, workers: int, luck: random.Random, kill_after: int | None = None) -> Plan:
    """Run a plan with the stand-in training: trials end in a random order; `kill_after` so many ends it drops dead."""
    plan = Plan(study, Ledger(folder))
    running: list[Trial] = []
    ended = 0
    while not plan.finished:
        while len(running) < workers and (trial := plan.next()):
            plan.begin(trial)
            running.append(trial)
        assert running, "trials are left, but none could start"
        trial = running.pop(luck.randrange(len(running)))
        plan.record(trial, played_entry(plan, trial))
        ended += 1
        if ended == kill_after:
            break
    return plan


def numbers(folder: Path) -> dict[str, tuple[Any, ...]]:
    """What a ledger says of each trial, without what may differ between runs."""
    return {
        entry.signature: (
            entry.phase,
            entry.method,
            entry.samples_per_class,
            entry.seed,
            entry.trial,
            entry.status,
            entry.validation_accuracy,
            entry.test_accuracy,
            entry.iterations,
            entry.pflop,
            tuple((p["stage"], p["iteration"], p["validation_accuracy"], *p["losses"].values()) for p in entry.curve),
        )
        for entry in Ledger(folder).entries.values()
    }
