"""Study and config files: reading YAML, the shipped studies, overrides."""

import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from dagan.errors import InvalidInput, Problem, refuse, unknown
from sweeps.study.parse import study_of
from sweeps.study.schema import Study


def shipped() -> dict[str, str]:
    """Texts of the studies that come with the package, by name."""
    folder = resources.files("sweeps") / "studies"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    return {file.name.removesuffix(".yaml"): file.read_text(encoding="utf-8") for file in files}


def load(name: str, overrides: Sequence[str] = ()) -> Study:
    """Load a shipped study by its name, or one from a YAML file, with `key=value` overrides.

    Raises:
        InvalidInput: there is no such study, or everything that is wrong with it.
    """
    path = Path(name)
    if path.is_dir() or path.suffix == ".zip":
        remedy = "Images become a study by `sweeps init`: it looks at them and writes one."
        raise refuse("STUDY", f"must be a study, but {name} is a {'folder' if path.is_dir() else 'zip'}. {remedy}")
    if path.suffix in (".yaml", ".yml") or path.is_file():
        tree, folder = read_yaml(read_file(path, "STUDY"), name), path.parent
    else:
        studies = shipped()
        if name not in studies:
            raise refuse("STUDY", unknown("study", name, studies) + " For a file of your own give its path.")
        tree, folder = read_yaml(studies[name], name), Path()
    return study_of(overridden(tree, overrides), folder=folder)


def overridden(tree: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Apply `dotted.key=value` overrides to a tree; the values are read as YAML.

    Settings under `base` and `search.parameters` are themselves dotted: there the rest of the key is one key. A length
    in iterations takes the place of the same length in epochs, and the other way round. `key=null` takes a key away.

    Raises:
        InvalidInput: an override without `=`.
    """
    changed: dict[str, Any] = json.loads(json.dumps(tree, default=str))
    wrong = [Problem("--set", f"must be key=value, but is `{text}`.") for text in overrides if "=" not in text]
    if wrong:
        raise InvalidInput(wrong)
    for text in overrides:
        key, _, value = text.partition("=")
        branch = changed
        section = next((p for p in ("search.parameters.", "base.") if key.startswith(p)), "")
        parts = [*section.rstrip(".").split("."), key.removeprefix(section)] if section else key.split(".")
        for part in parts[:-1]:
            inner = branch.setdefault(part, {})
            if not isinstance(inner, dict):
                raise refuse("--set", f"`{key}` cannot be set: `{part}` is {inner!r}, not a section.")
            branch = inner
        chosen = read_yaml(f"value: {value}", "--set")["value"]
        if chosen is None:
            remove(branch, parts[-1])
            continue
        branch[parts[-1]] = chosen
        remove_other_unit(branch, parts[-1])
    return changed


def remove(section: dict[str, Any], key: str) -> None:
    """Remove a key from a section where it may stand nested or dotted, or in part both."""
    section.pop(key, None)
    outer, _, rest = key.partition(".")
    if rest and isinstance(nested := section.get(outer), dict):
        remove(nested, rest)


UNITS = {"iterations": "epochs", "epochs": "iterations"}
"""The units of a length, each with the other."""


def remove_other_unit(section: dict[str, Any], key: str) -> None:
    """Remove from a section, nested or dotted as it is there, the same length in the unit that a key does not have."""
    outer, _, unit = key.rpartition(".")
    if unit not in UNITS:
        return
    section.pop(f"{outer}.{UNITS[unit]}", None)
    if isinstance(nested := section.get(outer), dict):
        nested.pop(UNITS[unit], None)


class Loader(yaml.SafeLoader):
    """Reads 1e-4 as a number, and refuses a key that is given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping; a key that is given twice is an error."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"key `{twice}` is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*)(\.\d*)?[eE][-+]?\d+$"),
    list("-+0123456789"),
)


def read_yaml(text: str, where: str) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises:
        InvalidInput: not YAML, or not a mapping.
    """
    try:
        tree = yaml.load(text, Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise refuse(where, f"is not valid YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(tree, dict):
        raise refuse(where, f"must hold keys and values, but holds {type(tree).__name__}.")
    try:
        checked: dict[str, Any] = plain(tree)
    except RecursionError:
        raise refuse(where, "must not hold itself (by an alias).") from None
    return checked


def plain(value: Any) -> Any:
    """Values that JSON has: keys become text, and so does what is neither a number, a truth value nor null."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value if isinstance(value, bool | int | float | None) else str(value)


def read_file(path: Path, where: str) -> str:
    """Read a text file.

    Raises:
        InvalidInput: there is no such file, or it holds no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise refuse(where, f"`{path}` must be a YAML file, but there is none.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise refuse(where, f"`{path}` must be a YAML file in UTF-8, but cannot be read ({error}).") from None
