"""The study file: a question, the cells and methods it is asked of, the search, the seeds. DESIGN §7.

`load` refuses a bad file with everything that is wrong with it at once.
"""

import copy
import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError

from dagan.config import Config, Section, facts_of, flatten, known_keys, merged, nest, problems_of, reaches, there
from dagan.methods import METHODS
from dagan.problem import InvalidInput, Problem, refuse, unknown
from dagan.splits import Phase
from sweeps.space import Parameter

Name = Annotated[str, Field(pattern=r"^\w[\w.-]*$", max_length=80)]
"""Of a study or a data set: it becomes part of file names."""
Seeds = Annotated[int, Field(ge=1, le=1000)] | list[Annotated[int, Field(ge=0, le=2**31)]]
"""How many, or which."""
FIRST_CONFIRM_SEED = 1000
"""Where confirm seeds start when only their number is given: far from the search seeds 0, 1, …"""


class Dataset(Section):
    """A built-in data set by name, or a folder of images under a name of one's own."""

    name: Name
    folder: Path | None = None
    root: Path | None = None
    image_size: int | None = None
    channels: Literal[1, 3] | None = None


class Budget(Section):
    """What each method of a cell may spend on its search."""

    trials: int = Field(ge=1, le=1_000_000)


class EarlyStopping(Section):
    """Successive halving within one method of one cell: at stage-2 iterations min_iter · eta^k the best 1/eta go on."""

    type: Literal["hyperband"] = "hyperband"
    min_iter: int = Field(ge=1, le=2**31)
    eta: int = Field(3, ge=2, le=1000)


class Search(Section):
    """The first phase: choose on validation images."""

    parameters: dict[str, Parameter] = Field({})
    budget: Budget
    seeds: Seeds = 1
    window: int = Field(4, ge=1)
    early_stopping: EarlyStopping | None = None


class Confirm(Section):
    """The second phase: measure the chosen config on test images with fresh seeds."""

    seeds: Seeds


class Resources(Section):
    """What one trial takes."""

    cpu: int = Field(1, ge=1)
    gpu: Annotated[float, Field(ge=0, le=64)] | Literal["auto"] = "auto"


class Cell(Section):
    """Data set × samples per class."""

    dataset: Dataset
    samples_per_class: int

    def __str__(self) -> str:
        return f"{self.dataset.name}, {self.samples_per_class} per class"


class Study(Section):
    """One question and everything that is needed to answer it."""

    name: Name
    question: str = ""
    datasets: list[Name | Dataset] = Field(min_length=1)
    samples_per_class: list[int] = Field(min_length=1)
    methods: list[str] = Field(min_length=1)
    compare: dict[str, list[str]] = Field({})
    smallest_difference: float = Field(0.5, ge=0)
    base: dict[str, Any] = Field({})
    search: Search
    confirm: Confirm
    resources: Resources = Resources()
    report_every: int = Field(50, ge=1)
    seed: int = Field(0, ge=0)

    @classmethod
    def of(cls, tree: Mapping[str, Any], *, folder: Path = Path()) -> Self:
        """A study from a nested mapping; relative image folders are meant from `folder`.

        Raises:
            InvalidInput: everything that is wrong with it, at once.
        """
        remaining: dict[str, Any] = json.loads(json.dumps(tree, default=str))
        problems: list[Problem] = []
        while True:
            try:
                study = cls.model_validate_json(json.dumps(remaining))
                break
            except ValidationError as error:
                # What is wrong by itself is noted and taken out, so that the rest can be looked at too.
                noted = [f"{problem.where}." for problem in problems]
                found = problems_of(error, cls, remaining)
                problems += [one for one in found if not any(where.startswith(f"{one.where}.") for where in noted)]
                before = copy.deepcopy(remaining)
                for item in error.errors():
                    take_out(remaining, item["loc"])
                if remaining == before:
                    raise InvalidInput(problems) from None
        study = study.with_absolute_folders(folder)
        problems += study.problems()
        if problems:
            raise InvalidInput(list(dict.fromkeys(problems)))
        return study

    def with_absolute_folders(self, folder: Path) -> Self:
        """The same study with its image folders as absolute paths: workers run in other directories."""
        datasets = [
            Dataset.model_validate(
                dataset.model_dump()
                | {key: (folder / path).resolve() for key in ("folder", "root") if (path := getattr(dataset, key))}
            )
            for dataset in self.cell_datasets
        ]
        return self.model_copy(update={"datasets": datasets})

    @property
    def cell_datasets(self) -> list[Dataset]:
        """The data sets, names spelled out."""
        return [Dataset(name=entry) if isinstance(entry, str) else entry for entry in self.datasets]

    @property
    def cells(self) -> list[Cell]:
        """Every data set at every size."""
        return [
            Cell(dataset=dataset, samples_per_class=n) for dataset in self.cell_datasets for n in self.samples_per_class
        ]

    @property
    def search_seeds(self) -> list[int]:
        """Seeds of the search phase."""
        return list(range(self.search.seeds)) if isinstance(self.search.seeds, int) else self.search.seeds

    @property
    def confirm_seeds(self) -> list[int]:
        """Seeds of the confirm phase, fresh ones."""
        seeds = self.confirm.seeds
        return list(range(FIRST_CONFIRM_SEED, FIRST_CONFIRM_SEED + seeds)) if isinstance(seeds, int) else seeds

    def space(self, method: str) -> dict[str, Parameter]:
        """The searched settings that the method has."""
        return {key: value for key, value in self.search.parameters.items() if reaches(key, method)}

    def config(
        self, cell: Cell, method: str, *, seed: int, phase: Phase, settings: Mapping[str, Any] | None = None
    ) -> Config:
        """The config of one trial: the base, where the method has it, with the searched settings on top."""
        dataset = cell.dataset
        data = {"dataset": dataset.name, "samples_per_class": cell.samples_per_class, "phase": phase} | {
            key: value
            for key in ("folder", "root", "image_size", "channels")
            if (value := getattr(dataset, key)) is not None
        }
        own = {key: value for key, value in flatten(self.base).items() if reaches(key, method)}
        choices = merged(nest(own), {**(settings or {}), "method": method, "seed": seed})
        choices["data"] = (choices.get("data") or {}) | data
        # A trial without a GPU of its own sees every GPU of its node: it must not take one.
        own_device = {"device": "cpu"} if self.resources.gpu == 0 else {}
        choices["compute"] = {"threads": self.resources.cpu} | own_device | (choices.get("compute") or {})
        return Config.of(choices)

    def rungs(self, config: Config) -> list[int]:
        """Stage-2 iterations at which a search trial may be stopped."""
        rule = self.search.early_stopping
        rungs: list[int] = []
        while rule and (rung := rule.min_iter * rule.eta ** len(rungs)) < config.classifier.iterations:
            rungs.append(rung)
        return rungs

    @cached_property
    def resolved(self) -> dict[str, Any]:
        """The study as plain values, defaults included, as it is kept beside its results."""
        tree: dict[str, Any] = self.model_dump(mode="json", exclude_none=True)
        return tree

    @property
    def text(self) -> str:
        """The resolved study as YAML."""
        return yaml.safe_dump(self.resolved, sort_keys=False, allow_unicode=True)

    @property
    def hash(self) -> str:
        """12 hex digits of the resolved study's text."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]

    def problems(self) -> list[Problem]:
        """Rules that tie the parts of a study to each other and to the data sets."""
        found = [*self._method_problems(), *self._seed_problems()]
        shapeless = self._base_problems()
        if shapeless:
            return found + shapeless
        return [*found, *self._parameter_problems(), *self._early_stopping_problems(), *self._config_problems()]

    def _base_problems(self) -> list[Problem]:
        """Sections of `base` that are none, and settings that are sections: no config could be built with them."""
        known = known_keys()
        sections = {key.rpartition(".")[0] for key in known} - {""}
        problems = []
        for key, value in self.base.items():
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

    def _early_stopping_problems(self) -> list[Problem]:
        """An early stopping that could never stop anything."""
        rule, key = self.search.early_stopping, "classifier.iterations"
        if rule is None:
            return []
        longest: Any = None
        if key in self.search.parameters:
            longest = max((x for x in self.search.parameters[key].extremes if isinstance(x, int)), default=None)
        else:
            longest = flatten(self.base).get(key)
        if not isinstance(longest, int) or rule.min_iter < longest:
            return []
        return [
            Problem(
                "search.early_stopping.min_iter",
                f"must be < {longest}, the most stage-2 iterations ({key}), or it never acts, but is {rule.min_iter}.",
            )
        ]

    def _method_problems(self) -> list[Problem]:
        problems = [
            Problem("methods", unknown("method", name, METHODS)) for name in self.methods if name not in METHODS
        ]
        for where, values in (("methods", self.methods), ("samples_per_class", self.samples_per_class)):
            problems += [Problem(where, f"`{value}` is listed twice.") for value in repeated(values)]
        names = [dataset.name for dataset in self.cell_datasets]
        problems += [
            Problem("datasets", f"`{name}` is listed twice.")
            for name in sorted({n for n in names if names.count(n) > 1})
        ]
        for method, baselines in self.compare.items():
            where = f"compare.{method}"
            problems += [Problem(where, f"`{name}` is listed twice.") for name in repeated(baselines)]
            problems += [Problem(where, "a method cannot be its own baseline.")] * (method in baselines)
            problems += [
                Problem(where, f"`{name}` is compared with `{method}` already; the same test would count twice.")
                for name in baselines
                if name < method and method in self.compare.get(name, [])
            ]
        compared = [(f"compare.{key}", name) for key, values in self.compare.items() for name in (key, *values)]
        problems += [
            Problem(where, f"`{name}` is not among the study's methods: {', '.join(self.methods)}.")
            for where, name in compared
            if name not in self.methods
        ]
        return problems

    def _seed_problems(self) -> list[Problem]:
        problems = []
        for where, seeds in (("search.seeds", self.search_seeds), ("confirm.seeds", self.confirm_seeds)):
            if not seeds or len(set(seeds)) < len(seeds):
                problems.append(Problem(where, f"must be a list of different seeds, at least one, but is {seeds}."))
        overlap = sorted(set(self.search_seeds) & set(self.confirm_seeds))
        if overlap:
            shown = ", ".join(map(str, overlap))
            problems.append(
                Problem(
                    "confirm.seeds",
                    f"search and confirm seeds overlap: {shown}. Confirm seeds must be fresh.",
                )
            )
        if self.search_seeds and self.search.budget.trials % len(self.search_seeds):
            problems.append(
                Problem(
                    "search.budget.trials",
                    f"must be a multiple of the {len(self.search_seeds)} search seeds, since each setting is tried"
                    f" with each seed, but is {self.search.budget.trials}.",
                )
            )
        return problems

    def _parameter_problems(self) -> list[Problem]:
        keys = [key for key in known_keys() if key.split(".")[0] not in ("method", "seed", "data", "compute")]
        problems = []
        for key in self.search.parameters:
            if key not in keys:
                problems.append(Problem(f"search.parameters.{key}", unknown("setting", key, keys)))
            elif not any(reaches(key, method) for method in self.methods if method in METHODS):
                problems.append(
                    Problem(f"search.parameters.{key}", f"reaches none of the methods {', '.join(self.methods)}.")
                )
            elif key in flatten(self.base):
                problems.append(Problem(f"search.parameters.{key}", "is fixed by `base` too. Remove one of the two."))
        problems += [
            Problem(f"base.{key}", f"reaches none of the methods {', '.join(self.methods)}.")
            for key in flatten(self.base)
            if not any(reaches(key, method) for method in self.methods if method in METHODS)
        ]
        fixed = [key for key in flatten(self.base) if key in ("method", "seed") or key.startswith("data.")]
        allowed = {"data.validation", "data.validation_fraction"}
        problems += [
            Problem(f"base.{key}", "is decided by the study's own keys. Remove it.")
            for key in fixed
            if key not in allowed
        ]
        return problems

    def _config_problems(self) -> list[Problem]:
        """Build a config for every method at every end of every range, in every cell: what fails there fails here."""
        problems: list[Problem] = []
        for dataset in self.cell_datasets:
            try:
                facts_of(dataset.model_dump(exclude_none=True) | {"dataset": dataset.name})
            except InvalidInput as error:
                problems += [Problem("datasets", problem.message) for problem in error.problems]
        if problems:
            return problems
        known = set(known_keys())
        for cell in self.cells:
            for method in (method for method in self.methods if method in METHODS):
                space = {key: value for key, value in self.space(method).items() if key in known}
                trials: list[dict[str, Any]] = [{}] + [
                    {key: value} for key, parameter in space.items() for value in parameter.extremes
                ]
                for settings in trials:
                    try:
                        self.config(cell, method, seed=0, phase="search", settings=settings)
                    except InvalidInput as error:
                        problems += [relocated(problem, settings) for problem in error.problems]
        return list(dict.fromkeys(problems))


def repeated(values: Sequence[object]) -> list[object]:
    """The values that are there more than once."""
    return [value for value, count in Counter(values).items() if count > 1]


def relocated(problem: Problem, settings: Mapping[str, Any]) -> Problem:
    """A config's problem, said of the key of the study file that it comes from."""
    if problem.where in settings:
        return Problem(f"search.parameters.{problem.where}", problem.message)
    if problem.where == "data.samples_per_class":
        return Problem("samples_per_class", problem.message)
    if problem.where.startswith("data.") and problem.where != "data.validation_fraction":
        return Problem("datasets", f"`{problem.where.removeprefix('data.')}` {problem.message}")
    return Problem(f"base.{problem.where}", problem.message)


REQUIRED: dict[str, Any] = {
    "name": "unnamed",
    "datasets": ["digits"],
    "samples_per_class": [1],
    "methods": ["c"],
    "search": {"budget": {"trials": 1}},
    "confirm": {"seeds": 1},
}
"""Stand-ins for needed keys that are missing or wrong, so that the rest of a bad study can still be checked."""


def take_out(tree: dict[str, Any], location: Sequence[int | str]) -> None:
    """Remove from a study what an error points at, or put the stand-in where it is needed.

    Of a location the part counts that is there: for a missing key that is the section that lacks it.
    """
    path = there(tree, location) or [str(location[0])]
    branch: Any = tree
    stand_in: Any = REQUIRED
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


class Loader(yaml.SafeLoader):
    """YAML as people mean it: 1e-4 is a number, and a key given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping, none of whose keys is given twice."""
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
    """A YAML mapping.

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
    """YAML as JSON would have it: keys are text, and so is everything that is no number, truth value or null."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value if isinstance(value, bool | int | float | None) else str(value)


def read_file(path: Path, where: str) -> str:
    """The text of a file.

    Raises:
        InvalidInput: no such file, or no text in it.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise refuse(where, f"`{path}` must be a YAML file, but there is none.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise refuse(where, f"`{path}` must be a YAML file in UTF-8, but cannot be read ({error}).") from None


def shipped() -> dict[str, str]:
    """The texts of the studies that come with the package, by name."""
    folder = resources.files("sweeps") / "studies"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    return {file.name.removesuffix(".yaml"): file.read_text(encoding="utf-8") for file in files}


def load(name: str, overrides: Sequence[str] = ()) -> Study:
    """A shipped study by name, or one from a YAML file, with `key=value` overrides.

    Raises:
        InvalidInput: no such study, or everything that is wrong with it.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        tree, folder = read_yaml(read_file(path, "STUDY"), name), path.parent
    else:
        studies = shipped()
        if name not in studies:
            raise refuse("STUDY", unknown("study", name, studies) + " For a file of your own give its path.")
        tree, folder = read_yaml(studies[name], name), Path()
    return Study.of(overridden(tree, overrides), folder=folder)


def overridden(tree: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """A tree with `dotted.key=value` overrides; the values are read as YAML.

    Settings under `base` and `search.parameters` are themselves dotted: there the rest of the key is one key.

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
        prefix = next((p for p in ("search.parameters.", "base.") if key.startswith(p)), "")
        parts = [*prefix.rstrip(".").split("."), key.removeprefix(prefix)] if prefix else key.split(".")
        for part in parts[:-1]:
            inner = branch.setdefault(part, {})
            if not isinstance(inner, dict):
                raise refuse("--set", f"`{key}` cannot be set: `{part}` is {inner!r}, not a section.")
            branch = inner
        branch[parts[-1]] = read_yaml(f"value: {value}", "--set")["value"]
    return changed
