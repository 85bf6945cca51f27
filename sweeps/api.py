"""Running a study with everything that watches it: behind `sweeps run`, and for notebooks and scripts."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sweeps.study.files import load

if TYPE_CHECKING:
    from rich.console import Console

    from sweeps.monitor.wandb_runs import Mode
    from sweeps.planning.plan import Plan
    from sweeps.records.run_folder import RunFolder
    from sweeps.run.experiment import Executor, Storage
    from sweeps.run.listeners import Listener
    from sweeps.run.tune.session import Cluster
    from sweeps.study.schema import Study


def run_study(
    study: "Study | str",
    *,
    overrides: Sequence[str] = (),
    out: Path | str = "results",
    executor: "Executor" = "inline",
    cluster: "Cluster | None" = None,
    storage: "Storage | None" = None,
    wandb: "Mode" = "offline",
    console: "Console | None" = None,
) -> "Plan":
    """Run a study, or go on with it, and show how it goes; return its plan, finished unless it was interrupted.

    `study` is a Study, the name of a shipped one, or the path of a YAML file, which `overrides` (`key=value`) change.
    Results lie in `out`/<study>; `sweeps report`, or `analysis.write_report`, makes a report of them. Here trials run
    in this process, one at a time, unless `executor` is `ray`. Progress goes to the console, by default stderr: a live
    table on a terminal and in a notebook, lines elsewhere.

    Raises:
        InvalidInput: everything that is wrong with the study, its images or the options, before anything runs.
    """
    from rich.console import Console

    from dagan.errors import refuse
    from sweeps.monitor.wandb_runs import require_login
    from sweeps.outputs.leaks import find_leaks
    from sweeps.records.run_folder import RunFolder
    from sweeps.run import experiment

    if overrides and not isinstance(study, str):
        raise refuse("overrides", "are for a study by name or path; a Study is taken as it is.")
    chosen = load(study, overrides) if isinstance(study, str) else study
    if executor == "inline" and cluster and (cluster.address or (cluster.workers or 1) > 1):
        raise refuse("--executor", "must be ray with --address, or more than one of --workers, but is inline.")
    if wandb == "online":
        require_login()
    console = console or Console(stderr=True, highlight=False, soft_wrap=True)
    folder = RunFolder(Path(out), chosen.name)
    check_images(chosen, folder, console)
    find_leaks(chosen, folder, console)
    listeners = listeners_of(folder, wandb, console)
    return experiment.run(chosen, folder, executor=executor, cluster=cluster, storage=storage, listeners=listeners)


def listeners_of(folder: "RunFolder", wandb: "Mode", console: "Console") -> "list[Listener]":
    """Everything that watches a run: the live table, the activity file for `sweeps status`, W&B."""
    from sweeps.monitor.activity import Activity
    from sweeps.monitor.live_table import LiveTable
    from sweeps.monitor.wandb_runs import WandbRuns

    return [LiveTable(console), Activity(folder), WandbRuns(folder.wandb, wandb, console)]


def check_images(study: "Study", folder: "RunFolder", console: "Console") -> None:
    """Open every image of the study's folders and zips once, so that a bad one is found now, not in a late trial.

    What they hold is told, and kept for the report.

    Raises:
        InvalidInput: files that are missing, or are not images.
    """
    from dagan.data.card import check_generated
    from dagan.data.kdef import check_portraits
    from dagan.settings import Data
    from sweeps.outputs.cards import card_lines, cards_of, keep_card
    from sweeps.records.run_folder import shown

    cards = cards_of(study, console)
    for dataset in study.cell_datasets:
        root = dataset.root or Data().root
        if found := cards.get(dataset.name):
            console.print(f"{dataset.name}: {' '.join(card_lines(found))}", markup=False)
            keep_card(found, dataset.name, dataset.fit or "crop", folder)
        elif dataset.name == "kdef":
            console.print(f"checking the images of kdef in {shown(root)} …", markup=False)
            check_portraits(root)
        if dataset.generated:
            console.print(f"checking the generated images in {shown(dataset.generated)} …", markup=False)
            check_generated(dataset.generated)
