"""The forecast of a study on a cluster, from a simulation: time, utilisation, storage, load of the driver."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dagan.errors import refuse
from sweeps.forecast.estimate.draft import drafts
from sweeps.forecast.estimate.text import clock, figure, size
from sweeps.forecast.simulate.outcomes import Assumed, Recorded
from sweeps.forecast.simulate.probe import Tell, probe, silent
from sweeps.forecast.simulate.simulation import Simulation
from sweeps.forecast.simulate.step_times import Durations, assumed, recorded
from sweeps.records.ledger import Entry, Ledger
from sweeps.study.schema import Study


@dataclass(frozen=True)
class Forecast:
    """What a study would take on a cluster."""

    study: str
    slots: int
    """Trials at a time."""
    trials: int
    trained: int
    """Trials less duplicates."""
    statuses: dict[str, int]
    seconds: float
    utilisation: float
    """Share of the time in which slots are busy."""
    driver: float
    """Share of the time in which the driver is busy, the plan's own load not counted."""
    pflop: float
    pflop_unshared: float
    bytes_written: int
    bytes_read: int
    bytes_peak: int
    planning_seconds: float
    """CPU time of the plan; likewise the next two."""
    planning_seconds_per_trial: float
    planning_longest_seconds: float
    times: str
    """Where step times are from."""
    curves: str
    """Where learning curves are from."""

    @property
    def saved(self) -> float:
        """Share of operations that sharing saves."""
        return 1 - self.pflop / self.pflop_unshared if self.pflop_unshared else 0.0

    @property
    def load(self) -> float:
        """Share of the time in which the driver is busy, the plan's load included."""
        return self.driver + self.planning_seconds / self.seconds


def forecast(
    study: Study, slots: int, times: Durations, entries: Sequence[Entry] = (), *, shared: bool = True
) -> Forecast:
    """Simulate a study; its learning curves are those of a ledger's entries, where there are any."""
    simulation = Simulation(study, slots, times, Recorded(entries) if entries else Assumed(), shared=shared)
    tally = simulation.run()
    trained = sum(tally.statuses.values())
    return Forecast(
        study=study.name,
        slots=slots,
        trials=simulation.plan.planned,
        trained=trained,
        statuses=dict(tally.statuses),
        seconds=tally.makespan,
        utilisation=tally.busy / (slots * tally.makespan),
        driver=tally.driver / tally.makespan,
        pflop=tally.pflop,
        pflop_unshared=tally.pflop_unshared,
        bytes_written=tally.written,
        bytes_read=tally.read,
        bytes_peak=tally.peak,
        planning_seconds=tally.planning.total,
        planning_seconds_per_trial=tally.planning.total / trained,
        planning_longest_seconds=tally.planning.longest,
        times=times.source,
        curves=f"recorded by {len(entries)} trials" if entries else "assumed",
    )


def lines(found: Forecast, nodes: int) -> list[str]:
    """A forecast for so many nodes as lines of text."""
    ended = ", ".join(f"{count} {status}" for status, count in found.statuses.items())
    return [
        f"{found.study} on {nodes} × {found.slots // nodes} slots: {found.trials} trials in {clock(found.seconds)};"
        f" slots busy {100 * found.utilisation:.0f} % of the time.",
        f"Trainings: {found.trained} ({ended}); {figure(1000 * found.pflop)} TFLOP,"
        f" sharing saves {100 * found.saved:.0f} %.",
        f"Snapshots: {size(found.bytes_written)} written, {size(found.bytes_read)} read, at most"
        f" {size(found.bytes_peak)} kept at a time.",
        f"The plan: {found.planning_seconds:.1f} CPU s in all, {1000 * found.planning_seconds_per_trial:.1f} ms"
        f" per training, {1000 * found.planning_longest_seconds:.0f} ms at the longest; with it the driver is busy"
        f" {100 * found.load:.0f} % of the time.",
        f"Step times: {found.times}. Learning curves: {found.curves}.",
    ]


def slots_here(study: Study) -> int:
    """Trials at a time on this machine, by its cores."""
    return max(1, cores_here() // study.resources.cpu)


def cores_here() -> int:
    """Cores of this machine that this process may use."""
    return len(os.sched_getaffinity(0))


def slots_per_node(study: Study, gpus: int | None, workers: int | None) -> int:
    """Trials at a time on one node: as many as `workers`, else as fit its GPUs, else as fit this machine's cores.

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


def durations_of(study: Study, entries: Sequence[Entry], gflops: float | None) -> Durations:
    """Durations at an assumed speed, if one is given; else those of a ledger, if one is given; else probed ones."""
    if gflops:
        return assumed(gflops)
    return recorded(entries) or probed(study, slots_here(study))


def probed(study: Study, slots: int, *, tell: Tell = silent) -> Durations:
    """Durations measured on this machine, with all slots busy."""
    trials = [trial for draft in drafts(study) for trial in draft.trials]
    return Durations(probe(trials, slots=slots, tell=tell), "probed on this machine")


def entries_in(folder: Path) -> list[Entry]:
    """The ledger's entries in a folder of results.

    Raises:
        InvalidInput: the folder has no entries.
    """
    ledger = folder / "ledger" if (folder / "ledger").is_dir() else folder
    entries = list(Ledger(ledger).entries.values())
    if not entries:
        raise refuse("--from", f"`{folder}` must be the results of a study (DIR/<study>), but has no ledger entries.")
    return entries
