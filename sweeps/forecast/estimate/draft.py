"""A draft of a study's plan: the trials that it would have, before anything is known.

Exact where nothing is searched. Where the search will choose, settings are drawn at random from its space, and the
confirm trials take those of drawn suggestions, each its own, so that their mean cost is the mean of the space. Early
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
from sweeps.study.schema import REPEATED, Cell, Study
from sweeps.study.space import Parameter

DRAWN = 256
"""Suggestions drawn per search at the most; a longer one is taken to go on like these."""


@dataclass(frozen=True)
class Draft:
    """One method in one cell, at one point of the design."""

    cell: Cell
    method: str
    point: str
    search: list[Trial]
    confirm: list[Trial]
    scale: float = 1.0
    """Planned search trials per drafted one."""

    @property
    def search_trials(self) -> int:
        """How many are planned; with a budget of operations, an estimate."""
        return round(len(self.search) * self.scale)

    @property
    def trials(self) -> list[Trial]:
        """Of both phases, in the plan's order, each config once: later trials of a config take the first one's end."""
        return list({trial.signature: trial for trial in reversed([*self.search, *self.confirm])}.values())[::-1]


def drafts(study: Study) -> Iterator[Draft]:
    """One draft for each branch of the plan, in its order."""
    for cell in study.cells:
        for method in study.methods:
            for point in study.points(cell, method):
                yield draft(study, cell, method, point)


def draft(study: Study, cell: Cell, method: str, point: Point) -> Draft:
    """The trials of one branch."""
    words, luck = label(point), random.Random(f"{study.seed}/{cell}/{method}/{point}")
    search, scale = searched(study, cell, method, point, luck)
    confirm = []
    for number, seed in enumerate(study.confirm_seeds):
        chosen = luck.choice(search)[1] if search else {}
        config = study.config(cell, method, seed=seed, phase="confirm", settings={**point, **chosen})
        confirm.append(Trial(cell, method, "confirm", number, config, point=words))
    return Draft(cell, method, words, [trial for trials, _ in search for trial in trials], confirm, scale)


Suggested = tuple[list[Trial], dict[str, Any]]
"""A suggestion's trials, one for each search seed, and its settings."""


def searched(study: Study, cell: Cell, method: str, point: Point, luck: random.Random) -> tuple[list[Suggested], float]:
    """The suggestions of a search, as far as they are drawn, and how many are planned for each of them."""
    budget, space = study.search.budget, study.space(method)
    if budget is None:
        return [], 1.0
    account, spent, found = FlopBudget(), 0.0, list[Suggested]()
    planned = len(study.search_seeds) if not space else budget.trials or DRAWN * len(study.search_seeds)
    wanted = planned // len(study.search_seeds)
    for number in range(min(wanted, DRAWN)):
        settings = drawn(study, cell, method, point, luck, [known for _, known in found])
        config = study.config(cell, method, seed=0, phase="search", settings={**point, **settings})
        rungs, words = tuple(study.rungs(config)), label(point)
        trials = [
            Trial(cell, method, "search", number, config.with_seed(seed), rungs, words) for seed in study.search_seeds
        ]
        if budget.pflop is not None:
            cost = sum(account.charge(trial) for trial in trials)
            if spent + cost > budget.pflop or exhausted([known for _, known in found]):
                return found, 1.0
            spent += cost
        found.append((trials, settings))
    if budget.pflop is not None and spent and space:
        return found, budget.pflop / spent
    return found, wanted / len(found)


def drawn(
    study: Study, cell: Cell, method: str, point: Point, luck: random.Random, before: list[dict[str, Any]]
) -> dict[str, Any]:
    """The settings of the next suggestion: the base first; with `reuse` every second one keeps a known stage 1."""
    space = study.space(method)
    settings = {key: value.draw(luck, whole=is_whole(key)) for key, value in space.items()}
    if not before:
        base = flatten(study.config(cell, method, seed=0, phase="search", settings=point).model_dump(mode="json"))
        return settings | {key: base[key] for key in space if within(space[key], base[key])}
    known = before[: max(0, len(before) - study.search.window + 1)]
    if study.search.reuse and len(before) % 2 and known:
        kept = luck.choice(known)
        settings |= {key: value for key, value in kept.items() if affects_stage_1(key)}
    return settings


def within(parameter: Parameter, value: Any) -> bool:
    """Whether the search could have chosen a value."""
    if parameter.kind in ("categorical", "constant"):
        return value in parameter.extremes
    low, high = parameter.extremes
    return isinstance(value, int | float) and float(low) <= value <= float(high)


def exhausted(before: list[dict[str, Any]]) -> bool:
    """Whether the search would give up, as its latest suggestions were all made before."""
    recent = range(max(0, len(before) - REPEATED), len(before))
    return len(before) > REPEATED and all(before[index] in before[:index] for index in recent)
