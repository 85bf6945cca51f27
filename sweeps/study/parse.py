"""Parsing a study: a nested mapping becomes a Study, or everything that is wrong with it is said at once."""

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dagan.errors import InvalidInput, Problem
from dagan.nested import problems_of, there
from sweeps.study.rules import broken_rules
from sweeps.study.schema import Study

STAND_INS: dict[str, Any] = {
    "name": "unnamed",
    "datasets": ["digits"],
    "samples_per_class": [1],
    "methods": ["c"],
    "confirm": {"seeds": 1},
}
"""Values for required keys that are missing or wrong, so that the rest of a bad study can still be checked."""


def study_of(tree: Mapping[str, Any], *, folder: Path = Path()) -> Study:
    """Build a study from a nested mapping; relative paths in it are resolved from `folder`.

    Raises:
        InvalidInput: everything that is wrong with it, at once.
    """
    study, problems = validated(tree)
    study = study.with_absolute_paths(folder)
    problems += broken_rules(study)
    if problems:
        raise InvalidInput(list(dict.fromkeys(problems)))
    return study


def validated(tree: Mapping[str, Any]) -> tuple[Study, list[Problem]]:
    """Validate each key by itself.

    Keys that are wrong are removed, or replaced by stand-ins, until the rest is a study whose rules can be checked.

    Raises:
        InvalidInput: the errors of a tree of which nothing more can be removed.
    """
    remaining: dict[str, Any] = json.loads(json.dumps(tree, default=str))
    problems: list[Problem] = []
    while True:
        try:
            return Study.model_validate_json(json.dumps(remaining)), problems
        except ValidationError as error:
            # A section that now lacks a key, since that was removed as wrong, is not wrong once more.
            reported = [f"{problem.where}." for problem in problems]
            found = problems_of(error, Study, remaining)
            problems += [one for one in found if not any(where.startswith(f"{one.where}.") for where in reported)]
            before = copy.deepcopy(remaining)
            for item in error.errors():
                remove(remaining, item["loc"])
            if remaining == before:
                raise InvalidInput(problems) from None


def remove(tree: dict[str, Any], location: Sequence[int | str]) -> None:
    """Remove from a study what an error points at, or put the stand-in where the key is required.

    Where the location of an error does not exist, since a key is missing, the section that lacks it is removed.
    """
    path = there(tree, location) or [str(location[0])]
    branch: Any = tree
    stand_in: Any = STAND_INS
    for part in path[:-1]:
        branch = branch[int(part)] if isinstance(branch, list) else branch[part]
        stand_in = stand_in.get(part) if isinstance(stand_in, dict) else None
    leaf = path[-1]
    stand_in = stand_in.get(leaf) if isinstance(stand_in, dict) else None
    if isinstance(branch, list):
        del branch[int(leaf)]
    elif stand_in is not None:
        branch[leaf] = copy.deepcopy(stand_in)
    else:
        branch.pop(leaf, None)
