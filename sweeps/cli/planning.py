"""The verbs before a run: list, show, simulate."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sweeps.study.schema import Study

from sweeps.cli.options import RESULTS, AsJson, Out, Overrides, StudyName, print_json


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
    from sweeps.forecast.estimate.costs import estimate
    from sweeps.forecast.estimate.text import print_estimate
    from sweeps.records.ledger import Ledger
    from sweeps.records.run_folder import RunFolder
    from sweeps.study.files import load

    chosen = load(study, overrides or [])
    images = images_of(chosen)
    found = estimate(chosen, Ledger(RunFolder(out, chosen.name).ledger))
    predicted = None
    if probe:
        from sweeps.forecast.simulate.forecast import forecast, probed, slots_here

        slots = slots_here(chosen)
        predicted = forecast(chosen, slots, probed(chosen, slots, tell=tell))
    if as_json:
        print_json(asdict(found) | {"images": images} | ({"predicted": asdict(predicted)} if predicted else {}))
    else:
        print_estimate(found, images=images, predicted=predicted.seconds if predicted else None)


def images_of(study: "Study") -> dict[str, list[str]]:
    """Say what the folders of images of a study hold, in a few sentences for each data set."""
    if not any(dataset.folder for dataset in study.cell_datasets):
        return {}
    from rich.console import Console

    from sweeps.outputs.cards import card_lines, cards_of

    cards = cards_of(study, Console(stderr=True, highlight=False, soft_wrap=True))
    return {name: card_lines(card) for name, card in cards.items()}


def tell(probed: int, of: int) -> None:
    """Say on stderr how far a probe is."""
    print(f"probed {probed} of {of} configurations", file=sys.stderr, flush=True)


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
    from sweeps.forecast.simulate.forecast import durations_of, entries_in, forecast, lines, slots_per_node
    from sweeps.study.files import load

    chosen = load(study, overrides or [])
    slots = nodes * slots_per_node(chosen, gpus_per_node, workers_per_node)
    entries = entries_in(results) if results else []
    found = forecast(chosen, slots, durations_of(chosen, entries, gflops), entries, shared=sharing)
    if as_json:
        print_json(asdict(found))
    else:
        print(*lines(found, nodes), sep="\n")
