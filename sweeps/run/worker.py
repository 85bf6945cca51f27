"""The worker: trains one trial as it was ordered and says what happens. Only this file of `sweeps` trains anything."""

import io
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict
from statistics import fmean
from typing import TYPE_CHECKING, Any

from dagan.compute.memory import keep_freed_memory
from dagan.config import Config
from dagan.files import cache_folder
from sweeps.records.ledger import Confusion
from sweeps.records.snapshot_store import SNAPSHOT_SECONDS, SnapshotStore
from sweeps.run.messages import CurvePoint, Message, Outcome, Report, TrialOrder

# Ray runs a trial in a thread of its own, and where a thread's memory comes from is decided as it starts.
keep_freed_memory()

if TYPE_CHECKING:
    from dagan.training.progress import Progress
    from dagan.training.training import Training
    from sweeps.run.worker_snapshots import TrialSnapshots

JUDGES = cache_folder() / "judges"
"""Where each machine keeps the judges of generated images; one that is not there is trained."""
REPORT_SECONDS = 2
"""Least time between reports that no decision needs: each holds the worker up until Tune's loop comes by.

No point of the curve is lost by that, since every report has all of it.
"""
REFUSED_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "STATUS_ALLOC_FAILED")
"""How torch on a CPU, and the libraries of CUDA, say it in errors that have no type of their own."""


def messages(order: TrialOrder, heartbeat: Callable[[], None] = lambda: None) -> Generator[Message]:
    """Train one trial, going on from a snapshot where there is one; yield its reports and last its `Outcome`.

    `heartbeat` is called after every iteration, and while images are judged. A failure of the training is an outcome
    too, so that a bug is seen at once and not tried again and again; only a worker that dies is started anew.
    """
    from dagan.errors import InvalidInput, in_one_line

    try:
        yield from _train(order, heartbeat)
    except InvalidInput as error:
        yield Outcome("failed", refused=True, error=str(error))
    except Exception as error:
        yield Outcome("oom" if out_of_memory(error) else "failed", error=in_one_line(error))


def out_of_memory(error: Exception) -> bool:
    """Whether an exception means that the memory of the machine or of its GPU was too small."""
    import torch

    plain = isinstance(error, RuntimeError) and any(words in str(error) for words in REFUSED_MEMORY)
    return plain or isinstance(error, torch.OutOfMemoryError | MemoryError)


def _train(order: TrialOrder, heartbeat: Callable[[], None]) -> Iterator[Message]:
    from dagan.training.progress import Checkpoint, Progress, Step
    from sweeps.records.provenance import of_training
    from sweeps.run.worker_snapshots import TrialSnapshots

    config = Config.of(order.config)
    snapshots = TrialSnapshots(SnapshotStore(order.store), config, shared=order.shared)
    training = snapshots.restored(order.snapshots)
    provenance = of_training(training.machine, threads=config.compute.threads, commit=order.commit)
    yield from _inherited_rungs(training, snapshots, order, provenance)
    saved = reported = time.monotonic()
    checkpoints, looks = snapshots.by_stage(order.checkpoints), {*order.rungs, *order.readings}
    for event in training.events(every=order.report_every, also=looks, checkpoints=checkpoints):
        if isinstance(event, Step):
            heartbeat()
        elif isinstance(event, Checkpoint):
            snapshots.write_for_others(event.stage)
        elif isinstance(event, Progress) and not training.ended("classification"):
            if _others_report(event, order) and time.monotonic() - saved > SNAPSHOT_SECONDS:
                snapshots.write_for_a_crash()
                saved = time.monotonic()
            at_rung = event.stage == "classification" and event.iteration in order.rungs
            if at_rung or snapshots.news or time.monotonic() - reported >= REPORT_SECONDS:
                yield Report(
                    event.stage,
                    event.iteration,
                    event.total,
                    event.validation_accuracy,
                    curve_of(training),
                    snapshots.spent(training),
                    provenance,
                    snapshots.take_news(),
                )
                reported = time.monotonic()
    if training.status == "diverged":
        snapshots.write_divergence()
    yield _outcome(training, snapshots, order, provenance, heartbeat)


def _inherited_rungs(
    training: "Training", snapshots: "TrialSnapshots", order: TrialOrder, provenance: dict[str, Any]
) -> Iterator[Report]:
    """Report the rungs that lie before the snapshot: the trial would have been stopped there too."""
    for index, point in enumerate(training.curve):
        if point.stage == "classification" and point.iteration in order.rungs:
            yield Report(
                point.stage,
                point.iteration,
                point.total,
                point.validation_accuracy,
                curve_of(training, index + 1),
                snapshots.spent(training, classification=point.iteration),
                provenance,
            )


def _others_report(progress: "Progress", order: TrialOrder) -> bool:
    """Whether any trial with this stage key reports here; the end of a stage may be this trial's alone."""
    return progress.iteration < progress.total or progress.iteration % order.report_every == 0


def _outcome(
    training: "Training",
    snapshots: "TrialSnapshots",
    order: TrialOrder,
    provenance: dict[str, Any],
    heartbeat: Callable[[], None],
) -> Outcome:
    """Test the trained classifier and, where asked for, keep pictures and judge the generated images."""
    from dagan.errors import in_one_line

    result, missing, quality = training.result(), "", dict[str, float]()
    classes = training.config.facts.classes
    if training.generated and result.status == "completed":
        try:
            if order.pictures:
                SnapshotStore(order.store).put(order.pictures, pictures(training))
        except Exception as error:  # fsspec's systems have no error in common
            missing = f"its pictures could not be kept ({error}); the trial is none the worse"
        try:
            if order.quality:
                quality = quality_of(training, heartbeat)
        except Exception as error:  # a finished training is not to be lost by a look at its images
            missing = f"its images could not be judged ({in_one_line(error)}); the trial is none the worse"
    return Outcome(
        result.status,
        error=result.error,
        warning=result.warning,
        validation_accuracy=result.validation_accuracy,
        test_accuracy=result.test_accuracy,
        confusion=Confusion(classes=list(classes), counts=result.confusion) if result.confusion else None,
        quality=quality,
        spent=snapshots.spent(training),
        curve=result.curve,
        provenance=provenance,
        snapshots=snapshots.take_news(),
        missing=missing,
    )


def curve_of(training: "Training", points: int | None = None) -> list[CurvePoint]:
    """The first points of a training's curve, or all, in JSON types."""
    return [asdict(point) for point in training.curve[:points]]


def quality_of(training: "Training", heartbeat: Callable[[], None]) -> dict[str, float]:
    """Judge the generated images of a training; scores per class become their means."""
    from dagan.evaluation.judge import judge_of
    from dagan.evaluation.quality import quality

    found = quality(training, judge_of(training.config, folder=JUDGES, heartbeat=heartbeat), heartbeat=heartbeat)
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
    """A few generated images of each class beside real ones, and how G came there, for the report: an npz file."""
    import numpy as np

    from dagan.evaluation.pictures import generated_grid, progress_grid, real_grid

    classes, looks = training.config.facts.classes, progress_grid(training)
    arrays = {
        "real": real_grid(training.data.train, len(classes)),
        "generated": generated_grid(training),
        "classes": np.array(classes),
    }
    if looks:
        arrays |= {"progress": np.concatenate(list(looks.values()), axis=1), "iterations": np.array(list(looks))}
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()
