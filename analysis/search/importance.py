"""Parameter importance for each cell and method, by Optuna's evaluators."""

import math
from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd

from analysis.data.columns import CELL_METHOD
from analysis.search.distributions import optuna_distribution
from analysis.search.readings import sampled
from analysis.search.space import Domain, searched
from analysis.search.suggestions import suggestions

FEWEST = 10  # suggestions; below, the best and the rest are too few to tell apart
BEST = 5  # suggestions at least that count as the best: fewer, says Optuna, make PED-ANOVA unstable


def importance(
    results: pd.DataFrame, space: Mapping[str, Any], evaluator: Literal["ped_anova", "fanova"] = "ped_anova"
) -> pd.DataFrame:
    """Estimate how much each searched setting decided the validation accuracy of each cell and method.

    `space` as in `search.space.searched`. `ped_anova`: how far the settings of the best tenth (at least 5) lie from
    those of all (Watanabe et al., PED-ANOVA, 2023); stopped suggestions count as worse than all completed ones.
    `fanova`: the share of the variance of accuracy that a random forest gives to each setting alone, over completed
    suggestions (Hutter et al., 2014); a second a search. Both see only what was tried, and neither comes with an
    interval: below some dozens of suggestions the order of close settings is chance.

    Columns: dataset, samples_per_class, method, parameter, importance (0..1, sums to 1 over a search; nan below 10
    suggestions), rank (1: most important), n (suggestions), evaluator, note.
    """
    every, rows = sampled(suggestions(results), results), []
    domains = searched(space, whole=whole_settings(every))
    for key, tried in every.groupby(CELL_METHOD, sort=False):
        scored = tried[tried["completed"] | (tried["stopped"] & (evaluator == "ped_anova"))]
        own = {name: domain for name, domain in domains.items() if _varies(scored, name)}
        usable = scored[[_inside(row, own) for row in scored.to_dict("records")]]
        found = _importances(usable, own, evaluator) if len(usable) >= FEWEST and own else {}
        places = sorted(own, key=lambda name: -found.get(name, 0.0))
        note = "" if found else f"{len(usable)} suggestions inside the space are too few: {FEWEST} needed"
        for name in places:
            value, rank = found.get(name, math.nan), places.index(name) + 1 if found else None
            rows.append([*key, name, value, rank, len(usable), evaluator, note])
    columns = [*CELL_METHOD, "parameter", "importance", "rank", "n", "evaluator", "note"]
    return pd.DataFrame(rows, columns=columns).astype({"importance": float, "rank": "Int64"})


def whole_settings(tried: pd.DataFrame) -> set[str]:
    """Names of the settings whose values in the results are whole numbers."""
    settings = [name for name in tried.columns if name.startswith("config.")]
    return {name.removeprefix("config.") for name in settings if pd.api.types.is_integer_dtype(tried[name].dtype)}


def _varies(tried: pd.DataFrame, name: str) -> bool:
    column = f"config.{name}"
    return column in tried and bool(tried[column].notna().all()) and tried[column].nunique() > 1


def _inside(row: Mapping[Any, Any], domains: Mapping[str, Domain]) -> bool:
    return all(row[f"config.{name}"] in domain for name, domain in domains.items())


def _importances(tried: pd.DataFrame, domains: Mapping[str, Domain], evaluator: str) -> dict[str, float]:
    import optuna  # a second or more, and only here

    columns = [_settings(tried[f"config.{name}"], domain) for name, domain in domains.items()]
    distributions = {name: optuna_distribution(domain) for name, domain in domains.items()}
    scores = tried["accuracy"] - (~tried["completed"]).astype(float)  # stopped ones below all that completed
    trials = [
        optuna.trial.create_trial(
            params=dict(zip(distributions, values, strict=True)), distributions=distributions, value=float(score)
        )
        for *values, score in zip(*columns, scores, strict=True)
    ]
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # else every search announces a new study on stderr
    try:
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    finally:
        optuna.logging.set_verbosity(level)
    study.add_trials(trials)
    quantile = min(0.5, max(0.1, BEST / len(trials)))
    judges: dict[str, Any] = {
        "ped_anova": lambda: optuna.importance.PedAnovaImportanceEvaluator(target_quantile=quantile),
        "fanova": lambda: optuna.importance.FanovaImportanceEvaluator(seed=0),
    }
    found = optuna.importance.get_param_importances(study, evaluator=judges[evaluator]())
    return {name: float(value) for name, value in found.items()}


def _settings(column: pd.Series, domain: Domain) -> list[Any]:
    """Values as Optuna knows them: listed values as listed, others as int or float."""
    if domain.values:
        listed = {value: value for value in domain.values}
        return [listed.get(value, value) for value in column]
    return [int(value) if domain.whole else float(value) for value in column]
