"""A draft of a study's plan: the trials that it would have, before anything is known.

It is exact where nothing is searched. Where the search will choose, settings are drawn at random from its space, and
each confirm trial takes those of a suggestion drawn for itself, so that their mean cost is the mean of the space. Early
stopping is left out.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dagan.config import is_whole
from dagan.nested import flatten
from dagan.stage_key import affects_stage_1
from sweeps.planning.budget import FlopBudget
from sweeps.planning.trial import Trial
from sweeps.study.design import Point, label
from sweeps.study.readings import readings, sampled
from sweeps.study.schema import REPEATED, Cell, Study
from sweeps.study.space import combinations, untried

MAX_SUGGESTIONS = 256
"""Suggestions drawn per search; a longer search is taken to go on like these."""


@dataclass(frozen=True)
class Suggestion:
    """Settings drawn for a search, with a trial for each search seed."""

    settings: dict[str, Any]
    trials: list[Trial]


@dataclass(frozen=True)
class Draft:
    """The trials of one method in one cell, at one point of the design."""

    cell: Cell
    method: str
    point: str
    search: list[Trial]
    confirm: list[Trial]
    scale: float = 1.0
    """Planned search trials per drafted one."""

    @property
    def search_trials(self) -> int:
        """Number of planned search trials; an estimate where the budget is in operations."""
        return round(len(self.search) * self.scale)

    @property
    def trials(self) -> list[Trial]:
        """Trials of both phases in the plan's order, without duplicates: these take the result of the first."""
        return list({trial.signature: trial for trial in reversed([*self.search, *self.confirm])}.values())[::-1]


def drafts(study: Study) -> Iterator[Draft]:
    """Draft each branch of the plan, in its order."""
    for cell in study.cells:
        for method in study.methods:
            points = study.points(cell, method)
            for point in points:
                yield BranchDraft(study, cell, method, point, label(point, points[0])).draft()


class BranchDraft:
    """Draws the suggestions of one branch of the plan."""

    def __init__(self, study: Study, cell: Cell, method: str, point: Point, label: str) -> None:
        self.study, self.cell, self.method, self.point = study, cell, method, point
        self.label, self.readings = label, readings(study, cell, method, point)
        self.space = sampled(study, method, self.readings)
        self.rng = random.Random(f"{study.seed}/{cell}/{method}/{point}")
        self.suggestions: list[Suggestion] = []
        self.covered = False
        """Whether the budget covers every setting of the space, so that each is tried once."""

    def draft(self) -> Draft:
        """The trials of the branch."""
        scale = self._search()
        confirm = []
        for number, seed in enumerate(self.study.confirm_seeds):
            chosen = self.rng.choice(self.suggestions).settings if self.suggestions else {}
            kc = self.readings.setting(self.rng.choice(list(self.readings.values))) if self.readings.values else {}
            settings = {**self.point, **chosen, **kc}
            config = self.study.config(self.cell, self.method, seed=seed, phase="confirm", settings=settings)
            confirm.append(Trial(self.cell, self.method, "confirm", number, config, point=self.label))
        search = [trial for suggestion in self.suggestions for trial in suggestion.trials]
        return Draft(self.cell, self.method, self.label, search, confirm, scale)

    def _search(self) -> float:
        """Draw the suggestions of a search; how many are planned for each of them."""
        budget, seeds = self.study.search.budget, len(self.study.search_seeds)
        if budget is None:
            return 1.0
        planned = seeds if not self.space else budget.trials or MAX_SUGGESTIONS * seeds
        self.covered = budget.trials is not None and combinations(self.space) <= planned // seeds
        wanted = int(combinations(self.space)) if self.covered else planned // seeds
        account, spent = FlopBudget(), 0.0
        for _ in range(min(wanted, MAX_SUGGESTIONS)):
            suggestion = self._suggestion()
            if budget.pflop is not None:
                cost = sum(account.charge(trial) for trial in suggestion.trials)
                if spent + cost > budget.pflop or self._exhausted():
                    return 1.0
                spent += cost
            self.suggestions.append(suggestion)
        if budget.pflop is not None and spent and self.space:
            return budget.pflop / spent
        return wanted / len(self.suggestions)

    def _suggestion(self) -> Suggestion:
        """The next suggestion, with its trials."""
        number, settings = len(self.suggestions), self._settings()
        longest = {**self.point, **settings, **self.readings.longest}
        config = self.study.config(self.cell, self.method, seed=0, phase="search", settings=longest)
        rungs, row = tuple(self.study.rungs(config)), tuple(self.readings.values)
        trials = [
            Trial(self.cell, self.method, "search", number, config.with_seed(seed), rungs, row, self.label)
            for seed in self.study.search_seeds
        ]
        return Suggestion(settings, trials)

    def _settings(self) -> dict[str, Any]:
        """Draw settings: the first are the base's; with `reuse` every second ones keep a known stage 1."""
        settings = {key: value.draw(self.rng, whole=is_whole(key)) for key, value in self.space.items()}
        if not self.suggestions:
            config = self.study.config(self.cell, self.method, seed=0, phase="search", settings=self.point)
            base = flatten(config.model_dump(mode="json"))
            return settings | {
                key: base[key] for key in self.space if base[key] in self.space[key].domain(whole=is_whole(key))
            }
        if self.covered:
            return untried(self.space, [one.settings for one in self.suggestions])
        known = self.suggestions[: max(0, len(self.suggestions) - self.study.search.window + 1)]
        if self.study.search.reuse and len(self.suggestions) % 2 and known:
            kept = self.rng.choice(known)
            config = kept.trials[0].config
            settings |= {key: value for key, value in kept.settings.items() if affects_stage_1(key, config)}
        return settings

    def _exhausted(self) -> bool:
        """Whether the search would give up, as its latest suggestions were all made before."""
        before = [suggestion.settings for suggestion in self.suggestions]
        recent = range(max(0, len(before) - REPEATED), len(before))
        return len(before) > REPEATED and all(before[index] in before[:index] for index in recent)
