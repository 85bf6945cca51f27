"""A trial: one config trained once, and its place in the plan."""

from dataclasses import dataclass
from typing import Any

from dagan.config import Config
from dagan.splits import Phase
from sweeps.study import Cell


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

    @property
    def signature(self) -> str:
        """The config's."""
        return self.config.signature

    @property
    def seed(self) -> int:
        """The config's."""
        return self.config.seed

    @property
    def name(self) -> str:
        """Short and readable, for dashboards."""
        return f"{self.method}-n{self.cell.samples_per_class}-{self.phase}-{self.number}-s{self.seed}"

    def identity(self, study: str) -> dict[str, Any]:
        """The columns of the ledger that say which trial this is."""
        return {
            "signature": self.signature,
            "study": study,
            "phase": self.phase,
            "dataset": self.cell.dataset.name,
            "samples_per_class": self.cell.samples_per_class,
            "method": self.method,
            "seed": self.seed,
            "trial": self.number,
            "config": self.config.model_dump(mode="json"),
        }
