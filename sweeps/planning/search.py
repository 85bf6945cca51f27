"""The search of one method in one cell: suggestions by Optuna, early stopping, and the choice of the best.

Decisions repeat (DESIGN §4.6). Suggestion i is asked for when suggestions up to i − w have ended, and Optuna is told
of exactly these, in the order of their numbers, however many more are done by then. A trial of suggestion i is
compared at a rung with its predecessors up to i − w, whose values are thus all known before it starts. So the outcome
hangs on the study file alone, not on how many workers there were, who finished first, or what was killed on the way.
Each suggestion has luck of its own, so one that the ledger knows is taken from there, not asked for again; a study
that is finished asks Optuna nothing.
"""

import hashlib
import logging
import math
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState

from dagan.config import Config, digest_of
from dagan.nested import flatten
from dagan.stage_key import affects_stage_1
from sweeps.planning.budget import Account
from sweeps.planning.distributions import distribution, fits
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry, Ledger
from sweeps.records.snapshot_store import Key
from sweeps.study.design import Point
from sweeps.study.schema import REPEATED, Cell, Study

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

    def record(self, entry: Entry) -> None:
        """Note how a seed ended."""
        self.entries[entry.seed] = entry
        vars(self).pop("score", None)

    @property
    def finished(self) -> bool:
        """Whether every seed has ended, however."""
        return len(self.entries) == len(self.trials)

    @cached_property
    def score(self) -> float | None:
        """Mean validation accuracy over the seeds; None unless all of them completed."""
        values = [entry.validation_accuracy for entry in self.entries.values() if entry.status == "completed"]
        known = [value for value in values if value is not None]
        return math.fsum(known) / len(known) if known and len(known) == len(self.trials) else None


class MethodSearch:
    """All suggestions of one method in one cell, at one point of the design."""

    def __init__(self, study: Study, cell: Cell, method: str, point: Point, ledger: Ledger, *, label: str = "") -> None:
        """`label` names the point; empty for the one that the others are compared with, and without a design."""
        self.study, self.cell, self.method, self.point, self.label = study, cell, method, point, label
        self.ledger = ledger
        self.space = study.space(method)
        self.suggestions: list[Suggestion] = []
        self.account = Account()
        self.closed = study.search.budget is None
        """Whether there will be no more suggestions."""
        self.key = digest_of(self._decisive())
        self._optuna = optuna.create_study(direction="maximize")
        self._asked: dict[int, optuna.trial.Trial] = {}
        """By number, suggestions that Optuna has not been told the end of."""
        self._seen = 0
        """The number of suggestions that Optuna knows of."""
        self._told = 0
        self._ended = 0
        self._charged = 0
        self._spent = 0.0
        self._next: Suggestion | None = None
        """Asked for, but perhaps beyond the budget."""

    def _decisive(self) -> dict[str, Any]:
        """All that the suggestions hang on, but for the results of those before: not the budget, which extends."""
        search = self.study.search.model_dump(mode="json", exclude={"budget", "parameters"})
        return {
            "seed": self.study.seed,
            "base": self._base_config.signature,
            "space": {key: value.model_dump(mode="json") for key, value in self.space.items()},
            **search,
        }

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """The sampler of one suggestion; with `reuse` every second one keeps the best known settings of stage 1."""
        cell = f"{self.cell.dataset.name}/{self.cell.samples_per_class}/{self.method}/{self.label}"
        digest = hashlib.sha256(f"{self.study.seed}/{cell}/{number}".encode()).digest()
        sampler = optuna.samplers.TPESampler(
            seed=int.from_bytes(digest[:4], "big"), n_startup_trials=STARTUP, constant_liar=True
        )
        best = self._best_of(self._known_at(number)) if self.study.search.reuse and number % 2 else None
        if best is None:
            return sampler
        fixed = {key: value for key, value in best.settings.items() if affects_stage_1(key)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.samplers.PartialFixedSampler(fixed, sampler)

    @cached_property
    def _base_config(self) -> Config:
        """What suggestion 0 tries: the base, at this point."""
        return self.study.config(self.cell, self.method, seed=0, phase="search", settings=self.point)

    @property
    def planned(self) -> int:
        """How many suggestions there will be; with a budget of operations, at least."""
        budget = self.study.search.budget
        if budget is None:
            return 0
        # A method without searched settings needs no search: its only setting is the base.
        if not self.space:
            return 1
        if budget.trials:
            return budget.trials // len(self.study.search_seeds)
        return len(self.suggestions) + (not self.closed)

    @property
    def finished(self) -> bool:
        """Whether every planned suggestion has ended."""
        return len(self.suggestions) == self.planned == self.ended

    @property
    def ended(self) -> int:
        """How many suggestions have ended before the first that has not."""
        while self._ended < len(self.suggestions) and self.suggestions[self._ended].finished:
            self._ended += 1
        return self._ended

    @property
    def best(self) -> Suggestion | None:
        """The suggestion with the highest mean validation accuracy, the first of equals; None if none completed.

        Where nothing is searched it is the base.
        """
        return self._best_of(self.suggestions) if self.study.search.budget else Suggestion(0, {}, [])

    @staticmethod
    def _best_of(suggestions: list[Suggestion]) -> Suggestion | None:
        scored = [item for item in suggestions if item.score is not None]
        return max(scored, key=lambda item: (item.score or 0.0, -item.number), default=None)

    def advance(self) -> list[Trial]:
        """The trials that may start now and were not handed out before."""
        trials: list[Trial] = []
        while not self.closed and len(self.suggestions) < self.planned and self._known(len(self.suggestions)):
            self._next = self._next or self._suggest()
            affordable = self._affordable(self._next)
            if affordable is None:
                break
            if not affordable:
                self.closed = True
                break
            self.suggestions.append(self._next)
            trials += self._next.trials
            self._next = None
        return trials

    def _affordable(self, item: Suggestion) -> bool | None:
        """Whether the budget has room for a suggestion; None as long as that hangs on trials that have not ended.

        Of the suggestions that need not be known yet the planned cost counts, ended or not, so that it repeats.
        """
        budget = self.study.search.budget
        if budget is None or budget.pflop is None:
            return True
        before = [one.settings for one in self.suggestions]
        recent = range(max(0, item.number - REPEATED), item.number)
        if item.number > REPEATED and all(before[index] in before[:index] for index in recent):
            return False
        in_order = self.ended == len(self.suggestions)
        for certain in (self._known_at(item.number), self.suggestions if in_order else []):
            for one in certain[self._charged :]:
                self._spent += sum(self.account.charge(trial, one.entries[trial.seed]) for trial in one.trials)
                self._charged += 1
            ahead = [trial for one in self.suggestions[self._charged :] for trial in one.trials]
            if self._spent + self.account.estimate(ahead + item.trials) <= budget.pflop:
                return True
        return False if in_order else None

    def record(self, trial: Trial, entry: Entry) -> None:
        """Note how a trial ended."""
        self.suggestions[trial.number].record(entry)

    def stops(self, trial: Trial, iteration: int, accuracy: float) -> bool:
        """Whether a trial ends at this rung, compared with its predecessors there that have the same seed.

        hyperband: it is not among the best 1/eta of itself and them. median: it is worse than their median. A rung
        decides nothing before eta trials have reached it.
        """
        rule = self.study.search.early_stopping
        if rule is None or iteration not in trial.rungs:
            return False
        values = [
            value
            for item in self._known_at(trial.number)
            if (entry := item.entries.get(trial.seed)) and (value := accuracy_at(entry, iteration)) is not None
        ]
        if len(values) + 1 < rule.eta:
            return False
        if rule.type == "median":
            return accuracy < median(values)
        better = sum(value > accuracy for value in values)
        return better >= math.ceil((len(values) + 1) / rule.eta)

    def accepts(self, trial: Trial, entry: Entry) -> bool:
        """Whether an entry of the ledger still holds: one that was stopped early, while the rule stops it there."""
        if entry.status != "stopped":
            return True
        last = entry.curve[-1] if entry.curve else {}
        accuracy = last.get("validation_accuracy")
        return accuracy is not None and self.stops(trial, last["iteration"], accuracy)

    def reserved(self) -> set[Key]:
        """Ends of stage 1 that later suggestions may go on from: those of the best, now or once more is known."""
        if not self.study.search.reuse or self.finished:
            return set()
        known = self._known_at(len(self.suggestions))
        best = self._best_of(known)
        lowest = best.score if best and best.score is not None else -1.0
        better = [one for one in self.suggestions[len(known) :] if one.score is not None and one.score > lowest]
        chosen = [*([best] if best else []), *better, *(one for one in self.suggestions if not one.finished)]
        return {trial.path[0] for one in chosen for trial in one.trials if trial.config.gan}

    def _known_at(self, number: int) -> list[Suggestion]:
        """The suggestions whose results suggestion `number` goes by: up to `number` − w."""
        return self.suggestions[: max(0, number - self.study.search.window + 1)]

    def _known(self, number: int) -> bool:
        """Whether suggestion `number` may be asked for: all up to `number` − w have ended."""
        return self.ended >= len(self._known_at(number))

    def _suggest(self) -> Suggestion:
        number = len(self.suggestions)
        settings = self._settled(number)
        if len(settings) < len(self.space):
            settings = self._ask(number, settings)
        config = self.study.config(self.cell, self.method, seed=0, phase="search", settings={**self.point, **settings})
        rungs = tuple(self.study.rungs(config))
        trials = [
            Trial(self.cell, self.method, "search", number, config.with_seed(seed), rungs, self.label, self.key)
            for seed in self.study.search_seeds
        ]
        return Suggestion(number, settings, trials)

    def _settled(self, number: int) -> dict[str, Any]:
        """What of a suggestion's settings needs no asking: all that the ledger knows; of the first the base's."""
        known = self.ledger.suggested(self.key, number)
        if known is not None:
            flat = flatten(known)
            return {key: flat[key] for key in self.space}
        if number:
            return {}
        flat = flatten(self._base_config.model_dump(mode="json"))
        return {key: flat[key] for key in self.space if fits(key, self.space[key], flat[key])}

    def _ask(self, number: int, fixed: dict[str, Any]) -> dict[str, Any]:
        """Optuna's suggestion of the settings that are not fixed; before, it gets to know what came before."""
        known = self._known_at(number)
        for item in known[self._told :]:
            self._tell(item)
        for item in self.suggestions[self._seen :]:
            self._asked[item.number] = self._asked_for(item.settings)
        self._optuna.sampler = self._sampler(number)
        self._asked[number] = self._asked_for(fixed)
        return dict(self._asked[number].params)

    def _asked_for(self, fixed: dict[str, Any]) -> optuna.trial.Trial:
        if fixed:
            self._optuna.enqueue_trial(fixed)
        self._seen += 1
        return self._optuna.ask(self._distributions)

    @cached_property
    def _distributions(self) -> dict[str, BaseDistribution]:
        return {key: distribution(key, value) for key, value in self.space.items()}

    def _tell(self, item: Suggestion) -> None:
        """How a suggestion ended; one that Optuna never heard of is added as a whole, which costs a tenth."""
        asked, self._told = self._asked.pop(item.number, None), self._told + 1
        value, state, seen = ending(item)
        if asked:
            for iteration, accuracy in seen.items():
                asked.report(accuracy, iteration)
            self._optuna.tell(asked, value if state is TrialState.COMPLETE else None, state)
            return
        self._seen += 1
        self._optuna.add_trial(
            optuna.trial.create_trial(
                params=item.settings,
                distributions=self._distributions,
                state=state,
                value=value,
                intermediate_values=seen,
            )
        )


def ending(item: Suggestion) -> tuple[float | None, TrialState, dict[int, float]]:
    """How a suggestion ended, as Optuna says it: value, state, and of a stopped one where it was how good."""
    if item.score is not None:
        return item.score, TrialState.COMPLETE, {}
    if all(entry.status != "stopped" for entry in item.entries.values()):
        return None, TrialState.FAIL, {}
    reached = [entry.curve[-1] for entry in item.entries.values() if entry.curve]
    values = [point["validation_accuracy"] for point in reached if point["validation_accuracy"] is not None]
    if not values:
        return None, TrialState.PRUNED, {}
    mean = math.fsum(values) / len(values)
    return mean, TrialState.PRUNED, {min(point["iteration"] for point in reached): mean}


def accuracy_at(entry: Entry, iteration: int) -> float | None:
    """Validation accuracy of a trial at a stage-2 iteration; None where it did not get there."""
    for point in entry.curve:
        if point["stage"] == "classification" and point["iteration"] == iteration:
            value: float | None = point["validation_accuracy"]
            return value
    return None
