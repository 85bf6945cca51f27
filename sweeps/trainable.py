"""What a worker does with one trial. Only this file of `sweeps` trains anything."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagan.config import Config
from dagan.memory import keep_freed_memory

# Ray runs a trial in a thread of its own, and where a thread's memory comes from is decided as it starts.
keep_freed_memory()

if TYPE_CHECKING:
    from dagan.training import Training

SNAPSHOT_SECONDS = 30
"""How much work a crash may cost, at the most, beyond one report interval."""


def train_trial(order: dict[str, Any]) -> None:
    """The function that Ray Tune runs. Orders and reports are JSON texts: Tune would flatten what is nested."""
    from ray import tune

    for report in reports(json.loads(order["order"])):
        tune.report({"report": json.dumps(report)})


def reports(order: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Train one trial, going on from its snapshot where there is one; the last report has its `outcome`.

    A failure of the training is an outcome too, so that a bug is told at once and not tried again and again;
    only a worker that dies is Ray's to start anew.
    """
    import torch

    from dagan.problem import InvalidInput

    try:
        yield from _train(order)
    except (torch.OutOfMemoryError, MemoryError) as error:
        yield {"outcome": {"status": "oom", "error": first_line(error)}}
    except InvalidInput as error:
        yield {"outcome": {"status": "failed", "error": str(error), "invalid": True}}
    except Exception as error:
        yield {"outcome": {"status": "failed", "error": first_line(error)}}


def first_line(error: BaseException) -> str:
    """An exception in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


def _train(order: dict[str, Any]) -> Iterator[dict[str, Any]]:
    from sweeps.provenance import of_training

    config = Config.of(order["config"])
    snapshot = Path(order["snapshot"])
    training = resumed(config, snapshot)
    saved = time.monotonic()
    provenance = of_training(training.machine, threads=config.compute.threads, commit=order["commit"])
    for progress in training.run(every=order["every"], also=order["rungs"]):
        curve = [asdict(point) for point in training.curve]
        yield asdict(progress) | {"curve": curve, "provenance": provenance, **training.spent()}
        # Only now, when it is known that the trial goes on: a snapshot must not lie behind a rung that would stop it.
        if time.monotonic() - saved > SNAPSHOT_SECONDS:
            save(training, snapshot)
            saved = time.monotonic()
    result = asdict(training.result())
    if order["pictures"] and training.generation and result["status"] == "completed":
        draw_pictures(training, Path(order["pictures"]))
    snapshot.unlink(missing_ok=True)
    yield {"outcome": result, "provenance": provenance}


def save(training: "Training", path: Path) -> None:
    """Write the state of a training beside its snapshot and rename it: a crash leaves the old one or the new one."""
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    torch.save(training.state(), beside)
    beside.replace(path)


def resumed(config: Config, path: Path) -> "Training":
    """A training that goes on from its snapshot, or begins; a damaged snapshot counts as absent."""
    import torch

    from dagan.training import Training

    training = Training(config)
    if not path.is_file():
        return training
    try:
        training.restore(torch.load(path, weights_only=True))
    except Exception:
        # Whatever torch finds wrong with a file, the training can begin from nothing, so it does.
        path.unlink(missing_ok=True)
        return Training(config)
    return training


def draw_pictures(training: "Training", path: Path) -> None:
    """Keep a few generated images of each class, beside real ones, for the report."""
    import numpy as np

    from dagan.pictures import generated_grid, real_grid

    classes = training.config.facts.classes
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{os.getpid()}.{path.name}")
    np.savez_compressed(
        beside,
        real=real_grid(training.data.train, len(classes)),
        generated=generated_grid(training),
        classes=np.array(classes),
    )
    beside.replace(path)
