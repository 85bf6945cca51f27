"""The plan of a study: which trials there are, which may start, which have ended.

No Ray here: a plan replayed over a ledger knows where a study stands, whoever ran it, and that is all there is to
resumption. A method's confirm trials join the plan as soon as its search has ended; nothing waits for other methods.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from dagan.errors import refuse
from dagan.methods import METHODS
from sweeps.planning.branch import Branch, GroupKey, group_of
from sweeps.planning.queue import TrialQueue
from sweeps.planning.search import MethodSearch
from sweeps.planning.sharing import Sharing, Start
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry, Ledger
from sweeps.records.snapshot_store import SnapshotKey
from sweeps.study.design import label
from sweeps.study.schema import Cell, Study

REPEATED_FAILURES = 3
"""After so many failures with one message, and no success, in one method the study stops instead of failing on."""


class RepeatedFailure(RuntimeError):
    """A method fails every time in the same way."""


@dataclass(frozen=True)
class Group:
    """All branches of one method in one cell: one, unless a design has several points."""

    branches: tuple[Branch, ...]

    @property
    def cell(self) -> Cell:
        """Cell of the branches."""
        return self.branches[0].cell

    @property
    def method(self) -> str:
        """Method of the branches."""
        return self.branches[0].method

    @property
    def planned(self) -> Counter[str]:
        """Number of trials per phase."""
        return sum((Counter(branch.planned) for branch in self.branches), Counter())

    def of_phase(self, phase: str) -> list[Entry]:
        """Entries of a phase."""
        return [entry for branch in self.branches for entry in branch.of_phase(phase)]


class Plan:
    """All trials of a study, handed out as they may start."""

    def __init__(self, study: Study, ledger: Ledger, *, retry: bool = False, sharing: Sharing | None = None) -> None:
        """A plan as far as the ledger has it; with `retry`, trials that failed run once more."""
        self.study, self.ledger = study, ledger
        self.sharing = sharing or Sharing()
        searches = [
            MethodSearch(study, cell, method, point, ledger, label=label(point, points[0]))
            for cell in study.cells
            for method in study.methods
            for points in [study.points(cell, method)]
            for point in points
        ]
        self.branches = [Branch(index, search, retry=retry) for index, search in enumerate(searches)]
        self._branch_of = {(*branch.group, branch.point): branch for branch in self.branches}
        self._queue = TrialQueue((branch.group for branch in self.branches), self.sharing)
        self._reserved: dict[int, set[SnapshotKey]] = {}
        """The snapshots that a search may reuse, by branch."""
        for branch in self.branches:
            self._advance(branch)
            self._reserve(branch)

    @property
    def groups(self) -> list[Group]:
        """The branches by cell and method."""
        found: dict[GroupKey, list[Branch]] = {}
        for branch in self.branches:
            found.setdefault(branch.group, []).append(branch)
        return [Group(tuple(branches)) for branches in found.values()]

    def group(self, trial: Trial) -> Group:
        """The group that a trial belongs to."""
        own = group_of(trial.cell, trial.method)
        return Group(tuple(branch for branch in self.branches if branch.group == own))

    def branch(self, trial: Trial) -> Branch:
        """The branch that a trial belongs to."""
        return self._branch_of[*group_of(trial.cell, trial.method), trial.point]

    def next(self) -> Trial | None:
        """A trial to start now, methods and cells taking turns; None if all that can run is running."""
        return self._queue.pop()

    def start(self, trial: Trial) -> Start:
        """Start a trial: from which snapshots, and with which checkpoints."""
        return self.sharing.start(trial)

    def written(self, trial: Trial, key: SnapshotKey, size: int) -> list[SnapshotKey]:
        """Add a snapshot of `size` bytes that a trial has written; return those to delete."""
        deleted = self.sharing.written(trial, key, size)
        self._queue.unblock(trial)
        return deleted

    def stops(self, trial: Trial, iteration: int, level: float) -> bool:
        """Whether early stopping ends a trial here; `level`: by what it is compared, `early_stopping.level_at`."""
        return trial.phase == "search" and self.branch(trial).search.stops(trial, iteration, level)

    def record(self, trial: Trial, entry: Entry) -> list[SnapshotKey]:
        """Write a trial's end into the ledger and advance; return the snapshots that nobody needs any more.

        Raises:
            RepeatedFailure: the method fails in the same way every time.
        """
        self.ledger.write(entry)
        branch = self.branch(trial)
        branch.record(trial, entry)
        self._advance(branch)
        unneeded = self._reserve(branch) + self.sharing.end(trial)
        self._queue.unblock(trial)
        if entry.status == "failed":
            self._require_some_success(branch)
        return unneeded

    def _advance(self, branch: Branch) -> None:
        for trial in branch.advance():
            rank = branch.rank(trial)
            self.sharing.expect(trial, rank)
            self._queue.push(rank, trial)

    def _reserve(self, branch: Branch) -> list[SnapshotKey]:
        """Keep the snapshots that a search may reuse; return those that it will not."""
        now = branch.search.reserved()
        if now == self._reserved.get(branch.index, set()):
            return []
        self._reserved[branch.index] = now
        return self.sharing.reserve(set().union(*self._reserved.values()))

    def _require_some_success(self, branch: Branch) -> None:
        entries = [entry for one in self.branches if one.group == branch.group for entry in one.entries.values()]
        messages = [entry.error for entry in entries if entry.status == "failed"]
        if len(messages) == len(entries) >= REPEATED_FAILURES and len(set(messages)) == 1:
            raise RepeatedFailure(f"{branch.method} ({branch.cell}) failed {len(messages)} times with: {messages[0]}")

    @property
    def finished(self) -> bool:
        """Whether every planned trial has ended."""
        return all(branch.finished for branch in self.branches)

    @property
    def at_once(self) -> int:
        """The most trials that could run at a time: those of the windows, or the confirm trials."""
        search, confirm = self.study.search.window * len(self.study.search_seeds), len(self.study.confirm_seeds)
        return sum(confirm if branch.search.finished else max(search, confirm) for branch in self.branches)

    @property
    def planned(self) -> int:
        """Number of trials."""
        return sum(sum(branch.planned.values()) for branch in self.branches)

    @property
    def entries(self) -> list[Entry]:
        """How the trials of this plan ended; ledger entries that the study no longer asks for are left out."""
        return [entry for branch in self.branches for entry in branch.entries.values()]

    def require_results(self) -> None:
        """Raise InvalidInput where no trial has ended yet."""
        if self.entries:
            return
        if self.ledger.entries:
            raise refuse(
                self.study.name,
                f"the {len(self.ledger.entries)} trials in {self.ledger.folder} are of another version of the study"
                " file or of other images. `sweeps run` runs the study as it is now.",
            )
        raise refuse(self.study.name, f"has no finished trial in {self.ledger.folder}. Start with `sweeps run`.")


def shortcomings(branches: Iterable[Branch]) -> list[str]:
    """What a finished study still lacks: methods without a completed search trial, confirm trials that failed."""
    found = []
    for branch in branches:
        lost = [entry for entry in branch.of_phase("confirm") if not entry.finished]
        if branch.nothing_completed:
            found.append(f"{branch.cell}, {branch.method}: no search trial completed, so there is nothing to confirm.")
        elif lost:
            found.append(f"{branch.cell}, {branch.method}: {len(lost)} confirm trials failed: {lost[0].error}")
    return found


def unjudged(plan: Plan) -> list[Entry]:
    """The confirm trials whose generated images the study wants judged, but that were not."""
    if not plan.study.confirm.quality:
        return []
    return [
        entry
        for entry in plan.entries
        if entry.phase == "confirm"
        and METHODS[entry.method].has_generated
        and entry.status == "completed"
        and not entry.quality
    ]
