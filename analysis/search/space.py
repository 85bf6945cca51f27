"""Read the grammar of search spaces, that of W&B sweep files, in one place for planning and for judging.

A setting is given as `{values: […]}`, as `{value: x}`, or as `{min: a, max: b}` with an optional `distribution` and an
optional `q`, the step of `q_uniform` and `int_uniform`.
"""

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.errors import ResultsError

PER_SETTING = 10
"""Suggestions for each searched setting that a search should try (Loeppky, Sacks and Welch 2009); for TPE, Optuna's
documentation recommends 100 to 1,000 in all."""


@dataclass(frozen=True)
class Domain:
    """The values that a searched setting may take: a list, a single value, or a range.

    `distribution` says how a range is drawn from. `low` and `high` are the ends of a range as they were given, nan for
    a list; `step` is the distance of its values, None where any number between the ends is one; `whole` says whether
    they are whole numbers.
    """

    distribution: str
    values: tuple[Any, ...] = ()
    low: float = math.nan
    high: float = math.nan
    step: float | None = None
    whole: bool = False

    @property
    def logarithmic(self) -> bool:
        """Whether ratios, not differences, are spread evenly."""
        return "log" in self.distribution

    @property
    def numeric(self) -> bool:
        """Whether the values have an order."""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)

    @property
    def varies(self) -> bool:
        """Whether there is more than one value."""
        return len(self.values) != 1

    @property
    def size(self) -> float:
        """Number of values; inf for a range without steps."""
        step = self.step or (1 if self.whole else 0.0)
        return len(self.values) or (math.inf if not step else math.floor((self.high - self.low) / step + 1e-8) + 1)

    @property
    def listed(self) -> tuple[Any, ...]:
        """Every value; of a finite domain alone."""
        step = self.step or 1
        places = [self.low + step * index for index in range(0 if self.values else int(self.size))]
        return self.values or tuple(round(place) if self.whole else place for place in places)

    @property
    def extremes(self) -> tuple[Any, ...]:
        """Every value of a list, both ends of a range."""
        return self.values or (self.low, self.high)

    def __contains__(self, value: object) -> bool:
        if self.values:
            return value in self.values
        return isinstance(value, int | float) and self.low <= value <= self.high and self._on_a_step(value)

    def _on_a_step(self, value: float) -> bool:
        steps = (value - self.low) / self.step if self.step else 0.0
        return abs(steps - round(steps)) < 1e-8 and (value % 1 == 0 or not self.whole)

    def position(self, value: float) -> float:
        """Position of a value between the ends, 0 to 1, on the scale of the range; in a list by its rank."""
        if self.values:
            ordered = sorted(self.values)
            return ordered.index(value) / max(len(ordered) - 1, 1) if value in ordered else math.nan
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low) if value > 0 else math.nan
        return (value - self.low) / (self.high - self.low)


def distribution_of(form: Mapping[str, Any]) -> str:
    """Name the distribution of a form: the one it gives, otherwise the one that its keys imply."""
    if named := form.get("distribution"):
        return str(named)
    if form.get("values") is not None:
        return "categorical"
    if form.get("value") is not None:
        return "constant"
    return "int_uniform" if all(isinstance(form.get(end), int) for end in ("min", "max")) else "uniform"


def domain(form: Mapping[str, Any], *, whole: bool = False) -> Domain:
    """Read a form of the grammar; a key that is None counts as not given.

    With `whole` the setting takes whole numbers only, in every distribution.

    Raises:
        ResultsError: The form has neither values nor both ends.
    """
    given = {name: value for name, value in form.items() if value is not None}
    distribution = distribution_of(given)
    if given.get("values"):
        return Domain(distribution, tuple(given["values"]))
    if "value" in given:
        return Domain(distribution, (given["value"],))
    if "min" in given and "max" in given:
        low, high = (_number(given[end]) for end in ("min", "max"))
        return Domain(distribution, (), low, high, given.get("q"), whole or distribution == "int_uniform")
    raise ResultsError(f"must have `values`, or `min` and `max`, but is {dict(form)}.")


def searched(space: Mapping[str, Any], whole: Container[str] = ()) -> dict[str, Domain]:
    """Read the settings that vary from `search.parameters` of a study, by dotted key (`gan.iterations`).

    `whole` names the settings that take whole numbers only.

    Raises:
        ResultsError: A setting is not given in the grammar.
    """
    domains = {}
    for name, form in space.items():
        try:
            domains[name] = domain(form if isinstance(form, Mapping) else {}, whole=name in whole)
        except ResultsError:
            raise ResultsError(
                f"`{name}` must have `values`, or `min` and `max`, but is {form!r}. "
                "Give search.parameters of the study."
            ) from None
    return {name: found for name, found in domains.items() if found.varies}


def suggestions_advised(domains: Sequence[Domain]) -> int:
    """Number of suggestions that a search of these settings should try: 10 for each, or every combination if fewer."""
    return int(min(PER_SETTING * len(domains), math.prod(domain.size for domain in domains)))


def _number(end: Any) -> float:
    # YAML takes 3e-4, without a point, for a text.
    return float(end) if isinstance(end, str) else end
