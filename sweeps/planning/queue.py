"""The queue of trials that may start: methods and cells take turns, and who waits for a snapshot is set aside."""

import heapq
from collections.abc import Iterable

from sweeps.planning.branch import GroupKey, group_of
from sweeps.planning.sharing import Rank, Sharing
from sweeps.planning.trial import Trial


class TrialQueue:
    """One heap of trials for each method of a cell."""

    def __init__(self, groups: Iterable[GroupKey], sharing: Sharing) -> None:
        self._sharing = sharing
        self._heaps: dict[GroupKey, list[tuple[Rank, Trial]]] = {group: [] for group in groups}
        self._blocked: dict[str, list[tuple[Rank, Trial]]] = {}
        """Trials that wait for another one's snapshot, by family."""
        self._turn = 0

    def push(self, rank: Rank, trial: Trial) -> None:
        """Add a trial."""
        heapq.heappush(self._heaps[group_of(trial.cell, trial.method)], (rank, trial))

    def pop(self) -> Trial | None:
        """Remove and return the next trial that is not blocked; None if there is none."""
        heaps = list(self._heaps.values())
        for offset in range(len(heaps)):
            index = (self._turn + offset) % len(heaps)
            while heaps[index]:
                rank, trial = heapq.heappop(heaps[index])
                if self._sharing.blocked(trial):
                    self._blocked.setdefault(self._sharing.family(trial), []).append((rank, trial))
                    continue
                self._turn = index + 1
                return trial
        return None

    def unblock(self, trial: Trial) -> None:
        """Put back the trials of a trial's family: what they wait for may have come, or will not."""
        for rank, waiting in self._blocked.pop(self._sharing.family(trial), []):
            self.push(rank, waiting)
