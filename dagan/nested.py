"""Nested settings: by dotted key, one over another, and what pydantic finds wrong with them in plain words."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from dagan.errors import Problem, unknown


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested mapping by dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inverse of `flatten`."""
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *parents, leaf = key.split(".")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[leaf] = value
    return tree


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return the nested mapping `base` with the values of `change` in their places."""
    return nest(flatten(base) | flatten(change))


def section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the section model in an annotation such as `Gan | None` or `list[str | Dataset]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := section_of(inner))), None)


def problems_of(error: ValidationError, model: type[BaseModel], tree: Any) -> list[Problem]:
    """Return a pydantic error on a tree as problems: rule, value and, for an unknown key, the nearest known one.

    Where several forms are allowed, what each of them would need is one problem, said where it is deepest.
    """
    rules: dict[str, list[str]] = {}
    values: dict[str, str] = {}
    problems = []
    for item in error.errors():
        path = there(tree, item["loc"])
        where = ".".join(path)
        if item["type"] == "extra_forbidden":
            problems.append(Problem(where, unknown("key", path[-1], siblings(model, path))))
        elif item["type"] == "missing":
            problems.append(Problem(".".join([*path, str(item["loc"][-1])]), "is needed, but missing."))
        else:
            rules.setdefault(where, []).append(rule_of(item["type"], item["msg"]))
            # Rules of our own name the values that they are about.
            values[where] = "" if item["type"] == "value_error" else f", but is {item['input']!r}"
    for where, needed in rules.items():
        problems.append(Problem(where, f"must be {' or '.join(dict.fromkeys(needed))}{values[where]}."))
    deeper = tuple(problem.where for problem in problems)
    return [one for one in problems if not any(where.startswith(f"{one.where}.") for where in deeper)]


def rule_of(kind: str, message: str) -> str:
    """Return a pydantic message as the end of the sentence “must be …”."""
    plain = {
        "string_pattern_mismatch": "a name of letters, digits, `_`, `.` and `-`, with a letter or digit first",
        "list_type": "a list",
        "too_short": "a list with at least one item",
    }
    rule = message.removeprefix("Input should be ").removeprefix("Value error, ")
    return plain.get(kind, rule[0].lower() + rule[1:])


def there(tree: Any, location: Sequence[int | str]) -> list[str]:
    """Return the part of a pydantic location that is in the tree: names of the forms that it tried are left out."""
    path = []
    for part in location:
        inside = isinstance(tree, dict) and part in tree
        if inside or (isinstance(tree, list) and isinstance(part, int) and part < len(tree)):
            tree = tree[part]
            path.append(str(part))
    return path


def siblings(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    """Return the keys that are known where the last part of a path stands."""
    for part in path[:-1]:
        field = model.model_fields.get(part)
        model = (section_of(field.annotation) if field else None) or model
    return list(model.model_fields)
