"""The rules that tie the parts of a study to each other and to its data sets; errors name the key at fault."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from dagan.config import facts_of, known_keys
from dagan.defaults import reaches
from dagan.errors import InvalidInput, Problem, unknown
from dagan.methods import METHODS
from dagan.nested import flatten
from sweeps.study.readings import LENGTHS
from sweeps.study.schema import Study


def broken_rules(study: Study) -> list[Problem]:
    """Check all rules; a `base` of the wrong shape leaves the others that need a config unchecked."""
    shapeless = base_problems(study)
    found = [*method_problems(study), *seed_problems(study), *shapeless]
    if shapeless:
        return found
    return [
        *found,
        *design_problems(study),
        *parameter_problems(study),
        *early_stopping_problems(study),
        *quality_problems(study),
        *(config_problems(study) or shortages(study)),
    ]


def design_problems(study: Study) -> list[Problem]:
    """Check that factors and design come together, and that no other key decides a factor."""
    problems = []
    if study.design and not study.factors:
        problems.append(Problem("factors", f"is needed with `design: {study.design}`, but missing."))
    if study.factors and not study.design:
        problems.append(Problem("design", "is needed with `factors`: grid, one_factor or leave_one_out."))
    for key, values in study.factors.items():
        where = f"factors.{key}"
        problems += setting_problems(where, key, study)
        if key in study.search.parameters:
            problems.append(Problem(where, "is searched too, by `search.parameters`. Remove one of the two."))
        elif key in flatten(study.base) and study.design == "grid":
            problems.append(Problem(where, "is fixed by `base` too. Remove one of the two."))
        problems += [Problem(where, f"`{value}` is listed twice.") for value in repeated(values)]
        if study.design == "leave_one_out" and len(values) != 1:
            problems.append(Problem(where, f"must have one value with leave_one_out, but has {len(values)}."))
    return problems


def setting_problems(where: str, key: str, study: Study) -> list[Problem]:
    """Check that a setting exists, that no key of the study decides it, and that it reaches a method."""
    keys = [key for key in known_keys() if key.split(".")[0] not in ("method", "seed", "data", "compute")]
    if key not in keys:
        return [Problem(where, unknown("setting", key, keys))]
    return [] if reaches_one(key, study) else [Problem(where, unreached(study))]


def reaches_one(key: str, study: Study) -> bool:
    """Whether a setting reaches one of the study's methods; one that is misspelt may have it."""
    return any(method not in METHODS or reaches(key, method) for method in study.methods)


def unreached(study: "Study") -> str:
    """What to say of a setting that no method has."""
    return f"reaches none of the methods {', '.join(study.methods)}. Remove it, or add a method that has it."


def base_problems(study: Study) -> list[Problem]:
    """Check that sections of `base` hold settings and settings hold values, so that a config can be built."""
    known = known_keys()
    sections = {key.rpartition(".")[0] for key in known} - {""}
    problems = []
    for key, value in study.base.items():
        if key in sections and not isinstance(value, dict):
            problems.append(Problem(f"base.{key}", f"must hold keys and values, but is {value!r}."))
        elif key not in sections and key not in known:
            problems.append(Problem(f"base.{key}", unknown("setting", key, sorted(sections) + known)))
        elif isinstance(value, dict):
            problems += [
                Problem(f"base.{key}.{inner}", f"must be a single value, but is {held!r}.")
                for inner, held in value.items()
                if isinstance(held, dict)
            ]
    return problems


def early_stopping_problems(study: Study) -> list[Problem]:
    """Check that early stopping can stop a trial."""
    rule = study.search.early_stopping
    if rule is None:
        return []
    searched = [(key, study.search.parameters[key]) for key in LENGTHS if key in study.search.parameters]
    settings = [{key: value} for key, parameter in searched for value in parameter.extremes]
    lengths = []
    for cell, method, chosen in itertools.product(study.cells, study.methods, settings or [{}]):
        with suppress(InvalidInput, KeyError):  # said elsewhere
            config = study.config(cell, method, seed=0, phase="search", settings=chosen)
            lengths.append(config.classifier.iterations)
    if not lengths or rule.min_iter < max(lengths):
        return []
    return [
        Problem(
            "search.early_stopping.min_iter",
            f"must be < {max(lengths)}, the most stage-2 iterations, or it never acts, but is {rule.min_iter}.",
        )
    ]


def quality_problems(study: Study) -> list[Problem]:
    """Check that there are generated images, and images left for a judge to learn from."""
    if not study.confirm.quality:
        return []
    base, where = flatten(study.base), "confirm.quality"
    problems = []
    if not any(METHODS[method].has_generated for method in study.methods if method in METHODS):
        problems.append(
            Problem(where, f"reaches nothing: none of {', '.join(study.methods)} has generated images. Remove it.")
        )
    validations = {str(base["data.validation"])} if "data.validation" in base else own_validations(study)
    problems += [
        Problem(where, f"needs a judge, and with `data.validation: {validation}` no images are left for it. {remedy}")
        for validation, remedy in (("within", "Remove one of the two."), ("own", "Set `data.validation: held_out`."))
        if validation in validations
    ]
    return problems


def own_validations(study: Study) -> set[str]:
    """Return where the data sets have their validation images, if nothing else is said."""
    found = set()
    for dataset in study.cell_datasets:
        with suppress(InvalidInput):  # said elsewhere
            facts = facts_of(dataset.model_dump(exclude_none=True) | {"dataset": dataset.name})
            found.add("own" if facts.has_validation else "held_out")
    return found


def method_problems(study: Study) -> list[Problem]:
    """Check that names are known and given once, and that the comparisons can be made."""
    problems = [Problem("methods", unknown("method", name, METHODS)) for name in study.methods if name not in METHODS]
    for where, values in (("methods", study.methods), ("samples_per_class", study.samples_per_class)):
        problems += [Problem(where, f"`{value}` is listed twice.") for value in repeated(values)]
    names = [dataset.name for dataset in study.cell_datasets]
    problems += [
        Problem("datasets", f"`{name}` is listed twice.") for name in sorted({n for n in names if names.count(n) > 1})
    ]
    for method, baselines in study.compare.items():
        where = f"compare.{method}"
        problems += [Problem(where, f"`{name}` is listed twice.") for name in repeated(baselines)]
        problems += [Problem(where, "a method cannot be its own baseline.")] * (method in baselines)
        problems += [
            Problem(where, f"`{name}` is compared with `{method}` already; the same test would count twice.")
            for name in baselines
            if name < method and method in study.compare.get(name, [])
        ]
    compared = [(f"compare.{key}", name) for key, values in study.compare.items() for name in (key, *values)]
    problems += [
        Problem(where, f"`{name}` is not among the study's methods: {', '.join(study.methods)}.")
        for where, name in compared
        if name not in study.methods and not (name in METHODS and set(study.methods) - METHODS.keys())
    ]
    return problems


def seed_problems(study: Study) -> list[Problem]:
    """Check that confirm seeds are fresh, and that the budget divides among the search seeds."""
    problems = []
    for where, seeds in (("search.seeds", study.search_seeds), ("confirm.seeds", study.confirm_seeds)):
        if not seeds or len(set(seeds)) < len(seeds):
            problems.append(Problem(where, f"must be a list of different seeds, at least one, but is {seeds}."))
    overlap = sorted(set(study.search_seeds) & set(study.confirm_seeds))
    if overlap:
        shown = ", ".join(map(str, overlap))
        problems.append(
            Problem(
                "confirm.seeds",
                f"search and confirm seeds overlap: {shown}. Confirm seeds must be fresh.",
            )
        )
    budget = study.search.budget.trials if study.search.budget else None
    if study.search_seeds and budget and budget % len(study.search_seeds):
        problems.append(
            Problem(
                "search.budget.trials",
                f"must be a multiple of the {len(study.search_seeds)} search seeds, since each setting is tried"
                f" with each seed, but is {budget}.",
            )
        )
    return problems


def parameter_problems(study: Study) -> list[Problem]:
    """Check that searched and fixed settings exist, reach a method, and are decided once."""
    problems = []
    for key in study.search.parameters:
        found = setting_problems(f"search.parameters.{key}", key, study)
        if not found and key in flatten(study.base):
            found = [Problem(f"search.parameters.{key}", "is fixed by `base` too. Remove one of the two.")]
        problems += found
    if study.search.parameters and study.search.budget is None:
        problems.append(Problem("search.budget", "is needed with `search.parameters`: {trials: N} or {pflop: X}."))
    problems += [Problem(f"base.{key}", unreached(study)) for key in flatten(study.base) if not reaches_one(key, study)]
    fixed = [key for key in flatten(study.base) if key in ("method", "seed") or key.startswith("data.")]
    allowed = {f"data.{key}" for key in ("validation", "validation_fraction", "validation_images", "test_duplicates")}
    problems += [
        Problem(f"base.{key}", "is decided by the study's own keys. Remove it.") for key in fixed if key not in allowed
    ]
    return problems


def config_problems(study: Study) -> list[Problem]:
    """Build a config for every method at both ends of every range, in every cell, and collect its errors."""
    problems: list[Problem] = []
    for dataset in study.cell_datasets:
        try:
            facts_of(dataset.model_dump(exclude_none=True) | {"dataset": dataset.name})
        except InvalidInput as error:
            problems += [Problem("datasets", problem.message) for problem in error.problems]
        if dataset.generated and not any(METHODS[name].external for name in study.methods if name in METHODS):
            rule = f"`generated` of {dataset.name} reaches none of the methods {', '.join(study.methods)}."
            problems.append(Problem("datasets", f"{rule} Remove it, or add `external` or `external_aug`."))
    if problems:
        return problems
    known = set(known_keys())
    for cell in study.cells:
        for method in (method for method in study.methods if method in METHODS):
            space = {key: value for key, value in study.space(method).items() if key in known}
            trials: list[dict[str, Any]] = [{}] + [
                {key: value} for key, parameter in space.items() for value in parameter.extremes
            ]
            trials += [
                {key: value}
                for key, values in study.factors.items()
                if key in known and reaches(key, method)
                for value in values
            ]
            for settings in trials:
                try:
                    study.config(cell, method, seed=0, phase="search", settings=settings)
                except InvalidInput as error:
                    problems += [relocated(problem, settings, study) for problem in error.problems]
    return list(dict.fromkeys(problems))


def shortages(study: Study) -> list[Problem]:
    """Find folders with fewer generated images than are drawn offline at the largest ratio that a study tries."""
    problems = []
    for cell in study.cells:
        for method in (name for name in study.methods if name in METHODS and METHODS[name].external):
            base = study.config(cell, method, seed=0, phase="confirm").classifier
            ratios = tried(study, "classifier.augmentation_ratio", base.augmentation_ratio)
            most = {"classifier.augmentation_ratio": max(ratios), "classifier.generated": "offline"}
            if "offline" in tried(study, "classifier.generated", base.generated):
                try:
                    study.config(cell, method, seed=0, phase="confirm", settings=most).require_generated()
                except InvalidInput as error:
                    problems += [relocated(problem, most, study) for problem in error.problems]
    return list(dict.fromkeys(problems))


def tried(study: Study, key: str, base: Any) -> list[Any]:
    """The values of a setting that a study tries, of a range both ends; those of the base where it has no other."""
    if key in study.search.parameters:
        return study.search.parameters[key].extremes
    return [*study.factors.get(key, []), *([] if study.design == "grid" and key in study.factors else [base])]


def repeated(values: Sequence[object]) -> list[object]:
    """The values that are listed more than once."""
    return [value for value, count in Counter(values).items() if count > 1]


def relocated(problem: Problem, settings: Mapping[str, Any], study: Study) -> Problem:
    """A config's error as an error of the study's key that the setting comes from."""
    if problem.where in settings:
        section = "factors" if problem.where in study.factors else "search.parameters"
        return Problem(f"{section}.{problem.where}", problem.message)
    if problem.where == "data.samples_per_class":
        return Problem("samples_per_class", problem.message)
    if problem.where.startswith("data.") and problem.where != "data.validation_fraction":
        return Problem("datasets", f"`{problem.where.removeprefix('data.')}` {problem.message}")
    return Problem(f"base.{problem.where}", problem.message)
