"""FLOP budgets: what trials cost in counted operations, where shared work is paid by the first that needs it."""

from collections.abc import Mapping, Sequence

from dagan.config import Config
from dagan.networks.flops import pflop
from dagan.stages import Stage, stages_of
from sweeps.planning.suggestion import Suggestion
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry
from sweeps.study.schema import REPEATED


class FlopBudget:
    """The operations paid for so far, charged to trials in the order of their numbers, whoever trained what."""

    def __init__(self) -> None:
        self.paid: dict[str, int] = {}
        """Iterations paid for, by stage key."""

    def charge(self, trial: Trial, entry: Entry | None = None) -> float:
        """Charge a trial for what is not paid yet, 1e15: all that is planned or, with an entry, as far as it went."""
        return self._charge(trial, entry, self.paid)

    def estimate(self, trials: Sequence[Trial]) -> float:
        """What further trials would be charged as planned, 1e15; charges nothing."""
        paid = dict(self.paid)
        return sum(self._charge(trial, None, paid) for trial in trials)

    @staticmethod
    def _charge(trial: Trial, entry: Entry | None, paid: dict[str, int]) -> float:
        total = 0.0
        for stage, key, iterations in stages_reached(trial, entry):
            total += pflop_between(trial.config, stage, paid.get(key, 0), iterations)
            paid[key] = max(paid.get(key, 0), iterations)
        return total


class SearchBudget:
    """The budget of one search in operations: which suggestions it can still pay for."""

    def __init__(self, limit: float) -> None:
        """`limit` in 1e15 operations."""
        self.limit = limit
        self._flops = FlopBudget()
        self._charged = 0
        """Suggestions charged so far."""
        self._spent = 0.0

    def affords(self, item: Suggestion, before: Sequence[Suggestion], known: int, *, all_ended: bool) -> bool | None:
        """Whether the budget pays for a suggestion; None while running trials could change that.

        The first `known` of the suggestions `before` it count as they ended, the others as planned, ended or not, so
        that the answer repeats; the answer no is only given once all have ended.
        """
        settings = [one.settings for one in before]
        recent = range(max(0, item.number - REPEATED), item.number)
        if item.number > REPEATED and all(settings[index] in settings[:index] for index in recent):
            return False
        for certain in (before[:known], before if all_ended else ()):
            for one in certain[self._charged :]:
                self._spent += sum(self._flops.charge(trial, one.entries[trial.seed]) for trial in one.trials)
                self._charged += 1
            ahead = [trial for one in before[self._charged :] for trial in one.trials]
            if self._spent + self._flops.estimate(ahead + item.trials) <= self.limit:
                return True
        return False if all_ended else None


def stages_reached(trial: Trial, entry: Entry | None) -> list[tuple[Stage, str, int]]:
    """How far a trial goes in each stage or, with an entry, how far it went: stage, stage key, iterations."""
    stages = stages_of(trial.config)
    left = entry.iterations if entry else sum(end.iteration for end in trial.stage_ends)
    found = []
    for stage, end in zip(stages, trial.stage_ends, strict=True):
        found.append((stage, end.stage_key, min(left, end.iteration)))
        left -= found[-1][2]
    return found


def pflop_between(config: Config, stage: Stage, begin: int, end: int) -> float:
    """Operations of a stage from one iteration to another, 1e15; 0 if the end comes first."""
    if end <= begin:
        return 0.0
    return pflop(config, stage=stage, iterations=end) - pflop(config, stage=stage, iterations=begin)


def own_pflop(config: Config, inherited: Mapping[Stage, int], iterations: Mapping[Stage, int]) -> float:
    """Operations of a training beyond what it inherited from other trials, 1e15."""
    return sum(pflop_between(config, stage, inherited.get(stage, 0), iterations[stage]) for stage in iterations)
