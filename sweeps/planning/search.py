"""The search of one method in one cell: suggestions, early stopping, and the choice of the best.

Decisions repeat. Suggestion i is asked for when suggestions up to i − w have ended (w: the study's window), and Optuna
is told of exactly these, in the order of their numbers, however many more have ended by then. A trial of suggestion i
is compared at a rung with its predecessors up to i − w, whose values are thus all known before it starts. So the
outcome is a function of the study file alone, not of the number of workers, of who finished first, or of what was
killed on the way. A suggestion that the ledger knows is taken from there; a finished study asks Optuna nothing.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from dagan.config import Config, digest_of
from dagan.nested import flatten
from dagan.stage_key import affects_stage_1
from sweeps.planning.budget import SearchBudget
from sweeps.planning.early_stopping import level_at, stops
from sweeps.planning.sampler import Sampler, fits
from sweeps.planning.suggestion import Suggestion, best_of
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry, Ledger
from sweeps.records.snapshot_store import SnapshotKey
from sweeps.study.design import Point
from sweeps.study.readings import Readings, readings, sampled
from sweeps.study.schema import Cell, Study
from sweeps.study.space import Parameter, combinations, untried


class MethodSearch:
    """All suggestions of one method in one cell, at one point of the design."""

    def __init__(self, study: Study, cell: Cell, method: str, point: Point, ledger: Ledger, *, label: str = "") -> None:
        """`label` names the design point; empty for the reference, and without a design."""
        self.study, self.cell, self.method, self.point, self.label = study, cell, method, point, label
        self.ledger = ledger
        self.readings = readings(study, cell, method, point)
        self.space = sampled(study, method, self.readings)
        """The settings that are sampled."""
        self.suggestions: list[Suggestion] = []
        budget = study.search.budget
        self.closed = budget is None
        """Whether there will be no more suggestions."""
        self.key = search_key(study, self._base_config, self.space, self.readings)
        where = f"{cell.dataset.name}/{cell.samples_per_class}/{method}/{label}"
        self._sampler = Sampler(self.space, f"{study.seed}/{where}")
        self._budget = SearchBudget(budget.pflop) if budget and budget.pflop is not None else None
        self._ended = 0
        self._next: Suggestion | None = None
        """Asked for, but not yet known to be affordable."""

    @cached_property
    def _base_config(self) -> Config:
        """The config of suggestion 0: the base, at this point."""
        return self.study.config(self.cell, self.method, seed=0, phase="search", settings=self.point)

    @property
    def planned(self) -> int:
        """Number of suggestions; with a budget in operations, the least there will be."""
        budget = self.study.search.budget
        if budget is None:
            return 0
        # A method without sampled settings needs no search: its only setting is the base.
        if not self.space:
            return 1
        if budget.trials and self._budgeted < self._combinations:
            return self._budgeted
        if budget.trials:
            tried = [one.settings for one in self.suggestions]
            repeated = sum(settings in tried[:index] for index, settings in enumerate(tried))
            return int(min(self._budgeted, self._combinations + repeated))
        return len(self.suggestions) + (not self.closed)

    @property
    def _budgeted(self) -> int:
        """Number of suggestions that a budget in trials pays for; 0 with one in operations."""
        budget = self.study.search.budget
        return (budget.trials or 0) // len(self.study.search_seeds) if budget else 0

    @cached_property
    def _combinations(self) -> float:
        return combinations(self.space)

    @property
    def finished(self) -> bool:
        """Whether every planned suggestion has ended."""
        return len(self.suggestions) == self.planned == self.ended

    @property
    def ended(self) -> int:
        """Number of suggestions that have ended before the first that has not."""
        while self._ended < len(self.suggestions) and self.suggestions[self._ended].finished:
            self._ended += 1
        return self._ended

    @property
    def best(self) -> Suggestion | None:
        """The suggestion with the highest mean validation accuracy, at its best KC; None if none completed.

        The first of equals; where nothing is searched, the base.
        """
        return best_of(self.suggestions) if self.study.search.budget else Suggestion(0, {}, [])

    def advance(self) -> list[Trial]:
        """Trials that may start now and were not returned before."""
        trials: list[Trial] = []
        while not self.closed and len(self.suggestions) < self.planned and self._may_suggest():
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

    def record(self, trial: Trial, entry: Entry) -> None:
        """Record how a trial ended."""
        self.suggestions[trial.number].record(entry)

    def stops(self, trial: Trial, iteration: int, level: float) -> bool:
        """Whether a trial ends at this rung, compared with its predecessors there that have the same seed.

        `level`: by what it is compared, `early_stopping.level_at`.
        """
        rule = self.study.search.early_stopping
        if rule is None or iteration not in trial.rungs:
            return False
        entries = [item.entries.get(trial.seed) for item in self._known_to(trial.number)]
        levels = [level_at(entry.curve, iteration, trial.readings) for entry in entries if entry]
        return stops(rule, level, [one for one in levels if one is not None])

    def accepts(self, trial: Trial, entry: Entry) -> bool:
        """Whether a ledger entry still holds: one that was stopped early only while the rule stops it there."""
        if entry.status != "stopped":
            return True
        last = entry.curve[-1]["iteration"] if entry.curve else 0
        level = level_at(entry.curve, last, trial.readings)
        return level is not None and self.stops(trial, last, level)

    def reserved(self) -> set[SnapshotKey]:
        """Ends of stage 1 that later suggestions may reuse: those of the best, now or once more is known."""
        if not self.study.search.reuse or self.finished:
            return set()
        known = self._known_to(len(self.suggestions))
        best = best_of(known)
        lowest = best.score if best and best.score is not None else -1.0
        better = [one for one in self.suggestions[len(known) :] if one.score is not None and one.score > lowest]
        chosen = [*([best] if best else []), *better, *(one for one in self.suggestions if not one.finished)]
        return {trial.stage_ends[0] for one in chosen for trial in one.trials if trial.config.gan}

    def _known_to(self, number: int) -> list[Suggestion]:
        """The suggestions on whose results suggestion `number` is conditioned: up to `number` − w."""
        return self.suggestions[: max(0, number - self.study.search.window + 1)]

    def _may_suggest(self) -> bool:
        """Whether the results that the next suggestion is conditioned on are all there."""
        return self.ended >= len(self._known_to(len(self.suggestions)))

    def _affordable(self, item: Suggestion) -> bool | None:
        """Whether the budget pays for a suggestion; None while running trials could change that."""
        if self._budget is None:
            return True
        all_ended = self.ended == len(self.suggestions)
        return self._budget.affords(item, self.suggestions, len(self._known_to(item.number)), all_ended=all_ended)

    def _suggest(self) -> Suggestion:
        number = len(self.suggestions)
        settings = self._settled(number)
        if len(settings) < len(self.space) and self._budgeted >= self._combinations:
            settings = untried(self.space, [one.settings for one in self.suggestions])
        elif len(settings) < len(self.space):
            known = self._known_to(number)
            reused = self._reused(number, known)
            settings = self._sampler.suggest(number, self.suggestions, known, settled=settings, reused=reused)
        longest = {**self.point, **settings, **self.readings.longest}
        config = self.study.config(self.cell, self.method, seed=0, phase="search", settings=longest)
        trials = [
            Trial(
                self.cell,
                self.method,
                "search",
                number,
                config.with_seed(seed),
                rungs=tuple(self.study.rungs(config)),
                readings=tuple(self.readings.values),
                point=self.label,
                search=self.key,
            )
            for seed in self.study.search_seeds
        ]
        return Suggestion(number, settings, trials, self.readings)

    def _settled(self, number: int) -> dict[str, Any]:
        """The settings that need no sampling: all that the ledger knows; for the first suggestion the base's."""
        known = self.ledger.suggested(self.key, number)
        if known is not None:
            flat = flatten(known)
            return {key: flat[key] for key in self.space}
        if number:
            return {}
        flat = flatten(self._base_config.model_dump(mode="json"))
        return {key: flat[key] for key in self.space if fits(key, self.space[key], flat[key])}

    def _reused(self, number: int, known: list[Suggestion]) -> dict[str, Any]:
        """The best known settings of stage 1, for every second suggestion of a search with `reuse`; else none."""
        best = best_of(known) if self.study.search.reuse and number % 2 else None
        if best is None:
            return {}
        config = best.trials[0].config
        return {key: value for key, value in best.settings.items() if affects_stage_1(key, config)}


def search_key(study: Study, base: Config, space: Mapping[str, Parameter], row: Readings) -> str:
    """Hash of everything that decides the suggestions but earlier results: not the budget, which may be extended."""
    decisive = {
        "seed": study.seed,
        "base": base.signature,
        "space": {key: value.model_dump(mode="json") for key, value in space.items()},
        "readings": list(row.values),
        **study.search.model_dump(mode="json", exclude={"budget", "parameters"}),
    }
    return digest_of(decisive)
