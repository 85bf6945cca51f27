"""What a study would take on a cluster, as a simulation has it: its times, its outcomes, and the result in words."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dagan.errors import refuse
from sweeps.forecast.estimate.draft import drafts
from sweeps.forecast.estimate.text import clock, figure, size
from sweeps.forecast.simulate.outcomes import Assumed, Recorded
from sweeps.forecast.simulate.probe import probe
from sweeps.forecast.simulate.simulation import Simulation
from sweeps.forecast.simulate.step_times import Durations, assumed, recorded
from sweeps.records.ledger import Entry, Ledger
from sweeps.study.schema import Study


def slots_here(study: Study) -> int:
    """Trials at a time on this machine, by its cores."""
    return max(1, len(os.sched_getaffinity(0)) // study.resources.cpu)


def slots_per_node(study: Study, gpus: int | None, workers: int | None) -> int:
    """Trials at a time on one node.

    Raises:
        InvalidInput: not even one fits.
    """
    if workers:
        return workers
    share = 1.0 if study.resources.gpu == "auto" else study.resources.gpu
    if gpus is None or not share:
        return slots_here(study)
    if gpus < share:
        raise refuse("--gpus-per-node", f"one trial takes {share:g} GPUs, but a node has {gpus}.")
    return int(gpus // share)


def probed(study: Study, slots: int) -> Durations:
    """Times of this machine, all slots busy."""
    trials = [trial for one in drafts(study) for trial in one.trials]
    return Durations(probe(trials, slots=slots), "probed on this machine")


def entries_in(folder: Path) -> list[Entry]:
    """The ledger in a folder of results.

    Raises:
        InvalidInput: there is none, or nothing in it.
    """
    ledger = folder / "ledger" if (folder / "ledger").is_dir() else folder
    entries = list(Ledger(ledger).entries.values())
    if not entries:
        raise refuse("--from", f"`{folder}` must be the results of a study (DIR/<study>), but has no ledger entries.")
    return entries


def times(study: Study, entries: Sequence[Entry], gflops: float | None) -> Durations:
    """How long steps take: by an assumed speed, where one is given; by a ledger, where one is; else by a probe."""
    if gflops:
        return assumed(gflops)
    return recorded(entries) or probed(study, slots_here(study))


def forecast(
    study: Study, slots: int, takes: Durations, entries: Sequence[Entry] = (), *, shared: bool = True
) -> dict[str, Any]:
    """Makespan, utilisation, storage traffic, and what the plan itself costs."""
    simulation = Simulation(study, slots, takes, Recorded(entries) if entries else Assumed(), shared=shared)
    tally = simulation.run()
    trained = sum(tally.statuses.values())
    return {
        "study": study.name,
        "slots": slots,
        "trials": simulation.plan.planned,
        "trained": trained,
        "statuses": dict(tally.statuses),
        "seconds": tally.makespan,
        "utilisation": tally.busy / (slots * tally.makespan),
        "driver": tally.driver / tally.makespan,
        "pflop": tally.pflop,
        "pflop_unshared": tally.pflop_unshared,
        "bytes_written": tally.written,
        "bytes_read": tally.read,
        "bytes_peak": tally.peak,
        "planning_seconds": tally.planning,
        "planning_seconds_per_trial": tally.planning / trained,
        "planning_longest_seconds": tally.longest,
        "times": takes.source,
        "curves": f"recorded by {len(entries)} trials" if entries else "assumed",
    }


def in_words(facts: dict[str, Any], nodes: int) -> list[str]:
    """A forecast as lines of text."""
    ended = ", ".join(f"{count} {status}" for status, count in facts["statuses"].items())
    saved = 1 - facts["pflop"] / facts["pflop_unshared"] if facts["pflop_unshared"] else 0.0
    load = 100 * (facts["driver"] + facts["planning_seconds"] / facts["seconds"])
    return [
        f"{facts['study']} on {nodes} × {facts['slots'] // nodes} slots: {facts['trials']} trials in"
        f" {clock(facts['seconds'])}; slots busy {100 * facts['utilisation']:.0f} % of the time.",
        f"Trainings: {facts['trained']} ({ended}); {figure(1000 * facts['pflop'])} TFLOP,"
        f" sharing saves {100 * saved:.0f} %.",
        f"Snapshots: {size(facts['bytes_written'])} written, {size(facts['bytes_read'])} read, at most"
        f" {size(facts['bytes_peak'])} kept at a time.",
        f"The plan: {facts['planning_seconds']:.1f} CPU s in all, {1000 * facts['planning_seconds_per_trial']:.1f} ms"
        f" per training, {1000 * facts['planning_longest_seconds']:.0f} ms at the longest; with it the driver is busy"
        f" {load:.0f} % of the time.",
        f"Step times: {facts['times']}. Learning curves: {facts['curves']}.",
    ]
