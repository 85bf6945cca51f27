"""The verbs of a run: run, status."""

import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sweeps.cli.options import RESULTS, AsJson, Out, Overrides, StudyName, print_json
from sweeps.cli.results import replay, write_report

if TYPE_CHECKING:
    from sweeps.planning.plan import Plan
    from sweeps.records.run_folder import RunFolder


def run(
    study: StudyName,
    overrides: Overrides = None,
    out: Out = RESULTS,
    address: Annotated[
        str | None,
        typer.Option(help="Address of a running Ray cluster; by default Ray is started on this machine."),
    ] = None,
    executor: Annotated[
        Literal["ray", "inline"],
        typer.Option(
            help="inline: one trial at a time in this process, without Ray, to the same numbers; for a debugger, or"
            " where Ray does not start."
        ),
    ] = "ray",
    workers: Annotated[int | None, typer.Option(min=1, help="Trials at a time; by default as many as fit.")] = None,
    wandb: Annotated[
        Literal["offline", "online", "off"], typer.Option(help="Where W&B runs go; offline needs no account.")
    ] = "offline",
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Where snapshots go: a folder or s3://… that all nodes see; by default --out."
        ),
    ] = None,
    storage_limit: Annotated[
        float | None, typer.Option(metavar="GB", min=0, help="What snapshots may take together; by default no limit.")
    ] = None,
    sharing: Annotated[
        bool, typer.Option("--sharing/--no-sharing", help="Train what trials have in common once; same numbers.")
    ] = True,
) -> None:
    """Run a study, or go on with it: what is finished is never run again. Ends with report and best configs.

    Example: sweeps run digits
    """
    from rich.console import Console

    from sweeps.api import run_study
    from sweeps.records.run_folder import RunFolder
    from sweeps.run.experiment import Storage
    from sweeps.run.tune.session import Cluster
    from sweeps.study.files import load

    chosen = load(study, overrides or [])
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    limit = float("inf") if storage_limit is None else storage_limit * 1e9
    plan = run_study(
        chosen,
        out=out,
        executor=executor,
        cluster=Cluster(address, workers),
        storage=Storage(storage, limit, sharing),
        wandb=wandb,
        console=console,
    )
    finish(plan, RunFolder(out, chosen.name), wandb, console)


def status(study: StudyName, overrides: Overrides = None, out: Out = RESULTS, as_json: AsJson = False) -> None:
    """Show where a study stands: what has ended and how, from its ledger, and what runs right now.

    Example: sweeps status digits
    """
    from rich.console import Console

    from sweeps.monitor.activity import activity
    from sweeps.monitor.status import facts, print_status

    plan, folder = replay(study, overrides, out)
    now = None if plan.finished else activity(folder)
    if now is None:
        plan.require_results()
    if as_json:
        print_json(facts(plan, now))
    else:
        print_status(plan, now, Console(highlight=False, soft_wrap=True))


def finish(plan: "Plan", folder: "RunFolder", wandb: str, console: Any) -> None:
    """Conclude a study that has ended, or print how to go on; exit with 130 if interrupted, with 1 if trials failed."""
    from sweeps.planning.plan import Plan, shortcomings
    from sweeps.records.ledger import Ledger

    if not plan.finished:
        # An interrupt can come between the file of a trial and the plan's knowledge of it.
        kept = Plan(plan.study, Ledger(folder.ledger))
        done = f"{len(kept.entries)} of {kept.planned} trials are kept"
        console.print(f"Interrupted; {done}. To go on, give the same command again:\n  {this_command()}", markup=False)
        raise typer.Exit(130)
    conclude(plan, folder, wandb)
    if lacking := shortcomings(plan.branches):
        for text in lacking:
            console.print(text, markup=False)
        console.print(f"To try what failed again: {this_command()}", markup=False)
        raise typer.Exit(1)


def conclude(plan: "Plan", folder: "RunFolder", wandb: str) -> None:
    """Write report and best configs, and print what was found and where everything is."""
    from sweeps.outputs.best_configs import export as write
    from sweeps.planning.plan import unjudged
    from sweeps.records.run_folder import shown

    for line in write_report(plan, folder):
        print(line)
    if any(branch.of_phase("confirm") for branch in plan.branches):
        best = write(plan, folder)
        print(f"Best configs: {shown(folder.best)} (files: {len(best)}). Train one again: sweeps train FILE")
    if left := unjudged(plan):
        why = "they had ended before the study asked for it, or their judge failed"
        print(f"Generated images not judged: those of {len(left)} confirm trials; {why}.")
    if wandb == "offline" and folder.wandb.is_dir():
        print(f"W&B runs: {shown(folder.wandb)} (offline). Upload: wandb sync {shown(folder.wandb)}/offline-run-*")
    others = len(plan.ledger.entries) - len({entry.signature for entry in plan.entries})
    left_out = f"; {others} more that this study does not ask for are left out" if others else ""
    print(f"Ledger: {shown(folder.ledger)} ({len(plan.entries)} trials{left_out})")


def this_command() -> str:
    """The command line that was given."""
    return shlex.join(["sweeps", *sys.argv[1:]])
