"""The search space of a study as Optuna says it."""

from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from dagan.config import is_whole
from sweeps.study.space import Parameter


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
