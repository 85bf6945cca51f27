"""What is left of a study that has run before: as it is, or after it was made longer."""

from collections.abc import Sequence
from dataclasses import dataclass

from sweeps.forecast.estimate.draft import Draft
from sweeps.planning.budget import FlopBudget
from sweeps.records.ledger import Ledger
from sweeps.study.schema import Study


@dataclass(frozen=True)
class Remaining:
    """Trials that the ledger does not have yet."""

    done: int
    trials: int
    pflop: float
    """Of the trials to go, what they share counted once; of what they shared with finished ones nothing is kept."""


def remaining(study: Study, drafts: Sequence[Draft], ledger: Ledger) -> Remaining | None:
    """Count what is left of a study, whose drafts these are; None where nothing of it is done."""
    if not ledger.entries:
        return None
    from sweeps.planning.plan import Plan  # with it comes Optuna

    budget, done, trials, pflop = FlopBudget(), 0, 0, 0.0
    for draft, branch in zip(drafts, Plan(study, ledger).branches, strict=True):
        done += len(branch.entries)
        trials += sum(branch.planned.values()) - len(branch.entries)
        searched = round(len(branch.of_phase("search")) / draft.scale)
        confirmed = {entry.seed for entry in branch.of_phase("confirm")}
        pflop += draft.scale * sum(budget.charge(trial) for trial in draft.search[searched:])
        pflop += sum(budget.charge(trial) for trial in draft.confirm if trial.seed not in confirmed)
    return Remaining(done, trials, pflop) if done else None
