"""Who trains what: trials with a prefix in common train it once, and the others wait and go on from there. DESIGN §5.

No Ray and no files here: this is told what is planned, what runs and which snapshots exist, and says which trials may
start, from where, what they are to leave for others, and which snapshots nobody needs any more.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from sweeps.planning.trial import Trial
from sweeps.records.snapshot_store import Key

Rank = tuple[int, ...]
"""A trial's place in the plan, whatever ran when: what trials share is trained by, and charged to, the first."""
Position = tuple[int, int]
"""How far a training is: stage (0, 1) and iteration."""
NOWHERE: Position = (-1, 0)


@dataclass(frozen=True)
class Beginning:
    """Where a trial begins, and what it leaves on its way."""

    starts: list[Key]
    """Snapshots to go on from, the furthest first; none usable: from nothing."""
    marks: list[list[int]]
    """Iterations of each stage of its path at which others want a snapshot."""


@dataclass
class Expected:
    """A trial that has not ended."""

    trial: Trial
    rank: Rank
    path: tuple[Key, ...]
    """The ends of its stages."""
    running: bool = False
    promised: set[Position] = field(default_factory=set)
    """While it runs: the marks that it has still to come by."""


class Sharing:
    """The trials that have not ended, in families with a first stage in common, and the snapshots that exist."""

    def __init__(
        self, snapshots: dict[Key, int] | None = None, *, shared: bool = True, limit: float = float("inf")
    ) -> None:
        """Snapshots that exist, with sizes in bytes; `limit` bounds their sum, in bytes.

        With `shared` false each trial is on its own, and snapshots are for its own crashes alone.
        """
        self.shared, self.limit = shared, limit
        self.snapshots: dict[str, dict[int, int]] = defaultdict(dict)
        self.families: dict[str, dict[str, Expected]] = defaultdict(dict)
        self.reserved: set[Key] = set()
        """Kept even if no trial that is known needs them: the search may come back to them."""
        self.bytes = sum((snapshots or {}).values())
        """The size of all snapshots."""
        for key, size in (snapshots or {}).items():
            self.snapshots[key.prefix][key.iteration] = size

    def path(self, trial: Trial) -> tuple[Key, ...]:
        """The ends of a trial's stages, or its end alone where nothing is shared."""
        if self.shared:
            return trial.path
        return (Key(trial.signature, sum(key.iteration for key in trial.path)),)

    def expect(self, trial: Trial, rank: Rank) -> None:
        """A trial is planned, and has not ended."""
        path = self.path(trial)
        self.families[path[0].prefix][trial.signature] = Expected(trial, rank, path)

    def family(self, trial: Trial) -> str:
        """What a trial shares with others, if with any: the prefix of its first stage."""
        return self.path(trial)[0].prefix

    def held(self, trial: Trial) -> bool:
        """Whether a trial would do what another one is about to do for it."""
        family = self.families[self.family(trial)]
        if len(family) == 1:
            return False
        own = family[trial.signature]
        reached = self._reached(own.path)
        return any(self._offer(other, own) > reached for other in family.values() if other is not own)

    def begin(self, trial: Trial) -> Beginning:
        """A trial starts now."""
        family = self.families[self.family(trial)]
        own = family[trial.signature]
        wanted: list[set[int]] = [set() for _ in own.path]
        for other in family.values():
            if other is not own:
                stage, iteration = common(own.path, other.path)
                for earlier in range(stage):
                    wanted[earlier].add(own.path[earlier].iteration)
                wanted[stage].add(iteration)
        for stage, key in enumerate(own.path):
            if key in self.reserved:
                wanted[stage].add(key.iteration)
        reached = self._reached(own.path)
        own.running = True
        own.promised = {(s, i) for s, iterations in enumerate(wanted) for i in iterations if (s, i) > reached}
        marks = [sorted(i for s, i in own.promised if s == stage) for stage in range(len(own.path))]
        return Beginning(list(self._on_the_way(own.path)), marks)

    def made(self, trial: Trial, key: Key, size: int) -> list[Key]:
        """A running trial has left a snapshot; those that have to go for it, where room is limited."""
        self.bytes += size - self.snapshots[key.prefix].get(key.iteration, 0)
        self.snapshots[key.prefix][key.iteration] = size
        own = self.families[self.family(trial)].get(trial.signature)
        if own:
            prefixes = [end.prefix for end in own.path]
            reached = (prefixes.index(key.prefix), key.iteration) if key.prefix in prefixes else NOWHERE
            own.promised = {mark for mark in own.promised if mark > reached}
        return self._evicted()

    def end(self, trial: Trial) -> list[Key]:
        """A trial has ended; the snapshots of its family that nobody needs any more."""
        name = self.family(trial)
        family = self.families[name]
        own = family.pop(trial.signature, None)
        paths = [one.path for one in family.values()]
        needed = {next(self._on_the_way(path), None) for path in paths} | self.reserved
        prefixes = {key.prefix for path in paths for key in path} | {name}
        prefixes |= {key.prefix for key in own.path} if own else set()
        if not family:
            del self.families[name]
        return self._forget([Key(p, i) for p in prefixes for i in self.snapshots.get(p, {}) if Key(p, i) not in needed])

    def reserve(self, keys: set[Key]) -> list[Key]:
        """Ends of stage 1 to keep though no trial that is known needs them; of those kept so far what nobody needs."""
        released, self.reserved = self.reserved - keys, keys
        needed = {
            next(self._on_the_way(one.path), None)
            for key in released
            for one in self.families.get(key.prefix, {}).values()
        }
        there = [key for key in released if key.iteration in self.snapshots.get(key.prefix, ())]
        return self._forget([key for key in there if key not in needed])

    def forget(self, key: Key) -> None:
        """A snapshot is not there any more."""
        self._forget([key])

    def _forget(self, keys: list[Key]) -> list[Key]:
        for key in keys:
            self.bytes -= self.snapshots[key.prefix].pop(key.iteration, 0)
            if not self.snapshots[key.prefix]:
                del self.snapshots[key.prefix]
        return keys

    def _evicted(self) -> list[Key]:
        """What exceeds the limit, that first which is needed last: its work is done again when its turn comes."""
        gone: list[Key] = []
        if self.bytes <= self.limit:
            return gone
        turn: dict[Key, Rank] = {}
        for family in self.families.values():
            for one in family.values():
                key = next(self._on_the_way(one.path), None)
                if key:
                    turn[key] = min(turn.get(key, one.rank), () if one.running else one.rank)
        kept = [Key(prefix, iteration) for prefix, sizes in self.snapshots.items() for iteration in sizes]
        for key in sorted(kept, key=lambda key: (key not in turn, turn.get(key, ())), reverse=True):
            if self.bytes <= self.limit:
                break
            gone += self._forget([key])
        return gone

    def _reached(self, path: tuple[Key, ...]) -> Position:
        key = next(self._on_the_way(path), None)
        return ([end.prefix for end in path].index(key.prefix), key.iteration) if key else NOWHERE

    def _on_the_way(self, path: tuple[Key, ...]) -> Iterator[Key]:
        """The snapshots that lie on a path, the furthest first."""
        for end in reversed(path):
            for iteration in sorted(self.snapshots.get(end.prefix, ()), reverse=True):
                if iteration <= end.iteration:
                    yield Key(end.prefix, iteration)

    def _offer(self, other: Expected, own: Expected) -> Position:
        """How far on its way another trial will bring this one: what it has promised, or would if it went first."""
        shared = common(own.path, other.path)
        if other.running:
            return max((mark for mark in other.promised if mark <= shared), default=NOWHERE)
        return shared if other.rank < own.rank else NOWHERE


def common(one: tuple[Key, ...], other: tuple[Key, ...]) -> Position:
    """How far two paths of a family go together."""
    stage = max(index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a.prefix == b.prefix)
    return stage, min(one[stage].iteration, other[stage].iteration)
