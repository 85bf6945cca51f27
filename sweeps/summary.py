"""From the plan to the report: what `analysis` needs to know of a study."""

import shlex
from typing import TYPE_CHECKING

from sweeps.ledger import Place, shown
from sweeps.plan import Plan
from sweeps.study import shipped

if TYPE_CHECKING:
    from analysis import Report


def summarise(plan: Plan, place: Place) -> "Report":
    """Write the report of the plan's trials; entries that the study no longer asks for stay out of it."""
    import pandas as pd

    from analysis import write_report

    planned = [
        {
            "phase": phase,
            "dataset": branch.cell.dataset.name,
            "samples_per_class": branch.cell.samples_per_class,
            "method": branch.method,
            # Twins, two suggestions that came to the same setting, are one training and one row.
            "trials": trials - len(branch.of_phase(phase)) + len({e.signature for e in branch.of_phase(phase)}),
        }
        for branch in plan.branches
        for phase, trials in branch.planned.items()
    ]
    return write_report(
        place.root,
        planned=pd.DataFrame(planned),
        signatures={entry.signature for entry in plan.entries},
        command=command(plan, place),
        output=place.report,
    )


def command(plan: Plan, place: Place) -> str:
    """How to run the study again, from the folder where it was run."""
    name = plan.study.name if plan.study.name in shipped() else shown(place.study)
    out = shown(place.root.parent)
    return shlex.join(["sweeps", "run", name, *(["--out", out] if out != "results" else [])])
