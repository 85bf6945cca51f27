"""The command line: a thin layer over the library. Data go to stdout, progress to stderr.

Exit codes: 0 done, 1 the work failed, 2 asked wrongly, 130 interrupted. Heavy imports wait until a verb needs them.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from sweeps.planning.plan import Plan
    from sweeps.records.run_folder import RunFolder
    from sweeps.study.schema import Study

app = typer.Typer(
    name="sweeps",
    help="Does GAN data augmentation help on your images? Sweeps that answer with confidence intervals.\n\n"
    "Start with: sweeps run digits",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="A shipped study (see `sweeps list`) or a YAML file.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key; may be given many times."),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where results are kept, in DIR/<study>.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a script to read.")]
RESULTS = Path("results")


def print_version(asked: bool) -> None:
    """Print the version and end, where it was asked for."""
    if asked:
        from importlib.metadata import version

        print(version("dagan-sweeps"))
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """What holds for every verb."""


@app.command("list")
def list_studies(as_json: AsJson = False) -> None:
    """List the studies that come with the package.

    Example: sweeps list
    """
    from sweeps.study.files import load, shipped

    studies = {name: load(name).question for name in shipped()}
    if as_json:
        print_json(studies)
        return
    for name, question in studies.items():
        print(f"{name}: {question}")


@app.command()
def show(
    study: StudyName,
    overrides: Overrides = None,
    out: Out = RESULTS,
    probe: Annotated[
        bool, typer.Option("--probe", help="Try a few steps of each method, for the time that it takes here.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a study would do and cost, before anything is spent; runs nothing, writes nothing.

    Example: sweeps show digits --set confirm.seeds=12
    """
    from sweeps.forecast.estimate.costs import outline
    from sweeps.forecast.estimate.text import print_outline
    from sweeps.records.ledger import Ledger
    from sweeps.records.run_folder import RunFolder
    from sweeps.study.files import load

    chosen = load(study, overrides or [])
    # Where the study has run already, its ledger says how much paired differences vary.
    facts = outline(chosen, Ledger(RunFolder(out, chosen.name).ledger).entries.values())
    if probe:
        from sweeps.forecast.simulate.forecast import forecast, probed, slots_here

        slots = slots_here(chosen)
        facts["predicted"] = forecast(chosen, slots, probed(chosen, slots))
    if as_json:
        print_json(facts)
    else:
        print_outline(facts)


@app.command()
def simulate(
    study: StudyName,
    overrides: Overrides = None,
    nodes: Annotated[int, typer.Option(min=1, help="Machines of the cluster.")] = 1,
    gpus_per_node: Annotated[int | None, typer.Option(min=1, help="GPUs of each; without, cores like here.")] = None,
    workers_per_node: Annotated[
        int | None, typer.Option(min=1, help="Trials at a time on each; by default as many as fit.")
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="RESULTS", help="Step times and learning curves of an earlier run: DIR/<study>."
        ),
    ] = None,
    gflops: Annotated[
        float | None, typer.Option(min=0.001, help="Assumed speed of one trial, 1e9 operations per second.")
    ] = None,
    sharing: Annotated[
        bool, typer.Option("--sharing/--no-sharing", help="Train what trials have in common once.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Predict how a study would go on a cluster: time, utilisation, storage, the plan's own load; runs nothing.

    The plan is the real one, replayed by a virtual clock. Steps take as long as --from or --gflops say, or as a short
    probe on this machine.

    Example: sweeps simulate cifar10 --nodes 64 --gpus-per-node 8 --gflops 20000
    """
    from sweeps.forecast.simulate.forecast import entries_in, forecast, in_words, slots_per_node, times
    from sweeps.study.files import load

    chosen = load(study, overrides or [])
    slots = nodes * slots_per_node(chosen, gpus_per_node, workers_per_node)
    entries = entries_in(results) if results else []
    facts = forecast(chosen, slots, times(chosen, entries, gflops), entries, shared=sharing)
    if as_json:
        print_json(facts)
    else:
        print(*in_words(facts, nodes), sep="\n")


@app.command()
def run(
    study: StudyName,
    overrides: Overrides = None,
    out: Out = RESULTS,
    address: Annotated[
        str | None,
        typer.Option(help="Address of a running Ray cluster; by default Ray is started on this machine."),
    ] = None,
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

    from sweeps.monitor.activity import Activity
    from sweeps.monitor.live_table import LiveTable
    from sweeps.monitor.wandb_runs import WandbRuns, require_login
    from sweeps.records.run_folder import RunFolder
    from sweeps.run import experiment
    from sweeps.run.tune.session import Cluster
    from sweeps.study.files import load

    chosen = load(study, overrides or [])
    if wandb == "online":
        require_login()
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    check_folders(chosen, console)
    place = RunFolder(out, chosen.name)
    listeners = [LiveTable(console), Activity(place), WandbRuns(place.wandb, wandb, console)]
    limit = float("inf") if storage_limit is None else storage_limit * 1e9
    plan = experiment.run(
        chosen,
        place,
        cluster=Cluster(address, workers),
        storage=experiment.Storage(storage, limit, sharing),
        listeners=listeners,
    )
    finish(plan, place, wandb, console)


@app.command()
def status(study: StudyName, overrides: Overrides = None, out: Out = RESULTS, as_json: AsJson = False) -> None:
    """Show where a study stands: what has ended and how, from its ledger, and what runs right now.

    Example: sweeps status digits
    """
    from rich.console import Console

    from sweeps.monitor.activity import activity
    from sweeps.monitor.status import facts, print_status

    plan, place = replay(study, overrides, out)
    now = None if plan.finished else activity(place)
    if now is None:
        plan.require_results()
    if as_json:
        print_json(facts(plan, now))
    else:
        print_status(plan, now, Console(highlight=False, soft_wrap=True))


@app.command()
def report(study: StudyName, overrides: Overrides = None, out: Out = RESULTS) -> None:
    """Write the report of a study as far as it has come.

    Example: sweeps report digits
    """
    plan, place = replay(study, overrides, out)
    plan.require_results()
    for line in write_report(plan, place):
        print(line)


@app.command()
def export(study: StudyName, overrides: Overrides = None, out: Out = RESULTS) -> None:
    """Write the best config per data set, size and method as YAML.

    Example: sweeps export digits
    """
    from sweeps.outputs.best_configs import export as write
    from sweeps.records.run_folder import shown

    plan, place = replay(study, overrides, out)
    plan.require_results()
    for path in write(plan, place):
        print(shown(path))


@app.command()
def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file: exported, or written by hand.")],
    overrides: Overrides = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FOLDER", help="Keep the trained classifier and generator in a new folder."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train one config, without Ray, and print its test accuracy.

    Example: sweeps train results/digits/best/digits-n20-dagan_aug.yaml --save weights
    """
    from sweeps.outputs.train import train_file

    outcome = train_file(config, overrides or [], save)
    if as_json:
        print_json(outcome.record)
    else:
        print(outcome.sentence)
    raise typer.Exit(0 if outcome.completed else 1)


@app.command()
def sample(
    what: Annotated[
        Path, typer.Argument(metavar="WHAT", help="A folder that `train --save` wrote, or a CONFIG.yaml to train.")
    ],
    overrides: Overrides = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="For the pictures; by default `samples` beside the weights, or here."
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FOLDER", help="Instead of pictures write a data set: a new image folder."),
    ] = None,
    per_class: Annotated[int | None, typer.Option(min=1, help="Images of each class in --to; 100.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the latents: the same seed, the same images.")] = 0,
    columns: Annotated[int, typer.Option(min=1, max=64, help="Images of each class on a picture.")] = 8,
    latents: Annotated[int, typer.Option(min=2, max=16, help="Latents that the interpolation passes.")] = 2,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FOLDER", help="Keep the generator that a CONFIG.yaml trains.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make pictures of generated images, or a folder of them to train on.

    Pictures: real beside generated images of each class; z going from one latent to the next; the same z in every
    class. A CONFIG.yaml is trained first, as far as the generator goes.

    Example: sweeps sample weights

    Example: sweeps sample weights --to generated --per-class 200
    """
    from dagan.errors import refuse
    from dagan.files import require_new
    from sweeps.outputs.sample import Wanted, data_settings, generator_of, write_folder, write_pictures

    if per_class and not to:
        raise refuse("--per-class", "is for an image folder. Give it too: --to FOLDER")
    if to:
        require_new(to, "--to")
    generator = generator_of(what, overrides or [], save)
    if to:
        write_folder(generator, to, per_class or 100, seed)
        print(f"Train on it: data: {data_settings(generator.config, to)}", file=sys.stderr)
        paths = [to]
    else:
        beside = what if what.is_dir() else save
        folder = out or (beside / "samples" if beside else Path("samples"))
        paths = write_pictures(generator, folder, Wanted(seed, columns, latents))
    if as_json:
        print_json({"signature": generator.config.signature, "seed": seed, "files": paths})
    else:
        print(*paths, sep="\n")


def replay(name: str, overrides: list[str] | None, out: Path) -> tuple["Plan", "RunFolder"]:
    """A study as its ledger leaves it: as it was last run, unless overrides say otherwise."""
    from sweeps.planning.plan import Plan
    from sweeps.records.ledger import Ledger
    from sweeps.records.run_folder import RunFolder
    from sweeps.study.files import load

    kept = RunFolder(out, load(name).name if Path(name).suffix else name).study
    study = load(str(kept) if kept.is_file() and not overrides else name, overrides or [])
    place = RunFolder(out, study.name)
    return Plan(study, Ledger(place.ledger)), place


def check_folders(study: "Study", console: Any) -> None:
    """Open every image of the study's folders and zips once: a bad one is told now, not in the thirtieth trial."""
    from dagan.data.images import check_images
    from dagan.data.kdef import check_portraits
    from dagan.settings import Data
    from sweeps.records.run_folder import shown

    for dataset in study.cell_datasets:
        root = dataset.root or Data().root
        if dataset.folder:
            console.print(f"checking the images in {shown(dataset.folder)} …")
            check_images(dataset.folder)
        elif dataset.name == "kdef":
            console.print(f"checking the images of kdef in {shown(root)} …")
            check_portraits(root)


def finish(plan: "Plan", place: "RunFolder", wandb: str, console: Any) -> None:
    """Conclude a study that is done, or say how it goes on; what is lacking decides the exit code."""
    from sweeps.planning.plan import shortcomings

    if not plan.finished:
        done = f"{len(plan.entries)} of {plan.planned} trials are kept"
        console.print(f"Interrupted; {done}. To go on, give the same command again:\n  {this_command()}")
        raise typer.Exit(130)
    conclude(plan, place, wandb)
    if lacking := shortcomings(plan.branches):
        for text in lacking:
            console.print(text, markup=False)
        console.print(f"To try what failed again: {this_command()}", markup=False)
        raise typer.Exit(1)


def conclude(plan: "Plan", place: "RunFolder", wandb: str) -> None:
    """Write report and best configs, and say what was found and where everything is."""
    from sweeps.outputs.best_configs import export as write
    from sweeps.planning.plan import unjudged
    from sweeps.records.run_folder import shown

    for line in write_report(plan, place):
        print(line)
    if any(branch.of_phase("confirm") for branch in plan.branches):
        best = write(plan, place)
        print(f"Best configs: {shown(place.best)} (files: {len(best)}). Train one again: sweeps train FILE")
    if left := unjudged(plan):
        why = "they had ended before the study asked for it, or their judge failed"
        print(f"Generated images not judged: those of {len(left)} confirm trials; {why}.")
    if wandb == "offline" and place.wandb.is_dir():
        print(f"W&B runs: {shown(place.wandb)} (offline). Upload: wandb sync {shown(place.wandb)}/offline-run-*")
    print(f"Ledger: {shown(place.ledger)} ({len(plan.entries)} trials)")


def write_report(plan: "Plan", place: "RunFolder") -> list[str]:
    """Write the report; what it found and where it is."""
    from sweeps.outputs.report import summarise
    from sweeps.records.run_folder import shown

    found = summarise(plan, place)
    return [*found.lines, f"Report: {shown(found.html)}"]


def this_command() -> str:
    """The command line as it was given."""
    import shlex

    return shlex.join(["sweeps", *sys.argv[1:]])


def print_json(value: Any) -> None:
    """JSON on stdout."""
    print(json.dumps(value, indent=1, ensure_ascii=False, default=str))


def guarded(call: Callable[[], None]) -> None:
    """Turn what was asked wrongly into a message and exit code 2, and what failed into one and exit code 1."""
    from analysis.errors import ResultsError
    from dagan.errors import InvalidInput

    try:
        call()
    except InvalidInput as error:
        print(f"Error: {len(error.problems)} problems" if len(error.problems) > 1 else "Error:", file=sys.stderr)
        for problem in error.problems:
            print(f"  {problem}", file=sys.stderr)
        sys.exit(2)
    except ResultsError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(130)
    except (RuntimeError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)


def main() -> None:
    """The `sweeps` command."""
    guarded(app)


if __name__ == "__main__":
    main()
