"""Domains as Optuna's distributions, for suggesting from them and for parameter importance."""

from typing import TYPE_CHECKING

from analysis.search.space import Domain

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


def optuna_distribution(domain: Domain) -> "BaseDistribution":
    """Build the Optuna distribution with the same values, scale and step."""
    from optuna import distributions  # a second or more, and only here

    if domain.values:
        return distributions.CategoricalDistribution(domain.values)
    if domain.whole:
        low, high, step = int(domain.low), int(domain.high), max(1, int(domain.step or 1))
        return distributions.IntDistribution(low, high, log=domain.logarithmic, step=step)
    return distributions.FloatDistribution(domain.low, domain.high, log=domain.logarithmic, step=domain.step)
