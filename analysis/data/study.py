"""The study file as a report needs it: question, declared comparisons, search space, factors."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from analysis.errors import ResultsError


@dataclass(frozen=True)
class Study:
    """The part of a resolved `study.yaml` that analysis reads; everything but the name may be missing."""

    name: str
    question: str = ""
    methods: tuple[str, ...] = ()
    compare: Mapping[str, Sequence[str]] = field(default_factory=dict)
    smallest_difference: float = 0.5  # percentage points
    confirm_seeds: int | None = None
    parameters: tuple[str, ...] = ()  # the searched keys, as in `gan.iterations`
    space: Mapping[str, Any] = field(default_factory=dict)  # key → its form in the file
    rungs: tuple[int, int] | None = (
        None  # of early stopping: the first iteration of stage 2, and the factor to the next
    )
    factors: Mapping[str, Any] = field(default_factory=dict)  # key of an ablation → its base level, None: unsaid
    digest: str = ""  # of the file, first 12 hexadecimal digits of SHA-256


def load_study(directory: Path) -> Study:
    """Read `study.yaml` of a study directory; without that file, a study of the directory's name.

    Raises:
        ResultsError: The file is not YAML, or not a mapping.
    """
    path = directory / "study.yaml"
    if not path.is_file():
        return Study(name=directory.resolve().name)
    content = path.read_bytes()
    raw = _mapping(content, path)
    search, confirm = raw.get("search") or {}, raw.get("confirm") or {}
    return Study(
        name=str(raw.get("name") or directory.resolve().name),
        question=str(raw.get("question") or ""),
        methods=tuple(str(method) for method in raw.get("methods") or ()),
        compare={str(m): tuple(map(str, baselines)) for m, baselines in (raw.get("compare") or {}).items()},
        smallest_difference=float(raw.get("smallest_difference", 0.5)),
        confirm_seeds=confirm.get("seeds"),
        parameters=tuple(str(key) for key in search.get("parameters") or ()),
        space=dict(search.get("parameters") or {}),
        rungs=_rungs(search.get("early_stopping")),
        factors={str(key): _level(raw.get("base"), str(key)) for key in raw.get("factors") or ()},
        digest=hashlib.sha256(content).hexdigest()[:12],
    )


def _rungs(rule: object) -> tuple[int, int] | None:
    if not isinstance(rule, Mapping) or "min_iter" not in rule:
        return None
    return int(rule["min_iter"]), int(rule.get("eta", 3))


def _level(base: object, key: str) -> Any:
    """Value of a dotted key in the `base` of the file; None if it has none."""
    for name in key.split("."):
        base = base.get(name) if isinstance(base, Mapping) else None
    return base


def _mapping(content: bytes, path: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise ResultsError(
            f"{path} must be YAML, but {str(error).splitlines()[0]}. Run the study again to rewrite it."
        ) from error
    if not isinstance(raw, dict):
        raise ResultsError(f"{path} must hold keys and values, but holds {type(raw).__name__}.")
    return raw
