"""A tiny real study, and a way to play a plan through without Ray."""

import copy
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagan.stages import stages_of
from sweeps.planning.budget import pflop_between
from sweeps.planning.early_stopping import accuracies, level_at
from sweeps.planning.plan import Plan
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry, Ledger
from sweeps.records.snapshot_store import SnapshotKey
from sweeps.study.schema import Study

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
    rng = random.Random(trial.signature)
    return round(0.5 + 0.4 * rng.random() * iteration / (iteration + 20), 6)


def played_entry(plan: Plan, trial: Trial) -> Entry:
    """How the stand-in training of a trial ends, early stopping included."""
    total = trial.config.classifier.iterations
    curve: list[dict[str, Any]] = []
    status = "completed"
    for iteration in range(20, total + 1, 20):
        value = accuracy_of(trial, iteration) if trial.phase == "search" else None
        curve.append({"stage": "classification", "iteration": iteration, "validation_accuracy": value, "losses": {}})
        level = level_at(curve, iteration, trial.readings)
        if level is not None and plan.stops(trial, iteration, level):
            status = "stopped"
            break
    return Entry(
        **trial.identity(plan.study.name),
        status=status,
        validation_accuracy=curve[-1]["validation_accuracy"],
        test_accuracy=accuracy_of(trial, total) if trial.phase == "confirm" else None,
        iterations=(trial.config.gan.iterations if trial.config.gan else 0) + curve[-1]["iteration"],
        pflop=1e-3,
        pflop_unshared=1e-3,
        wall_seconds=1.0,
        provenance={},
        readings=accuracies(curve, trial.readings),
        curve=curve,
    )


def play(study: Study, folder: Path, *, workers: int, rng: random.Random, kill_after: int | None = None) -> Plan:
    """Run a plan with the stand-in training: trials end in a random order; `kill_after` so many ends it drops dead."""
    plan = Plan(study, Ledger(folder))
    running: list[Trial] = []
    ended = 0
    while not plan.finished:
        while len(running) < workers and (trial := plan.next()):
            plan.start(trial)
            running.append(trial)
        assert running, "trials are left, but none could start"
        trial = running.pop(rng.randrange(len(running)))
        plan.record(trial, played_entry(plan, trial))
        ended += 1
        if ended == kill_after:
            break
    return plan


class Unwritten(Ledger):
    """A ledger in memory."""

    def __init__(self) -> None:
        super().__init__(Path("nowhere"))

    def write(self, entry: Entry) -> None:
        """Note it."""
        self._add(entry)


@dataclass
class Run:
    """A trial that runs."""

    trial: Trial
    at: tuple[int, int]
    """Stage and iteration."""
    checkpoints: list[tuple[int, int]]


class Player:
    """Workers that train as they are told, in random order, with accidents."""

    def __init__(self, plan: Plan, rng: random.Random, *, workers: int, accidents: float = 0.0) -> None:
        """`accidents`: how likely a worker is lost, a trial diverges or a snapshot goes, at every step."""
        self.plan, self.rng, self.workers, self.accidents = plan, rng, workers, accidents
        self.kept: set[SnapshotKey] = set()
        self.running: list[Run] = []
        self.lost: list[Trial] = []
        self.trained: Counter[tuple[str, int]] = Counter()
        """How often each iteration was trained, by stage key."""
        self.work = 0.0

    def play(self) -> "Player":
        """To the end; there is one."""
        for _ in range(100_000):
            if self.plan.finished:
                return self
            while len(self.running) < self.workers and self.start():
                pass
            assert self.running, "trials are left, but none could start"
            run = self.rng.choice(self.running)
            if self.rng.random() < self.accidents:
                self.rng.choice([self.lose, self.fail, self.remove])(run)
            else:
                self.go_on(run)
        raise AssertionError("no end")

    def start(self) -> bool:
        """The next trial, from the furthest of its snapshots that is there."""
        trial = self.lost.pop() if self.lost else self.plan.next()
        if trial is None:
            return False
        start = self.plan.start(trial)
        ends = self.plan.sharing.ends(trial)
        at = (0, 0)
        for key in start.snapshots:
            (end,) = (end for end in ends if end.stage_key == key.stage_key)
            assert key.iteration <= end.iteration, "beyond its own end"
            if key in self.kept:
                at = (ends.index(end), key.iteration)
                break
        checkpoints = [(stage, iteration) for stage, found in enumerate(start.checkpoints) for iteration in found]
        self.running.append(Run(trial, at, sorted(one for one in checkpoints if one > at)))
        return True

    def go_on(self, run: Run) -> None:
        """To the next checkpoint, or to the end."""
        if run.checkpoints:
            self.train(run, run.checkpoints.pop(0))
            self.keep(run)
            if self.accidents and self.rng.random() < 0.3:
                self.keep(run)
        else:
            self.train(run, (len(run.trial.stage_ends) - 1, run.trial.stage_ends[-1].iteration))
            self.end(run)

    def train(self, run: Run, goal: tuple[int, int]) -> None:
        """Count each iteration."""
        ends = [end.iteration for end in run.trial.stage_ends]
        stages = stages_of(run.trial.config)
        while run.at < goal:
            stage, iteration = run.at
            until = goal[1] if stage == goal[0] else ends[stage]
            self.trained.update((run.trial.stage_ends[stage].stage_key, step) for step in range(iteration, until))
            self.work += pflop_between(run.trial.config, stages[stage], iteration, until)
            run.at = (stage, until) if stage == goal[0] else (stage + 1, 0)

    def keep(self, run: Run) -> None:
        """Leave a snapshot."""
        key = SnapshotKey(run.trial.stage_ends[run.at[0]].stage_key, run.at[1])
        self.kept.add(key)
        self.kept -= set(self.plan.written(run.trial, key, self.rng.randint(1, 10)))
        assert self.plan.sharing.bytes <= self.plan.sharing.limit

    def end(self, run: Run, status: str = "") -> None:
        """With an entry; what nobody needs is removed."""
        self.running.remove(run)
        entry = played_entry(self.plan, run.trial)
        if status:
            entry = entry.model_copy(update={"status": status})
        self.kept -= set(self.plan.record(run.trial, entry))

    def fail(self, run: Run) -> None:
        """Before its time: others have to do without what it was to leave."""
        self.end(run, "diverged")

    def lose(self, run: Run) -> None:
        """With its worker; it starts again."""
        self.running.remove(run)
        self.lost.append(run.trial)

    def remove(self, _: Run) -> None:
        """A snapshot is damaged, or somebody has removed it."""
        if self.kept:
            self.kept.remove(self.rng.choice(sorted(self.kept)))


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
