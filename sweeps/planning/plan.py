"""The plan of a study: which trials there are, which may start, which are done.

No Ray here: a plan replayed over a ledger knows where a study stands, whoever ran it. That is all there is to
resumption. A method's confirm trials join the plan as soon as its search has ended; nothing waits for other methods.
Who waits for whose snapshot is decided by `sweeps.planning.sharing`.
"""

import heapq
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from dagan.errors import refuse
from dagan.methods import METHODS
from sweeps.planning.search import MethodSearch
from sweeps.planning.sharing import Beginning, Rank, Sharing
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry, Ledger
from sweeps.records.snapshot_store import Key
from sweeps.study.design import label
from sweeps.study.schema import Cell, Study

REPEATED_FAILURES = 3
"""So many failures with one message, and no success, in one method: the study stops instead of failing on."""


class RepeatedFailure(RuntimeError):
    """A method fails every time in the same way."""


PHASES = ("search", "confirm")


@dataclass
class Branch:
    """One method in one cell, at one point of the design: its search, then its confirm trials."""

    index: int
    """Its place among the branches of the study."""
    search: MethodSearch
    confirm: list[Trial] = field(default_factory=list)
    entries: dict[tuple[str, int, int], Entry] = field(default_factory=dict)
    """By phase, number and seed."""
    firsts: dict[str, Trial] = field(default_factory=dict)
    """By signature, the first trial of each config."""
    twins: dict[str, list[Trial]] = field(default_factory=dict)
    """By signature, later trials of a config whose first waits or runs. Its end, early or not, will be theirs."""

    @property
    def cell(self) -> Cell:
        """The search's."""
        return self.search.cell

    @property
    def method(self) -> str:
        """The search's."""
        return self.search.method

    @property
    def point(self) -> str:
        """The search's, in words; empty for the one that the others are compared with, and without a design."""
        return self.search.label

    @property
    def planned(self) -> dict[str, int]:
        """Trials per phase. Where no search trial completed there is nothing to confirm."""
        study = self.search.study
        barren = self.search.finished and self.search.best is None
        return {
            "search": self.search.planned * len(study.search_seeds),
            "confirm": 0 if barren else len(study.confirm_seeds),
        }

    def of_phase(self, phase: str) -> list[Entry]:
        """The entries of a phase."""
        return [entry for key, entry in self.entries.items() if key[0] == phase]

    @property
    def finished(self) -> bool:
        """Whether every planned trial has ended."""
        return len(self.entries) == sum(self.planned.values())


@dataclass(frozen=True)
class Group:
    """All branches of one method in one cell: one, but where a design has more points."""

    branches: tuple[Branch, ...]

    @property
    def cell(self) -> Cell:
        """The branches'."""
        return self.branches[0].cell

    @property
    def method(self) -> str:
        """The branches'."""
        return self.branches[0].method

    @property
    def planned(self) -> Counter[str]:
        """Trials per phase."""
        return sum((Counter(branch.planned) for branch in self.branches), Counter())

    def of_phase(self, phase: str) -> list[Entry]:
        """The entries of a phase."""
        return [entry for branch in self.branches for entry in branch.of_phase(phase)]


class Plan:
    """All trials of a study, handed out as they may start, with the ledger in their back."""

    def __init__(self, study: Study, ledger: Ledger, *, retry: bool = False, sharing: Sharing | None = None) -> None:
        """A plan as far as the ledger has it; with `retry`, trials that failed are to run once more."""
        self.study, self.ledger, self.retry = study, ledger, retry
        self.sharing = sharing or Sharing()
        searches = [
            MethodSearch(study, cell, method, point, ledger, label=label(point) if index else "")
            for cell in study.cells
            for method in study.methods
            for index, point in enumerate(study.points(cell, method))
        ]
        self.branches = [Branch(index, search) for index, search in enumerate(searches)]
        self._branch_of = {(b.cell.dataset.name, b.cell.samples_per_class, b.method, b.point): b for b in self.branches}
        self._queues: dict[tuple[str, int, str], list[tuple[Rank, Trial]]] = {
            (branch.cell.dataset.name, branch.cell.samples_per_class, branch.method): [] for branch in self.branches
        }
        """Heaps, by cell and method."""
        self._parked: dict[str, list[tuple[Rank, Trial]]] = {}
        """By family, trials that wait for another one's snapshot."""
        self._reserved: dict[int, set[Key]] = {}
        """By branch, the snapshots that its search may come back to."""
        self._turn = 0
        for branch in self.branches:
            self._advance(branch)
            self._reserve(branch)

    @property
    def groups(self) -> list[Group]:
        """The branches by cell and method."""
        found: dict[tuple[str, int, str], list[Branch]] = {}
        for branch in self.branches:
            key = (branch.cell.dataset.name, branch.cell.samples_per_class, branch.method)
            found.setdefault(key, []).append(branch)
        return [Group(tuple(branches)) for branches in found.values()]

    def group(self, trial: Trial) -> Group:
        """Where a trial belongs, the points of a design together."""
        own = self.branch(trial)
        return Group(tuple(b for b in self.branches if (b.cell, b.method) == (own.cell, own.method)))

    def branch(self, trial: Trial) -> Branch:
        """Where a trial belongs."""
        return self._branch_of[trial.cell.dataset.name, trial.cell.samples_per_class, trial.method, trial.point]

    def next(self) -> Trial | None:
        """A trial to start now, methods and cells taking turns; None when all that can run is running.

        A trial for which another one is about to do part of the work is put off until that is done.
        """
        queues = list(self._queues.values())
        for offset in range(len(queues)):
            index = (self._turn + offset) % len(queues)
            while queues[index]:
                rank, trial = heapq.heappop(queues[index])
                if self.sharing.held(trial):
                    self._parked.setdefault(self.sharing.family(trial), []).append((rank, trial))
                    continue
                self._turn = index + 1
                return trial
        return None

    def begin(self, trial: Trial) -> Beginning:
        """A trial starts: from which snapshots it can, and which it is to leave."""
        return self.sharing.begin(trial)

    def made(self, trial: Trial, key: Key, size: int) -> list[Key]:
        """A trial has left a snapshot; those that have to go for it."""
        gone = self.sharing.made(trial, key, size)
        self._unpark(trial)
        return gone

    def stops(self, trial: Trial, iteration: int, accuracy: float) -> bool:
        """Whether early stopping ends a trial here."""
        return trial.phase == "search" and self.branch(trial).search.stops(trial, iteration, accuracy)

    def record(self, trial: Trial, entry: Entry) -> list[Key]:
        """Write a trial's end into the ledger and go on from there; the snapshots that nobody needs any more.

        Raises:
            RepeatedFailure: the method fails in the same way every time.
        """
        self.ledger.write(entry)
        branch = self.branch(trial)
        self._place(branch, trial, entry)
        for twin in branch.twins.pop(trial.signature, []):
            self._place(branch, twin, entry)
        self._advance(branch)
        garbage = self._reserve(branch) + self.sharing.end(trial)
        self._unpark(trial)
        if entry.status == "failed":
            self._watch(branch)
        return garbage

    def _reserve(self, branch: Branch) -> list[Key]:
        """Keep the snapshots that a search may come back to; those that it will not."""
        now = branch.search.reserved() if self.study.search.reuse else set()
        if now == self._reserved.get(branch.index, set()):
            return []
        self._reserved[branch.index] = now
        return self.sharing.reserve(set().union(*self._reserved.values()))

    def _unpark(self, trial: Trial) -> None:
        for rank, waiting in self._parked.pop(self.sharing.family(trial), []):
            self._queue(rank, waiting)

    def _queue(self, rank: Rank, trial: Trial) -> None:
        cell = trial.cell
        heapq.heappush(self._queues[cell.dataset.name, cell.samples_per_class, trial.method], (rank, trial))

    @property
    def finished(self) -> bool:
        """Whether every planned trial has ended."""
        return all(branch.finished for branch in self.branches)

    @property
    def at_once(self) -> int:
        """How many trials could run at a time, at the most: those of the windows, or the confirm trials."""
        search, confirm = self.study.search.window * len(self.study.search_seeds), len(self.study.confirm_seeds)
        return sum(confirm if branch.search.finished else max(search, confirm) for branch in self.branches)

    @property
    def shortcomings(self) -> list[str]:
        """What a finished study still lacks: methods that never trained, confirm trials that failed."""
        said = []
        for branch in self.branches:
            lost = [entry for entry in branch.of_phase("confirm") if not entry.finished]
            if branch.search.finished and branch.search.best is None:
                said.append(
                    f"{branch.cell}, {branch.method}: no search trial completed, so there is nothing to confirm."
                )
            elif lost:
                said.append(f"{branch.cell}, {branch.method}: {len(lost)} confirm trials failed: {lost[0].error}")
        return said

    @property
    def unjudged(self) -> list[Entry]:
        """The confirm trials whose generated images the study wants judged, but that were not."""
        ended = [entry for branch in self.branches for entry in branch.of_phase("confirm")]
        return [
            entry
            for entry in ended
            if self.study.confirm.quality
            and METHODS[entry.method].adversary
            and entry.status == "completed"
            and not entry.quality
        ]

    @property
    def planned(self) -> int:
        """The number of trials."""
        return sum(sum(branch.planned.values()) for branch in self.branches)

    def require_results(self) -> None:
        """Raises InvalidInput where nothing has finished yet."""
        if self.entries:
            return
        if self.ledger.entries:
            raise refuse(
                self.study.name,
                f"the {len(self.ledger.entries)} trials in {self.ledger.folder} are of another version of the study"
                " file or of other images. `sweeps run` runs the study as it is now.",
            )
        raise refuse(self.study.name, f"has no finished trial in {self.ledger.folder}. Start with `sweeps run`.")

    @property
    def entries(self) -> list[Entry]:
        """How the trials of this plan ended; entries of the ledger that the study no longer asks for are left out."""
        return [entry for branch in self.branches for entry in branch.entries.values()]

    def _place(self, branch: Branch, trial: Trial, entry: Entry) -> None:
        # Two suggestions can be the same setting: one training, one file, but each keeps its place.
        entry = entry.model_copy(update={"trial": trial.number})
        branch.entries[trial.phase, trial.number, trial.seed] = entry
        if trial.phase == "search":
            branch.search.record(trial, entry)

    def _advance(self, branch: Branch) -> None:
        """Queue what may start; what the ledger has is done at once, and may let more start."""
        waiting = deque(self._startable(branch))
        while waiting:
            trial = waiting.popleft()
            first = branch.firsts.setdefault(trial.signature, trial)
            entry = self._known(branch, first)
            if entry:
                self._place(branch, trial, entry)
                waiting.extend(self._startable(branch))
            elif trial is first:
                rank = (branch.index, PHASES.index(trial.phase), trial.number, trial.seed)
                self.sharing.expect(trial, rank)
                self._queue(rank, trial)
            else:
                branch.twins.setdefault(trial.signature, []).append(trial)

    def _known(self, branch: Branch, trial: Trial) -> Entry | None:
        """How a trial ended, from this run or an earlier one."""
        now = branch.entries.get((trial.phase, trial.number, trial.seed))
        if now:
            return now
        entry = self.ledger.entries.get(trial.signature)
        if entry is None or (self.retry and not entry.finished):
            return None
        return entry if trial.phase == "confirm" or branch.search.accepts(trial, entry) else None

    def _startable(self, branch: Branch) -> Iterator[Trial]:
        yield from branch.search.advance()
        best = branch.search.best if branch.search.finished and not branch.confirm else None
        if best is None:
            return
        settings = {**branch.search.point, **best.settings}
        config = self.study.config(branch.cell, branch.method, seed=0, phase="confirm", settings=settings)
        for number, seed in enumerate(self.study.confirm_seeds):
            own = config.with_seed(seed)
            branch.confirm.append(Trial(branch.cell, branch.method, "confirm", number, own, point=branch.point))
        yield from branch.confirm

    def _watch(self, branch: Branch) -> None:
        alike = [b for b in self.branches if (b.cell, b.method) == (branch.cell, branch.method)]
        entries = [entry for one in alike for entry in one.entries.values()]
        messages = [entry.error for entry in entries if entry.status == "failed"]
        if len(messages) == len(entries) >= REPEATED_FAILURES and len(set(messages)) == 1:
            raise RepeatedFailure(f"{branch.method} ({branch.cell}) failed {len(messages)} times with: {messages[0]}")
