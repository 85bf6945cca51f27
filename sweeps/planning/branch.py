"""A branch of the plan: one method in one cell at one design point, its search and then its confirm trials."""

from collections import deque
from collections.abc import Iterator

from sweeps.planning.search import MethodSearch
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry
from sweeps.study.schema import Cell

PHASES = ("search", "confirm")

GroupKey = tuple[str, int, str]
"""Data set, samples per class and method: what the design points of a method have in common."""


class Branch:
    """The trials of one branch: which may start, which have ended, and what the ledger knows of them."""

    def __init__(self, index: int, search: MethodSearch, *, retry: bool = False) -> None:
        """`index` among the branches of the study; with `retry`, trials that failed in an earlier run start again."""
        self.index, self.search, self.retry = index, search, retry
        self.confirm: list[Trial] = []
        self.entries: dict[tuple[str, int, int], Entry] = {}
        """How trials ended, by phase, number and seed."""
        self._firsts: dict[str, Trial] = {}
        """The first trial of each config, by signature."""
        self._duplicates: dict[str, list[Trial]] = {}
        """Later trials of a config, by signature; they take the result of the first."""

    @property
    def cell(self) -> Cell:
        """Cell of the search."""
        return self.search.cell

    @property
    def method(self) -> str:
        """Method of the search."""
        return self.search.method

    @property
    def point(self) -> str:
        """Label of the design point; empty for the reference, and without a design."""
        return self.search.label

    @property
    def group(self) -> GroupKey:
        """Which group of branches it belongs to."""
        return group_of(self.cell, self.method)

    @property
    def nothing_completed(self) -> bool:
        """Whether the search has ended without a completed suggestion, so that there is nothing to confirm."""
        return self.search.finished and self.search.best is None

    @property
    def planned(self) -> dict[str, int]:
        """Number of trials per phase."""
        study = self.search.study
        return {
            "search": self.search.planned * len(study.search_seeds),
            "confirm": 0 if self.nothing_completed else len(study.confirm_seeds),
        }

    def of_phase(self, phase: str) -> list[Entry]:
        """Entries of a phase."""
        return [entry for key, entry in self.entries.items() if key[0] == phase]

    @property
    def finished(self) -> bool:
        """Whether every planned trial has ended."""
        return len(self.entries) == sum(self.planned.values())

    def rank(self, trial: Trial) -> tuple[int, ...]:
        """A trial's place in the plan: by branch, phase, number and seed."""
        return (self.index, PHASES.index(trial.phase), trial.number, trial.seed)

    def advance(self) -> list[Trial]:
        """Trials that may start now and were not returned before.

        What the ledger knows is recorded at once, and may let more start.
        """
        found: list[Trial] = []
        waiting = deque(self._startable())
        while waiting:
            trial = waiting.popleft()
            first = self._firsts.setdefault(trial.signature, trial)
            entry = self._known(first)
            if entry:
                self._enter(trial, entry)
                waiting.extend(self._startable())
            elif trial is first:
                found.append(trial)
            else:
                self._duplicates.setdefault(trial.signature, []).append(trial)
        return found

    def record(self, trial: Trial, entry: Entry) -> None:
        """Record how a trial ended, and with it the duplicates of its config."""
        for one in (trial, *self._duplicates.pop(trial.signature, [])):
            self._enter(one, entry)

    def _enter(self, trial: Trial, entry: Entry) -> None:
        # Two suggestions can be the same setting: one training, one file, but each keeps its number.
        entry = entry.model_copy(update={"trial": trial.number})
        self.entries[trial.phase, trial.number, trial.seed] = entry
        if trial.phase == "search":
            self.search.record(trial, entry)

    def _known(self, trial: Trial) -> Entry | None:
        """How a trial ended, in this run or an earlier one."""
        now = self.entries.get((trial.phase, trial.number, trial.seed))
        if now:
            return now
        entry = self.search.ledger.entries.get(trial.signature)
        if entry is None or (self.retry and not entry.finished):
            return None
        return entry if trial.phase == "confirm" or self.search.accepts(trial, entry) else None

    def _startable(self) -> Iterator[Trial]:
        yield from self.search.advance()
        best = self.search.best if self.search.finished and not self.confirm else None
        if best is None:
            return
        study, settings = self.search.study, {**self.search.point, **best.chosen}
        config = study.config(self.cell, self.method, seed=0, phase="confirm", settings=settings)
        for number, seed in enumerate(study.confirm_seeds):
            own = config.with_seed(seed)
            self.confirm.append(Trial(self.cell, self.method, "confirm", number, own, point=self.point))
        yield from self.confirm


def group_of(cell: Cell, method: str) -> GroupKey:
    """The group of a method in a cell."""
    return (cell.dataset.name, cell.samples_per_class, method)
