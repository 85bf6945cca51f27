"""The snapshots that a plan leaves, in the order of the plan, one trial at a time: how many, and what they take."""

from collections.abc import Iterable
from dataclasses import dataclass

from dagan.stages import stages_of
from sweeps.forecast.estimate.draft import Draft
from sweeps.forecast.estimate.snapshot_size import snapshot_bytes
from sweeps.planning.sharing import Sharing
from sweeps.planning.trial import Trial
from sweeps.records.snapshot_store import SnapshotKey


@dataclass
class Storage:
    """What the snapshots of a plan take, in bytes; those for a crash come on top, one for each running trial."""

    snapshots: int = 0
    written: int = 0
    peak: int = 0
    """Together at any time."""
    largest: int = 0
    """A single one."""


def storage(drafts: Iterable[Draft], *, window: int) -> Storage:
    """What is written and kept; of a search only `window` suggestions are known ahead."""
    sharing, found = Sharing(), Storage()
    lists = [one.trials for one in drafts]
    for index, trials in enumerate(lists):
        for trial in trials:
            if trial.phase == "confirm":
                sharing.expect(trial, rank(index, trial))
    for index, trials in enumerate(lists):
        expected = 0
        for trial in trials:
            while expected < len(trials) and trials[expected].number < trial.number + window:
                if trials[expected].phase == "search":
                    sharing.expect(trials[expected], rank(index, trials[expected]))
                expected += 1
            rehearse(trial, sharing, found)
    return found


def rank(index: int, trial: Trial) -> tuple[int, ...]:
    """A trial's place in the plan, as `sweeps.planning.plan` has it."""
    return (index, ("search", "confirm").index(trial.phase), trial.number, trial.seed)


def rehearse(trial: Trial, sharing: Sharing, found: Storage) -> None:
    """One trial from start to end."""
    if trial.signature not in sharing.families[sharing.family(trial)]:
        return  # another branch has trained this very config
    start = sharing.start(trial)
    stages = stages_of(trial.config)
    for stage, end, marks in zip(stages, trial.stage_ends, start.checkpoints, strict=True):
        size = snapshot_bytes(trial.config, stage) if marks else 0
        for iteration in marks:
            sharing.written(trial, SnapshotKey(end.stage_key, iteration), size)
            found.snapshots += 1
            found.written += size
            found.peak = max(found.peak, sharing.bytes)
            found.largest = max(found.largest, size)
    sharing.end(trial)
