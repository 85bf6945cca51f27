"""The search space of a study, in the grammar of W&B sweep files, so that people can carry theirs over."""

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from analysis.search.space import Domain, distribution_of, domain
from dagan.config import is_whole
from dagan.settings import Section

Distribution = Literal[
    "categorical",
    "constant",
    "int_uniform",
    "uniform",
    "q_uniform",
    "log_uniform_values",
]
Scalar = bool | int | float | str


class Parameter(Section):
    """One searched setting: `{values: […]}`, `{value: x}`, or `{min, max}` with an optional `distribution` and `q`.

    Bounds that are whole numbers mean whole numbers, as in W&B, unless a distribution says otherwise; settings that
    take whole numbers only get them from every distribution. `q` is the step of q_uniform and int_uniform.
    """

    distribution: Distribution | None = None
    values: list[Scalar] | None = None
    value: Scalar | None = None
    min: int | float | None = None
    max: int | float | None = None
    q: int | float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _one_form(self) -> "Parameter":
        forms = [
            self.values is not None,
            self.value is not None,
            self.min is not None or self.max is not None,
        ]
        if sum(forms) != 1:
            raise ValueError("one of `values`, `value`, or `min` and `max`")
        if self.values is not None and len(self.values) == 0:
            raise ValueError("at least one value")
        if forms[2]:
            if self.min is None or self.max is None:
                raise ValueError("both `min` and `max`")
            if self.min >= self.max:
                raise ValueError(f"min < max, not {self.min} and {self.max}")
            if self.logarithmic and self.min <= 0:
                raise ValueError(f"min > 0 on a logarithmic scale, not {self.min}")
        if self.kind == "q_uniform" and self.q is None:
            raise ValueError("given a step `q` with q_uniform")
        if self.q is not None and self.kind not in ("q_uniform", "int_uniform"):
            raise ValueError(f"given without a step `q` with {self.kind}")
        if self.kind == "int_uniform" and not all(isinstance(x, int) for x in (self.min, self.max, self.q or 1)):
            raise ValueError("given in whole numbers with int_uniform")
        wanted = {"categorical": 0, "constant": 1}.get(self.kind, 2)
        if not forms[wanted]:
            raise ValueError(f"given {['`values`', '`value`', '`min` and `max`'][wanted]} with {self.kind}")
        return self

    @property
    def kind(self) -> str:
        """The distribution, read off the form where none is named."""
        return distribution_of(dict(self))

    @property
    def logarithmic(self) -> bool:
        """Whether ratios, not differences, are spread evenly."""
        return "log" in self.kind

    @property
    def extremes(self) -> list[Scalar]:
        """Values that every config must be able to take: all of a list, both ends of a range."""
        return list(self.domain().extremes)

    def domain(self, *, whole: bool = False) -> Domain:
        """The values that the setting may take; `whole`: it takes whole numbers only, whatever the distribution."""
        return domain(dict(self), whole=whole)

    def draw(self, rng: random.Random, *, whole: bool) -> Any:
        """Draw a value at random, for estimates; searching is Optuna's. `whole`: the setting takes whole numbers."""
        found = self.domain(whole=whole)
        if found.values:
            return rng.choice(found.values)
        low, high = found.low, found.high
        value = low * (high / low) ** rng.random() if found.logarithmic else rng.uniform(low, high)
        value = round((value - low) / found.step) * found.step + low if found.step else value
        return round(value) if found.whole else value


def combinations(space: Mapping[str, Parameter]) -> float:
    """Return how many settings a space has; inf where a range has no steps."""
    return math.prod(parameter.domain(whole=is_whole(key)).size for key, parameter in space.items())


def untried(space: Mapping[str, Parameter], tried: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the first settings of a finite space that were not tried; there must be some."""
    values = [parameter.domain(whole=is_whole(key)).listed for key, parameter in space.items()]
    every = (dict(zip(space, chosen, strict=True)) for chosen in itertools.product(*values))
    return next(settings for settings in every if settings not in tried)
