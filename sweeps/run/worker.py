"""What a worker does with one trial. Only this file of `sweeps` trains anything."""

import io
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from dagan.compute.memory import keep_freed_memory
from dagan.config import Config
from sweeps.records.snapshot_store import SNAPSHOT_SECONDS, Store

# Ray runs a trial in a thread of its own, and where a thread's memory comes from is decided as it starts.
keep_freed_memory()

if TYPE_CHECKING:
    from dagan.training.training import Training

ALIVE_SECONDS = 10
"""After so long without a report an empty one says that the training goes on, and that it can be heard."""
JUDGES = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dagan" / "judges"
"""Where the judges of generated images lie, on each machine; one that is not there is trained."""
REPORT_SECONDS = 2
"""Reports that nothing hangs on come no more often: each holds a worker up until Tune's loop comes by.

No point of the curve is lost by that, since every report has all of it.
"""


def train_trial(order: dict[str, Any]) -> None:
    """The function that Ray Tune runs. Orders and reports are JSON texts: Tune would flatten what is nested."""
    from ray import tune

    told = time.monotonic()

    def tell(report: dict[str, Any]) -> None:
        nonlocal told
        tune.report({"report": json.dumps(report)})
        told = time.monotonic()

    def alive() -> None:
        if time.monotonic() - told > ALIVE_SECONDS:
            tell({})

    for report in reports(json.loads(order["order"]), alive):
        tell(report)


def reports(order: dict[str, Any], alive: Callable[[], None] = lambda: None) -> Iterator[dict[str, Any]]:
    """Train one trial, going on from a snapshot where there is one; the last report has its `outcome`.

    A failure of the training is an outcome too, so that a bug is told at once and not tried again and again;
    only a worker that dies is Ray's to start anew.
    """
    from dagan.errors import InvalidInput

    try:
        yield from _train(order, alive)
    except InvalidInput as error:
        yield {"outcome": {"status": "failed", "error": str(error), "invalid": True}}
    except Exception as error:
        yield {"outcome": {"status": "oom" if out_of_memory(error) else "failed", "error": first_line(error)}}


REFUSED_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "STATUS_ALLOC_FAILED")
"""How torch on a CPU, and the libraries of CUDA, say it, in errors that have no type of their own."""


def out_of_memory(error: Exception) -> bool:
    """Whether that is what went wrong."""
    import torch

    plain = isinstance(error, RuntimeError) and any(words in str(error) for words in REFUSED_MEMORY)
    return plain or isinstance(error, torch.OutOfMemoryError | MemoryError)


def first_line(error: BaseException) -> str:
    """An exception in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


def _train(order: dict[str, Any], alive: Callable[[], None]) -> Iterator[dict[str, Any]]:
    from dagan.training.progress import Checkpoint, Step
    from sweeps.records.provenance import of_training
    from sweeps.run.worker_snapshots import Snapshots

    config = Config.of(order["config"])
    snapshots = Snapshots(Store(order["store"]), config, shared=order["shared"])
    training = snapshots.begun(order["starts"])
    provenance = of_training(training.machine, threads=config.compute.threads, commit=order["commit"])
    rungs, every = order["rungs"], order["every"]
    for index, point in enumerate(training.curve):
        if point.stage == "classification" and point.iteration in rungs:
            # Who goes on from another trial's snapshot would have been stopped here too.
            yield (
                asdict(point)
                | {"curve": curve(training, index + 1), "provenance": provenance}
                | snapshots.spent(training, classification=point.iteration)
            )
    saved = told = time.monotonic()
    checkpoints = snapshots.checkpoints(order["marks"])
    for event in training.events(every=every, also=rungs, checkpoints=checkpoints):
        if isinstance(event, Step):
            alive()
            continue
        if isinstance(event, Checkpoint):
            snapshots.keep(event.stage)
            continue
        progress = event
        if training.ended("classification"):
            continue  # the outcome says it too, and each report costs a turn of Tune's loop
        # A report at the end of a stage is this trial's alone, where others do not end there.
        others_report = progress.iteration < progress.total or progress.iteration % every == 0
        if others_report and time.monotonic() - saved > SNAPSHOT_SECONDS:
            snapshots.keep_for_a_crash()
            saved = time.monotonic()
        news = snapshots.news()
        awaited = progress.stage == "classification" and progress.iteration in rungs
        if awaited or any(news.values()) or time.monotonic() - told >= REPORT_SECONDS:
            yield (
                asdict(progress)
                | {"curve": curve(training), "provenance": provenance, **news}
                | snapshots.spent(training)
            )
            told = time.monotonic()
    if training.status == "diverged":
        snapshots.keep_divergence()
    result = asdict(training.result()) | snapshots.spent(training)
    notice = {}
    if training.generation and result["status"] == "completed":
        try:
            if order["pictures"]:
                Store(order["store"]).put(order["pictures"], pictures(training))
        except Exception as error:  # fsspec's systems have no error in common
            notice = {"notice": f"its pictures could not be kept ({error}); the trial is none the worse"}
        try:
            if order["quality"]:
                result["quality"] = quality_of(training, alive)
        except Exception as error:  # a finished training is not to be lost by a look at its images
            notice = {"notice": f"its images could not be judged ({first_line(error)}); the trial is none the worse"}
    yield {"outcome": result, "curve": result["curve"], "provenance": provenance, **snapshots.news(), **notice}


def curve(training: "Training", points: int | None = None) -> list[dict[str, Any]]:
    """The first points of a training's curve, or all, in JSON's types."""
    return [asdict(point) for point in training.curve[:points]]


def quality_of(training: "Training", alive: Callable[[], None]) -> dict[str, float]:
    """What the judge of the data set says of the generated images; of what it says per class, means."""
    from dagan.evaluation.judge import judge_of
    from dagan.evaluation.quality import quality

    found = quality(training, judge_of(training.config, folder=JUDGES, heartbeat=alive), heartbeat=alive)
    values = {
        "kid": found.kernel_distance.mean,
        "fid": found.frechet_distance,
        "density": fmean(found.density.values()),
        "coverage": fmean(found.coverage.values()),
        "gan_test": found.gan_test,
        "gan_train": found.gan_train,
        "memorisation": found.memorisation.ratio,
        "diversity": fmean(found.diversity.values()),
        "judge_accuracy": found.judge_accuracy,
    }
    return {name: value for name, value in values.items() if value is not None}


def pictures(training: "Training") -> bytes:
    """A few generated images of each class, beside real ones, for the report: an npz file."""
    import numpy as np

    from dagan.evaluation.pictures import generated_grid, real_grid

    classes = training.config.facts.classes
    file = io.BytesIO()
    np.savez_compressed(
        file,
        real=real_grid(training.data.train, len(classes)),
        generated=generated_grid(training),
        classes=np.array(classes),
    )
    return file.getvalue()
