"""Hands a study to `analysis`, which writes its report."""

import shlex
from typing import TYPE_CHECKING

from dagan.files import write_atomically
from sweeps.outputs.duplicates import find_duplicates
from sweeps.outputs.references import find_references
from sweeps.planning.plan import Plan
from sweeps.records.run_folder import RunFolder, shown
from sweeps.study.design import label
from sweeps.study.files import load, shipped

if TYPE_CHECKING:
    from analysis import Report


def summarise(plan: Plan, folder: RunFolder) -> "Report":
    """Write the report of the plan's trials, without entries that the study no longer asks for."""
    import pandas as pd

    from analysis import write_report

    find_duplicates(plan, folder)
    find_references(plan, folder)
    planned = [
        {
            "phase": phase,
            "dataset": branch.cell.dataset.name,
            "samples_per_class": branch.cell.samples_per_class,
            "method": branch.method,
            "point": branch.point,
            "reference": label(group.branches[0].search.point, {}),
            # Duplicates, suggestions with the same settings, are one training and one row.
            "trials": trials - len(branch.of_phase(phase)) + len({e.signature for e in branch.of_phase(phase)}),
        }
        for group in plan.groups
        for branch in group.branches
        for phase, trials in branch.planned.items()
    ]
    found = write_report(
        folder.root,
        planned=pd.DataFrame(planned),
        points={entry.signature: branch.point for branch in plan.branches for entry in branch.entries.values()},
        command=command(plan, folder),
        output=folder.report,
    )
    write_atomically(folder.report / "study.yaml", plan.study.text)
    return found


def command(plan: Plan, folder: RunFolder) -> str:
    """The command that runs this very study again, from the folder where it was run."""
    name = plan.study.name
    if name not in shipped() or load(name).hash != plan.study.hash:
        name = shown(folder.report / "study.yaml")
    out = shown(folder.root.parent)
    return shlex.join(["sweeps", "run", name, *(["--out", out] if out != "results" else [])])
