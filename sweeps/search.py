"""The search of one method in one cell: suggestions by Optuna, early stopping, and the choice of the best.

Decisions repeat (DESIGN §4.6). Suggestion i is asked for when suggestions up to i − w have ended, and Optuna is told
of exactly these, in the order of their numbers, however many more are done by then. A trial of suggestion i is
compared at a rung with its predecessors up to i − w, whose values are thus all known before it starts. So the outcome
hangs on the study file alone, not on how many workers there were, who finished first, or what was killed on the way.
"""

import hashlib
import logging
import math
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from dagan.config import is_whole
from dagan.trees import flatten
from sweeps.ledger import Entry
from sweeps.space import Parameter
from sweeps.study import Cell, Study
from sweeps.trial import Trial

STARTUP = 4
"""Suggestions drawn at random before the sampler models what it has seen."""

logging.getLogger("optuna").setLevel(logging.WARNING)


@dataclass
class Suggestion:
    """One setting of the searched parameters, tried with each search seed."""

    number: int
    settings: dict[str, Any]
    trials: list[Trial]
    entries: dict[int, Entry] = field(default_factory=dict)
    """By seed."""

    @property
    def finished(self) -> bool:
        """Whether every seed has ended, however."""
        return len(self.entries) == len(self.trials)

    @property
    def score(self) -> float | None:
        """Mean validation accuracy over the seeds; None unless all of them completed."""
        values = [entry.validation_accuracy for entry in self.entries.values() if entry.status == "completed"]
        known = [value for value in values if value is not None]
        return math.fsum(known) / len(known) if len(known) == len(self.trials) else None


class MethodSearch:
    """All suggestions of one method in one cell."""

    def __init__(self, study: Study, cell: Cell, method: str) -> None:
        self.study, self.cell, self.method = study, cell, method
        self.space = study.space(method)
        # A method without searched settings needs no search: its only setting is the base.
        budget = study.search.budget.trials // len(study.search_seeds)
        self.planned = budget if self.space else 1
        self.suggestions: list[Suggestion] = []
        self._optuna = optuna.create_study(direction="maximize", sampler=self._sampler())
        self._asked: list[optuna.trial.Trial] = []
        self._told = 0
        first = {key: flat for key, flat in self._base().items() if fits(key, self.space[key], flat)}
        self._optuna.enqueue_trial(first)

    def _sampler(self) -> optuna.samplers.BaseSampler:
        key = f"{self.study.seed}/{self.cell.dataset.name}/{self.cell.samples_per_class}/{self.method}"
        seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP, constant_liar=True)

    def _base(self) -> dict[str, Any]:
        """The searched settings as the defaults have them: what suggestion 0 tries."""
        config = self.study.config(self.cell, self.method, seed=0, phase="search")
        flat = flatten(config.model_dump(mode="json"))
        return {key: flat[key] for key in self.space}

    @property
    def finished(self) -> bool:
        """Whether every planned suggestion has ended."""
        return len(self.suggestions) == self.planned and all(item.finished for item in self.suggestions)

    @property
    def best(self) -> Suggestion | None:
        """The suggestion with the highest mean validation accuracy, the first of equals; None if none completed."""
        scored = [item for item in self.suggestions if item.score is not None]
        return max(scored, key=lambda item: (item.score or 0.0, -item.number), default=None)

    def advance(self) -> list[Trial]:
        """The trials that may start now and were not handed out before."""
        trials: list[Trial] = []
        while len(self.suggestions) < self.planned and self._known(len(self.suggestions)):
            trials += self._suggest().trials
        return trials

    def record(self, trial: Trial, entry: Entry) -> None:
        """Note how a trial ended."""
        self.suggestions[trial.number].entries[trial.seed] = entry

    def stops(self, trial: Trial, iteration: int, accuracy: float) -> bool:
        """Whether a trial ends at this rung: it is not among the best 1/eta of itself and its predecessors there.

        A rung decides nothing before eta trials have reached it. Only trials with the same seed are compared.
        """
        rule = self.study.search.early_stopping
        if rule is None or iteration not in trial.rungs:
            return False
        predecessors = self.suggestions[: max(0, trial.number - self.study.search.window + 1)]
        values = [
            value
            for item in predecessors
            if (entry := item.entries.get(trial.seed)) and (value := accuracy_at(entry, iteration)) is not None
        ]
        if len(values) + 1 < rule.eta:
            return False
        better = sum(value > accuracy for value in values)
        return better >= math.ceil((len(values) + 1) / rule.eta)

    def accepts(self, trial: Trial, entry: Entry) -> bool:
        """Whether an entry of the ledger still holds: one that was stopped early, while the rule stops it there."""
        if entry.status != "stopped":
            return True
        last = entry.curve[-1] if entry.curve else {}
        accuracy = last.get("validation_accuracy")
        return accuracy is not None and self.stops(trial, last["iteration"], accuracy)

    def _known(self, number: int) -> bool:
        """Whether suggestion `number` may be asked for: all up to `number` − w have ended."""
        return all(item.finished for item in self.suggestions[: max(0, number - self.study.search.window + 1)])

    def _suggest(self) -> Suggestion:
        number = len(self.suggestions)
        for item in self.suggestions[self._told : max(0, number - self.study.search.window + 1)]:
            self._tell(item)
        asked = self._optuna.ask({key: distribution(key, value) for key, value in self.space.items()})
        self._asked.append(asked)
        settings = dict(asked.params)
        trials = []
        for seed in self.study.search_seeds:
            config = self.study.config(self.cell, self.method, seed=seed, phase="search", settings=settings)
            rungs = tuple(self.study.rungs(config))
            trials.append(Trial(self.cell, self.method, "search", number, config, rungs))
        suggestion = Suggestion(number, settings, trials)
        self.suggestions.append(suggestion)
        return suggestion

    def _tell(self, item: Suggestion) -> None:
        asked = self._asked[item.number]
        if item.score is not None:
            self._optuna.tell(asked, item.score)
        elif any(entry.status == "stopped" for entry in item.entries.values()):
            reached = [entry.curve[-1] for entry in item.entries.values() if entry.curve]
            values = [point["validation_accuracy"] for point in reached if point["validation_accuracy"] is not None]
            if values:
                asked.report(math.fsum(values) / len(values), min(point["iteration"] for point in reached))
            self._optuna.tell(asked, state=optuna.trial.TrialState.PRUNED)
        else:
            self._optuna.tell(asked, state=optuna.trial.TrialState.FAIL)
        self._told += 1


def accuracy_at(entry: Entry, iteration: int) -> float | None:
    """Validation accuracy of a trial at a stage-2 iteration; None where it did not get there."""
    for point in entry.curve:
        if point["stage"] == "classification" and point["iteration"] == iteration:
            value: float | None = point["validation_accuracy"]
            return value
    return None


def distribution(key: str, parameter: Parameter) -> BaseDistribution:
    """A parameter of the study file as Optuna says it."""
    if parameter.kind in ("categorical", "constant"):
        return CategoricalDistribution(parameter.extremes)
    assert parameter.min is not None
    assert parameter.max is not None
    if parameter.kind == "int_uniform" or is_whole(key):
        low, high, step = int(parameter.min), int(parameter.max), int(parameter.q or 1)
        return IntDistribution(low, high, log=parameter.logarithmic, step=step)
    return FloatDistribution(parameter.min, parameter.max, log=parameter.logarithmic, step=parameter.q)


def fits(key: str, parameter: Parameter, value: Any) -> bool:
    """Whether a value could have been suggested."""
    found = distribution(key, parameter)
    try:
        return bool(found._contains(found.to_internal_repr(value)))
    except (TypeError, ValueError):
        return False
