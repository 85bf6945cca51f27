"""The verbs after a run: report, export, keep."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli.options import RESULTS, Out, Overrides, StudyName, StudyOrResults

if TYPE_CHECKING:
    from sweeps.planning.plan import Plan
    from sweeps.records.run_folder import RunFolder


def report(study: StudyOrResults, overrides: Overrides = None, out: Out = RESULTS) -> None:
    """Write the report of a study as far as it has come, or of kept results: a folder that `sweeps keep` has written.

    Example: sweeps report digits
    """
    if Path(study).is_dir():
        for line in report_of_kept(Path(study)):
            print(line)
        return
    plan, folder = replay(study, overrides, out)
    plan.require_results()
    for line in write_report(plan, folder):
        print(line)


def export(study: StudyName, overrides: Overrides = None, out: Out = RESULTS) -> None:
    """Write the best config per data set, size and method as YAML.

    Example: sweeps export digits
    """
    from sweeps.outputs.best_configs import export as write
    from sweeps.records.run_folder import shown

    plan, folder = replay(study, overrides, out)
    plan.require_results()
    for path in write(plan, folder):
        print(shown(path))


def keep(
    study: StudyName,
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where the results are to be kept.")],
    overrides: Overrides = None,
    out: Out = RESULTS,
) -> None:
    """Keep the results of a study in a few small files: study file, ledger and report, to commit or to pass on.

    Example: sweeps keep digits --to kept/digits
    """
    from sweeps.outputs.kept_results import keep as write
    from sweeps.records.run_folder import shown

    plan, folder = replay(study, overrides, out)
    plan.require_results()
    for path in write(plan, folder, to):
        print(shown(path))


def replay(name: str, overrides: list[str] | None, out: Path) -> tuple["Plan", "RunFolder"]:
    """Replay the plan of a study, as it was last run unless overrides change it, over its ledger."""
    from sweeps.planning.plan import Plan
    from sweeps.records.ledger import Ledger
    from sweeps.records.run_folder import RunFolder
    from sweeps.study.files import load

    kept = RunFolder(out, load(name).name if Path(name).suffix else name).study
    study = load(str(kept) if kept.is_file() and not overrides else name, overrides or [])
    folder = RunFolder(out, study.name)
    return Plan(study, Ledger(folder.ledger)), folder


def report_of_kept(folder: Path) -> list[str]:
    """Write the report of kept results into their folder; lines that say what it found and where it is."""
    from sweeps.outputs.kept_results import PAGE, report_of
    from sweeps.records.run_folder import shown

    return [*report_of(folder), f"Report: {shown(folder / PAGE)}"]


def write_report(plan: "Plan", folder: "RunFolder") -> list[str]:
    """Write the report; lines that say what it found and where it is."""
    from sweeps.outputs.report import summarise
    from sweeps.records.run_folder import shown

    found = summarise(plan, folder)
    return [*found.lines, f"Report: {shown(found.html)}"]
