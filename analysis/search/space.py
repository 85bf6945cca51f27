"""The searched space as analysis needs it: for each setting its bounds, its scale and its values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.errors import ResultsError


@dataclass(frozen=True)
class Parameter:
    """One searched setting, `config.<name>` in the results: a range, or a list of values."""

    name: str
    low: float = math.nan
    high: float = math.nan
    logarithmic: bool = False
    whole: bool = False
    values: tuple[Any, ...] = ()

    @property
    def numeric(self) -> bool:
        """Whether the values have an order."""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)

    def __contains__(self, value: object) -> bool:
        return (
            value in self.values if self.values else isinstance(value, int | float) and self.low <= value <= self.high
        )

    def position(self, value: float) -> float:
        """Where a value lies between the ends: 0 the lower, 1 the upper; of a list, its place among the values."""
        if self.values:
            ordered = sorted(self.values)
            return ordered.index(value) / max(len(ordered) - 1, 1) if value in ordered else math.nan
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low) if value > 0 else math.nan
        return (value - self.low) / (self.high - self.low)


def searched(space: Mapping[str, Any]) -> list[Parameter]:
    """The settings that vary, from `search.parameters` of a study file (the grammar of W&B sweep files).

    `space` maps a dotted key, as in `gan.iterations`, to `{values: […]}`, or to `{min, max}` with an optional
    `distribution`; ranges are logarithmic where the distribution's name has `log` in it, and of whole numbers where it
    is `int_uniform` or where both ends are whole and no distribution is named. A fixed setting is left out.

    Raises:
        ResultsError: A setting has neither form.
    """
    parameters = []
    for name, form in space.items():
        given = form if isinstance(form, Mapping) else {}
        values = tuple(given.get("values") or ())
        if len(values) > 1:
            parameters.append(Parameter(name, values=values))
        elif "min" in given and "max" in given:
            parameters.append(_range(name, given))
        elif not values and "value" not in given:
            raise ResultsError(
                f"`{name}` must have `values`, or `min` and `max`, but is {form!r}. "
                "Give search.parameters of the study."
            )
    return parameters


def _range(name: str, form: Mapping[str, Any]) -> Parameter:
    distribution = form.get("distribution") or ""
    ends = form["min"], form["max"]
    whole = distribution == "int_uniform" or (not distribution and all(isinstance(end, int) for end in ends))
    return Parameter(name, float(ends[0]), float(ends[1]), "log" in distribution, whole)
