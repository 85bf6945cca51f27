"""A trial: one config trained once, and its place in the plan."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dagan.config import Config
from dagan.data.splits import Phase
from dagan.stage_key import stage_key
from sweeps.records.snapshot_store import Key
from sweeps.study.schema import Cell


@dataclass(frozen=True)
class Trial:
    """One planned training."""

    cell: Cell
    method: str
    phase: Phase
    number: int
    """Of the suggestion within the method's search; in confirm, of the seed."""
    config: Config
    rungs: tuple[int, ...] = ()
    """Stage-2 iterations at which it may be stopped."""
    point: str = ""
    """Of the study's design: its factors' values; empty for the one that the others are compared with."""
    search: str = ""
    """Of the search that suggested it: the hash of all that its suggestions hang on."""

    @property
    def signature(self) -> str:
        """The config's."""
        return self.config.signature

    @property
    def seed(self) -> int:
        """The config's."""
        return self.config.seed

    @cached_property
    def path(self) -> tuple[Key, ...]:
        """The states at the ends of its stages: KG in stage 1, where it has one, and KC in stage 2."""
        ends = [Key(stage_key(self.config, "classification"), self.config.classifier.iterations)]
        if self.config.gan:
            ends.insert(0, Key(stage_key(self.config, "generation"), self.config.gan.iterations))
        return tuple(ends)

    @property
    def name(self) -> str:
        """Short and readable, for dashboards."""
        point = f"-{self.point}" if self.point else ""
        return f"{self.method}{point}-n{self.cell.samples_per_class}-{self.phase}-{self.number}-s{self.seed}"

    def identity(self, study: str) -> dict[str, Any]:
        """The columns of the ledger that say which trial this is."""
        return {
            "signature": self.signature,
            "study": study,
            "phase": self.phase,
            "dataset": self.cell.dataset.name,
            "samples_per_class": self.cell.samples_per_class,
            "method": self.method,
            "point": self.point,
            "search": self.search,
            "seed": self.seed,
            "trial": self.number,
            "config": self.config.model_dump(mode="json"),
        }


def portable(config: Config) -> dict[str, Any]:
    """A config in JSON's types that means the same in every folder: workers run in other ones."""
    settings = config.model_dump(mode="json")
    settings["data"]["root"] = str(config.data.root.absolute())
    return settings
