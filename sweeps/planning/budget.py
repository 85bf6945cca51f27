"""What a trial is charged, in counted operations: its own work, and of shared work what nobody before it has paid."""

from collections.abc import Mapping

from dagan.config import Config
from dagan.networks.flops import pflop
from dagan.stages import Stage, stages_of
from sweeps.planning.trial import Trial
from sweeps.records.ledger import Entry


class Account:
    """What trials are charged that are told in the order of their numbers, whoever trained what they share."""

    def __init__(self) -> None:
        self.paid: dict[str, int] = {}
        """By prefix, the iterations that are paid."""

    def charge(self, trial: Trial, entry: Entry | None = None) -> float:
        """A trial's operations beyond what is paid, 1e15: all that are planned, or as far as its entry went."""
        return self._charge(trial, entry, self.paid)

    def estimate(self, trials: list[Trial]) -> float:
        """What further trials would be charged as planned; nothing is paid by that."""
        paid = dict(self.paid)
        return sum(self._charge(trial, None, paid) for trial in trials)

    @staticmethod
    def _charge(trial: Trial, entry: Entry | None, paid: dict[str, int]) -> float:
        total = 0.0
        for stage, prefix, iterations in reached(trial, entry):
            total += between(trial.config, stage, paid.get(prefix, 0), iterations)
            paid[prefix] = max(paid.get(prefix, 0), iterations)
        return total


def reached(trial: Trial, entry: Entry | None) -> list[tuple[Stage, str, int]]:
    """How far a trial goes in each of its stages, or went, if it has an entry."""
    stages = stages_of(trial.config)
    left = entry.iterations if entry else sum(end.iteration for end in trial.path)
    found = []
    for stage, end in zip(stages, trial.path, strict=True):
        found.append((stage, end.prefix, min(left, end.iteration)))
        left -= found[-1][2]
    return found


def between(config: Config, stage: Stage, begin: int, end: int) -> float:
    """Operations of a stage from one iteration to another, 1e15; none where the end comes first."""
    if end <= begin:
        return 0.0
    return pflop(config, stage=stage, iterations=end) - pflop(config, stage=stage, iterations=begin)


def own_pflop(config: Config, inherited: Mapping[Stage, int], iterations: Mapping[Stage, int]) -> float:
    """Operations of a training beyond what it began with, 1e15."""
    return sum(between(config, stage, inherited.get(stage, 0), iterations[stage]) for stage in iterations)
