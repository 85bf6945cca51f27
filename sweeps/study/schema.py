"""The models of a study: its question, its cells and methods, the search, the seeds.

`sweeps.study.parse` builds one from a mapping and refuses a bad one with everything that is wrong with it.
"""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, model_validator

from dagan.config import Config
from dagan.data.facts import Fit
from dagan.data.splits import Phase
from dagan.defaults import reaches
from dagan.nested import flatten, merged, nest
from dagan.settings import Section
from sweeps.study.design import Design, Point, points
from sweeps.study.space import Parameter, Scalar

Name = Annotated[str, Field(pattern=r"^\w[\w.-]*$", max_length=80)]
"""Name of a study or a data set, which becomes part of file names."""
Seeds = Annotated[int, Field(ge=1, le=1000)] | list[Annotated[int, Field(ge=0, le=2**31)]]
"""Number of seeds, or a list of them."""
FIRST_CONFIRM_SEED = 1000
"""The first confirm seed when only their number is given: far from the search seeds 0, 1, …"""
REPEATED = 16
"""Suggestions in a row that were all made before, at which a search ends: its space has no more to offer."""


class Dataset(Section):
    """A built-in data set by its name, or a folder of images, or a zip of one, under a name of one's own.

    `generated` is a folder, or a zip of one, of generated images of its classes, for the methods that take them so.
    """

    name: Name
    folder: Path | None = None
    generated: Path | None = None
    root: Path | None = None
    image_size: int | None = None
    channels: Literal[1, 3] | None = None
    fit: Fit | None = None


class Budget(Section):
    """The search budget of each method of a cell, in trials or in counted operations (1e15).

    Operations are those that its trials did before they ended; shared work counts once.
    """

    trials: int | None = Field(None, ge=1, le=1_000_000)
    pflop: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _one_currency(self) -> "Budget":
        if (self.trials is None) == (self.pflop is None):
            raise ValueError("either `trials` or `pflop`")
        return self


class EarlyStopping(Section):
    """Early stopping of search trials, among those of one method in one cell, at stage-2 iterations min_iter · eta^k.

    hyperband: successive halving, the best 1/eta go on. median: a trial worse than the median so far ends.
    """

    type: Literal["hyperband", "median"] = "hyperband"
    min_iter: int = Field(ge=1, le=2**31)
    eta: int = Field(3, ge=2, le=1000)


class Search(Section):
    """The first phase, which chooses settings on validation images; without a budget there is none."""

    parameters: dict[str, Parameter] = Field({})
    budget: Budget | None = None
    seeds: Seeds = 1
    window: int = Field(4, ge=1)
    reuse: bool = False
    early_stopping: EarlyStopping | None = None


class Confirm(Section):
    """The second phase, which measures the chosen settings on test images with fresh seeds.

    With `quality` it judges each trial's generated images too.
    """

    seeds: Seeds
    quality: bool = False


class Resources(Section):
    """Resources of one trial: CPUs, GPUs or a fraction of one (auto: what it needs), and its longest silence.

    A worker that is not heard of for `silence` seconds counts as lost; auto: 900, or ten times the longest pause seen,
    if that is more.
    """

    cpu: int = Field(1, ge=1)
    gpu: Annotated[float, Field(ge=0, le=64)] | Literal["auto"] = "auto"
    silence: Annotated[float, Field(ge=1)] | Literal["auto"] = "auto"


class Cell(Section):
    """A data set at a number of samples per class."""

    dataset: Dataset
    samples_per_class: int

    def __str__(self) -> str:
        return f"{self.dataset.name}, {self.samples_per_class} per class"


class Study(Section):
    """A question and everything that is needed to answer it."""

    name: Name
    question: str = ""
    datasets: list[Name | Dataset] = Field(min_length=1)
    samples_per_class: list[int] = Field(min_length=1)
    methods: list[str] = Field(min_length=1)
    compare: dict[str, list[str]] = Field({})
    smallest_difference: float = Field(0.5, ge=0)
    base: dict[str, Any] = Field({})
    design: Design | None = None
    factors: dict[str, Annotated[list[Scalar], Field(min_length=1)]] = Field({})
    search: Search = Search()
    confirm: Confirm
    resources: Resources = Resources()
    report_every: int = Field(50, ge=1)
    seed: int = Field(0, ge=0)

    def with_absolute_paths(self, folder: Path) -> Self:
        """The same study with its folders and files as absolute paths: workers run in other directories."""
        places = ("folder", "generated", "root")
        datasets = [
            Dataset.model_validate(
                dataset.model_dump()
                | {key: (folder / path).resolve() for key in places if (path := getattr(dataset, key))}
            )
            for dataset in self.cell_datasets
        ]
        base, network = self.base, self.base.get("network")
        if isinstance(network, Mapping) and isinstance(path := network.get("weights"), str):
            base = base | {"network": {**network, "weights": str((folder / path).resolve())}}
        return self.model_copy(update={"datasets": datasets, "base": base})

    @property
    def cell_datasets(self) -> list[Dataset]:
        """The data sets, those given by name alone included."""
        return [Dataset(name=entry) if isinstance(entry, str) else entry for entry in self.datasets]

    @property
    def cells(self) -> list[Cell]:
        """Every data set at every number of samples per class."""
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

    def points(self, cell: Cell, method: str) -> list[Point]:
        """The points of the design that differ for a method; without a design the base alone."""
        found: dict[str, Point] = {}
        for point in points(self.design, self.factors):
            own = {key: value for key, value in point.items() if reaches(key, method)}
            config = self.config(cell, method, seed=0, phase="confirm", settings=own)
            found.setdefault(config.signature, own)
        return list(found.values())

    def config(
        self, cell: Cell, method: str, *, seed: int, phase: Phase, settings: Mapping[str, Any] | None = None
    ) -> Config:
        """The config of one trial: those settings of the base that the method has, with the given ones on top."""
        dataset = cell.dataset
        data = {"dataset": dataset.name, "samples_per_class": cell.samples_per_class, "phase": phase} | {
            key: value
            for key in ("folder", "generated", "root", "image_size", "channels", "fit")
            if (value := getattr(dataset, key)) is not None and reaches(f"data.{key}", method)
        }
        own = {key: value for key, value in flatten(self.base).items() if reaches(key, method)}
        choices = merged(nest(own), {**(settings or {}), "method": method, "seed": seed})
        choices["data"] = (choices.get("data") or {}) | data
        # A trial without a GPU of its own sees every GPU of its node: it must not take one.
        own_device = {"device": "cpu"} if self.resources.gpu == 0 else {}
        choices["compute"] = {"threads": self.resources.cpu} | own_device | (choices.get("compute") or {})
        return Config.of(choices)

    def rungs(self, config: Config) -> list[int]:
        """Iterations of stage 2 at which early stopping may end a search trial."""
        rule = self.search.early_stopping
        rungs: list[int] = []
        while rule and (rung := rule.min_iter * rule.eta ** len(rungs)) < config.classifier.iterations:
            rungs.append(rung)
        return rungs

    @cached_property
    def resolved(self) -> dict[str, Any]:
        """The study as plain values, defaults included; it is kept so beside its results."""
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
