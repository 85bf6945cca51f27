"""Optuna's suggestions for one search, each conditioned on exactly the results that it may know."""

import hashlib
import logging
import math
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState

from analysis.search.distributions import optuna_distribution
from dagan.config import is_whole
from sweeps.planning.suggestion import Suggestion
from sweeps.study.space import Parameter

STARTUP = 4
"""Suggestions drawn at random before the sampler models what it has seen."""

logging.getLogger("optuna").setLevel(logging.WARNING)


class Sampler:
    """The Optuna study of one search, by ask and tell.

    Every suggestion has a random seed of its own, so one that the ledger knows need not be asked for again.
    """

    def __init__(self, space: Mapping[str, Parameter], identity: str) -> None:
        """`identity` names the search: with the number of a suggestion it decides its random seed."""
        self.space, self.identity = space, identity
        self._study = optuna.create_study(direction="maximize")
        self._asked: dict[int, optuna.trial.Trial] = {}
        """Suggestions asked for whose end Optuna has not been told, by number."""
        self._seen = 0
        """Suggestions that Optuna knows of."""
        self._told = 0
        """Suggestions whose end Optuna has been told."""

    def suggest(
        self,
        number: int,
        before: Sequence[Suggestion],
        known: Sequence[Suggestion],
        *,
        settled: Mapping[str, Any],
        reused: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Ask for the settings of suggestion `number`, after all `before` and the ends of those that are `known`.

        `settled` settings are given, not asked for; `reused` ones are fixed while the others are sampled.
        """
        for item in known[self._told :]:
            self._tell(item)
        for item in before[self._seen :]:
            self._asked[item.number] = self._ask(item.settings)
        self._study.sampler = self._sampler(number, reused)
        self._asked[number] = self._ask(settled)
        return dict(self._asked[number].params)

    def _sampler(self, number: int, reused: Mapping[str, Any]) -> optuna.samplers.BaseSampler:
        digest = hashlib.sha256(f"{self.identity}/{number}".encode()).digest()
        sampler = optuna.samplers.TPESampler(
            seed=int.from_bytes(digest[:4], "big"), n_startup_trials=STARTUP, constant_liar=True
        )
        if not reused:
            return sampler
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.samplers.PartialFixedSampler(dict(reused), sampler)

    def _ask(self, settled: Mapping[str, Any]) -> optuna.trial.Trial:
        if settled:
            self._study.enqueue_trial(dict(settled))
        self._seen += 1
        return self._study.ask(self._distributions)

    @cached_property
    def _distributions(self) -> dict[str, BaseDistribution]:
        return {key: distribution(key, value) for key, value in self.space.items()}

    def _tell(self, item: Suggestion) -> None:
        """Tell how a suggestion ended; one that Optuna never heard of is added as a whole, at a tenth of the cost."""
        asked, self._told = self._asked.pop(item.number, None), self._told + 1
        value, state, intermediate = optuna_result(item)
        if asked:
            for iteration, accuracy in intermediate.items():
                asked.report(accuracy, iteration)
            self._study.tell(asked, value if state is TrialState.COMPLETE else None, state)
            return
        self._seen += 1
        self._study.add_trial(
            optuna.trial.create_trial(
                params=item.settings,
                distributions=self._distributions,
                state=state,
                value=value,
                intermediate_values=intermediate,
            )
        )


def optuna_result(item: Suggestion) -> tuple[float | None, TrialState, dict[int, float]]:
    """A suggestion's end in Optuna's terms: value, state and, if it was stopped, the accuracy at the iteration."""
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


def distribution(key: str, parameter: Parameter) -> BaseDistribution:
    """Convert a parameter of the study file to an Optuna distribution."""
    return optuna_distribution(parameter.domain(whole=is_whole(key)))


def fits(key: str, parameter: Parameter, value: Any) -> bool:
    """Whether a value could have been suggested."""
    return value in parameter.domain(whole=is_whole(key))
