"""A trial: one config trained once, and its place in the plan."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dagan.config import Config
from dagan.data.splits import Phase
from dagan.networks.flops import network_sizes
from dagan.stage_key import stage_key
from sweeps.records.snapshot_store import SnapshotKey
from sweeps.study.schema import Cell


@dataclass(frozen=True)
class Trial:
    """One planned training."""

    cell: Cell
    method: str
    phase: Phase
    number: int
    """Index of the suggestion within its search; in confirm, of the seed."""
    config: Config
    rungs: tuple[int, ...] = ()
    """Stage-2 iterations at which early stopping may end it."""
    readings: tuple[int, ...] = ()
    """Stage-2 iterations, each a KC of the space, at which its validation accuracy is read."""
    point: str = ""
    """Design point: its factors' values; empty for the reference that the others are compared with."""
    search: str = ""
    """Key of the search that suggested it: the hash of everything that decides its suggestions."""

    @property
    def signature(self) -> str:
        """Signature of the config."""
        return self.config.signature

    @property
    def seed(self) -> int:
        """Seed of the config."""
        return self.config.seed

    @cached_property
    def stage_ends(self) -> tuple[SnapshotKey, ...]:
        """The last state of each stage: KG in stage 1, if the method has one, and KC in stage 2."""
        ends = [SnapshotKey(stage_key(self.config, "classification"), self.config.classifier.iterations)]
        if self.config.gan:
            ends.insert(0, SnapshotKey(stage_key(self.config, "generation"), self.config.gan.iterations))
        return tuple(ends)

    @property
    def name(self) -> str:
        """Short readable name, for dashboards."""
        point = f"-{self.point}" if self.point else ""
        return f"{self.method}{point}-n{self.cell.samples_per_class}-{self.phase}-{self.number}-s{self.seed}"

    def identity(self, study: str) -> dict[str, Any]:
        """The ledger's columns that say which trial this is."""
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
            "networks": network_sizes(self.config),
            "config": self.config.model_dump(mode="json"),
        }


def portable(config: Config) -> dict[str, Any]:
    """A config in JSON types that means the same in every working directory: workers run in others."""
    settings = config.model_dump(mode="json")
    settings["data"]["root"] = str(config.data.root.absolute())
    return settings
