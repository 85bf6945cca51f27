"""Stage sharing: trials with a stage key in common train that stage once, and the others go on from its snapshot.

No Ray and no files here: this is told what is planned, what runs and which snapshots exist, and says which trials may
start, from which snapshots, which they must write for others, and which snapshots nobody needs any more.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from sweeps.planning.trial import Trial
from sweeps.records.snapshot_store import SnapshotKey

Rank = tuple[int, ...]
"""A trial's place in the plan, whatever ran when: shared work is trained by, and charged to, the first."""
Position = tuple[int, int]
"""How far a training is: stage (0, 1) and iteration."""
NOWHERE: Position = (-1, 0)
StageEnds = tuple[SnapshotKey, ...]
"""The last state of each stage of a trial."""


@dataclass(frozen=True)
class Start:
    """The snapshots that a trial starts from, and those that it writes on its way."""

    snapshots: tuple[SnapshotKey, ...]
    """Snapshots to go on from, the furthest first; if none is usable, from nothing."""
    checkpoints: tuple[tuple[int, ...], ...]
    """For each stage, the iterations at which others want a snapshot."""


@dataclass
class Pending:
    """A trial that has not ended."""

    trial: Trial
    rank: Rank
    ends: StageEnds
    running: bool = False
    promised: set[Position] = field(default_factory=set)
    """While it runs, the checkpoints that lie ahead of it."""


class Sharing:
    """The trials that have not ended, in families with the same first stage, and the snapshots that exist."""

    def __init__(
        self, snapshots: dict[SnapshotKey, int] | None = None, *, shared: bool = True, limit: float = float("inf")
    ) -> None:
        """Snapshots that exist, with sizes in bytes; `limit` bounds their sum, in bytes.

        With `shared` false each trial is on its own, and snapshots serve its own crashes alone.
        """
        self.shared, self.limit = shared, limit
        self.snapshots: dict[str, dict[int, int]] = defaultdict(dict)
        """Bytes, by stage key and iteration."""
        self.families: dict[str, dict[str, Pending]] = defaultdict(dict)
        """By the key of the first stage, the trials by signature."""
        self.reserved: set[SnapshotKey] = set()
        """Kept even if no planned trial needs them: the search may reuse them."""
        self.bytes = sum((snapshots or {}).values())
        """Size of all snapshots."""
        for key, size in (snapshots or {}).items():
            self.snapshots[key.stage_key][key.iteration] = size

    def ends(self, trial: Trial) -> StageEnds:
        """The ends of a trial's stages; where nothing is shared, its own end alone."""
        if self.shared:
            return trial.stage_ends
        return (SnapshotKey(trial.signature, sum(key.iteration for key in trial.stage_ends)),)

    def family(self, trial: Trial) -> str:
        """The key of the first stage: what a trial may share with others."""
        return self.ends(trial)[0].stage_key

    def expect(self, trial: Trial, rank: Rank) -> None:
        """Add a trial that is planned and has not ended."""
        ends = self.ends(trial)
        self.families[ends[0].stage_key][trial.signature] = Pending(trial, rank, ends)

    def blocked(self, trial: Trial) -> bool:
        """Whether a trial would do work that another one is about to do for it."""
        family = self.families[self.family(trial)]
        if len(family) == 1:
            return False
        own = family[trial.signature]
        reached = self._reached(own.ends)
        return any(self._offer(other, own) > reached for other in family.values() if other is not own)

    def start(self, trial: Trial) -> Start:
        """Start a trial: from which snapshots, and with which checkpoints."""
        family = self.families[self.family(trial)]
        own = family[trial.signature]
        wanted: list[set[int]] = [set() for _ in own.ends]
        for other in family.values():
            if other is not own:
                stage, iteration = common(own.ends, other.ends)
                for earlier in range(stage):
                    wanted[earlier].add(own.ends[earlier].iteration)
                wanted[stage].add(iteration)
        for stage, key in enumerate(own.ends):
            if key in self.reserved:
                wanted[stage].add(key.iteration)
        reached = self._reached(own.ends)
        own.running = True
        own.promised = {(s, i) for s, iterations in enumerate(wanted) for i in iterations if (s, i) > reached}
        checkpoints = tuple(tuple(sorted(i for s, i in own.promised if s == stage)) for stage in range(len(own.ends)))
        return Start(tuple(self._on_the_way(own.ends)), checkpoints)

    def written(self, trial: Trial, key: SnapshotKey, size: int) -> list[SnapshotKey]:
        """Add a snapshot that a running trial has written; return those to delete where room is limited."""
        self.bytes += size - self.snapshots[key.stage_key].get(key.iteration, 0)
        self.snapshots[key.stage_key][key.iteration] = size
        own = self.families[self.family(trial)].get(trial.signature)
        if own:
            stages = [end.stage_key for end in own.ends]
            reached = (stages.index(key.stage_key), key.iteration) if key.stage_key in stages else NOWHERE
            own.promised = {checkpoint for checkpoint in own.promised if checkpoint > reached}
        return self._evicted()

    def end(self, trial: Trial) -> list[SnapshotKey]:
        """Remove a trial that has ended; return the snapshots of its family that nobody needs any more."""
        name = self.family(trial)
        family = self.families[name]
        own = family.pop(trial.signature, None)
        remaining = [one.ends for one in family.values()]
        needed = {next(self._on_the_way(ends), None) for ends in remaining} | self.reserved
        stages = {key.stage_key for ends in remaining for key in ends} | {name}
        stages |= {key.stage_key for key in own.ends} if own else set()
        if not family:
            del self.families[name]
        kept = [SnapshotKey(stage, i) for stage in stages for i in self.snapshots.get(stage, {})]
        return self._forget([key for key in kept if key not in needed])

    def reserve(self, keys: set[SnapshotKey]) -> list[SnapshotKey]:
        """Keep these ends of stage 1 for the search; return those kept so far that nobody needs."""
        released, self.reserved = self.reserved - keys, keys
        needed = {
            next(self._on_the_way(one.ends), None)
            for key in released
            for one in self.families.get(key.stage_key, {}).values()
        }
        there = [key for key in released if key.iteration in self.snapshots.get(key.stage_key, ())]
        return self._forget([key for key in there if key not in needed])

    def forget(self, key: SnapshotKey) -> None:
        """Remove a snapshot that does not exist any more."""
        self._forget([key])

    def _forget(self, keys: list[SnapshotKey]) -> list[SnapshotKey]:
        for key in keys:
            self.bytes -= self.snapshots[key.stage_key].pop(key.iteration, 0)
            if not self.snapshots[key.stage_key]:
                del self.snapshots[key.stage_key]
        return keys

    def _evicted(self) -> list[SnapshotKey]:
        """Drop what exceeds the limit, first what is needed last: its work is done again when its turn comes."""
        gone: list[SnapshotKey] = []
        if self.bytes <= self.limit:
            return gone
        turn: dict[SnapshotKey, Rank] = {}
        for family in self.families.values():
            for one in family.values():
                key = next(self._on_the_way(one.ends), None)
                if key:
                    turn[key] = min(turn.get(key, one.rank), () if one.running else one.rank)
        kept = [SnapshotKey(stage, iteration) for stage, sizes in self.snapshots.items() for iteration in sizes]
        for key in sorted(kept, key=lambda key: (key not in turn, turn.get(key, ())), reverse=True):
            if self.bytes <= self.limit:
                break
            gone += self._forget([key])
        return gone

    def _reached(self, ends: StageEnds) -> Position:
        key = next(self._on_the_way(ends), None)
        return ([end.stage_key for end in ends].index(key.stage_key), key.iteration) if key else NOWHERE

    def _on_the_way(self, ends: StageEnds) -> Iterator[SnapshotKey]:
        """The snapshots that a trial with these stage ends passes through, the furthest first."""
        for end in reversed(ends):
            for iteration in sorted(self.snapshots.get(end.stage_key, ()), reverse=True):
                if iteration <= end.iteration:
                    yield SnapshotKey(end.stage_key, iteration)

    def _offer(self, other: Pending, own: Pending) -> Position:
        """How far another trial brings this one: by what it has promised, or would promise if it started first."""
        shared = common(own.ends, other.ends)
        if other.running:
            return max((checkpoint for checkpoint in other.promised if checkpoint <= shared), default=NOWHERE)
        return shared if other.rank < own.rank else NOWHERE


def common(one: StageEnds, other: StageEnds) -> Position:
    """How far two trials of a family train the same."""
    stage = max(index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a.stage_key == b.stage_key)
    return stage, min(one[stage].iteration, other[stage].iteration)
