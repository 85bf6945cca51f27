"""The KC values that are read off one stage 2 instead of being sampled.

KC only says how far stage 2 goes, unless a schedule runs over it. So a training to the largest KC of the space tells
the validation accuracy at each of them, and a suggestion needs no KC: its score and its KC come from the whole row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dagan.config import Config, is_whole, iterations_per_epoch
from sweeps.study.design import Point
from sweeps.study.schema import Cell, Study
from sweeps.study.space import Parameter, Scalar

LENGTHS = ("classifier.iterations", "classifier.epochs")
SCHEDULES = ("classifier.schedule", "classifier.augmentation_schedule")


@dataclass(frozen=True)
class Readings:
    """The row of KC values of each search trial of a method; empty where KC is fixed, or sampled."""

    key: str = ""
    """The searched setting that says KC, in iterations or in epochs."""
    values: Mapping[int, Scalar] = field(default_factory=dict)
    """Values of the setting by iteration of stage 2, the shortest first."""

    @property
    def longest(self) -> dict[str, Scalar]:
        """The setting by which a search trial trains: the largest KC."""
        return {self.key: self.values[max(self.values)]} if self.values else {}

    def setting(self, iteration: int) -> dict[str, Scalar]:
        """The setting that says this KC."""
        return {self.key: self.values[iteration]}


NO_READINGS = Readings()


def readings(study: Study, cell: Cell, method: str, point: Point) -> Readings:
    """Return the KC values that are read off each search trial of a method, at one point of the design.

    All that are listed; of a range both ends and its steps, or where it has none each report between the ends.
    """
    key = next((key for key in LENGTHS if key in study.search.parameters), None)
    if key is None or any(schedule_over_kc(name, study, cell, method, point) for name in SCHEDULES):
        return NO_READINGS
    domain = study.search.parameters[key].domain(whole=is_whole(key))

    def config(value: Scalar) -> Config:
        return study.config(cell, method, seed=0, phase="search", settings={**point, key: value})

    found: dict[int, Scalar]
    if domain.values:
        found = {config(value).classifier.iterations: value for value in domain.values}
    elif domain.step:
        steps = range(int((domain.high - domain.low) / domain.step + 1e-8) + 1)
        values = [domain.low + domain.step * step for step in steps]
        found = {config(value).classifier.iterations: value for value in values}
    else:
        low, high = config(domain.low), config(domain.high)
        first, last, every = low.classifier.iterations, high.classifier.iterations, study.report_every
        between = range((first // every + 1) * every, last, every)
        unit = iterations_per_epoch(low, low.facts) if key == "classifier.epochs" else None
        found = {first: domain.low, **{one: one / unit if unit else one for one in between}, last: domain.high}
    return Readings(key, dict(sorted(found.items())))


def schedule_over_kc(key: str, study: Study, cell: Cell, method: str, point: Point) -> bool:
    """Whether a schedule runs over stage 2 in any trial, so that one that ends sooner is another training."""
    config = study.config(cell, method, seed=0, phase="search", settings=point)
    chosen = getattr(config.classifier, key.removeprefix("classifier."))
    searched = study.space(method).get(key)
    return any(value not in ("constant", None) for value in [chosen, *(searched.extremes if searched else [])])


def sampled(study: Study, method: str, row: Readings) -> dict[str, Parameter]:
    """Return the searched settings of a method that are sampled: all but those that are read off."""
    return {key: value for key, value in study.space(method).items() if key != row.key}
