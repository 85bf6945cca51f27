"""Times a few steps of each kind on this machine, in as many processes at a time as trials would run.

The processes run this module as a program: planning itself never loads torch.
"""

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from statistics import mean
from typing import Any

from dagan.config import Config
from dagan.networks.flops import pflop
from dagan.stages import Stage
from sweeps.planning.trial import Trial

SECONDS = 1.0
"""Seconds for which one kind of step is timed; at least two reports are."""
REPORT_EVERY = 5
"""Steps from one report to the next."""


Tell = Callable[[int, int], None]
"""Is told how many configurations were probed, of how many."""


@dataclass(frozen=True)
class Sample:
    """Seconds of the parts of one config's training; 0 for a stage that it does not have."""

    method: str
    generation_pflop: float
    """Operations of an iteration, 1e15; likewise the next."""
    classification_pflop: float
    generation_step: float
    classification_step: float
    generation_look: float
    """Seconds of a report, beside the steps; likewise the next."""
    classification_look: float
    set_up: float
    set_up_classification: float
    write: float
    read: float
    finish: float
    """Last evaluation on the validation and test images."""
    start: float
    """Import of torch in a worker."""


def silent(probed: int, of: int) -> None:
    """Say nothing of how many configurations were probed."""


def probe(trials: Iterable[Trial], *, slots: int, tell: Tell = silent) -> list[Sample]:
    """Time the trials' methods at their cheapest and dearest stage 2, with all slots busy; `tell` is told how far.

    Raises:
        RuntimeError: a process of the probe failed.
    """
    configs = representative(trials)
    rotations = [[config.model_dump(mode="json") for config in configs[i:] + configs[:i]] for i in range(slots)]
    environment = os.environ | {"OMP_NUM_THREADS": str(max(1, configs[0].compute.threads))}
    found: dict[str, list[Sample]] = {}
    with ExitStack() as stack:
        # Into files: a process that fills a pipe which nobody reads yet would wait for ever.
        said = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in rotations]
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", __name__],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    env=environment,
                )
            )
            for errors in said
        ]
        for process, rotation in zip(processes, rotations, strict=True):
            stack.callback(process.kill)
            assert process.stdin is not None
            process.stdin.write(json.dumps(rotation) + "\n")
            process.stdin.close()
        for process, errors in zip(processes, said, strict=True):
            assert process.stdout is not None
            for number, line in enumerate(process.stdout, start=1):
                values = json.loads(line)
                found.setdefault(values.pop("signature"), []).append(Sample(**values))
                if process is processes[0]:  # the others go through as many
                    tell(number, len(configs))
            if process.wait():
                errors.seek(0)
                raise RuntimeError(f"the probe failed: {(errors.read().splitlines() or ['without a message'])[-1]}")
    return [averaged(samples) for samples in found.values()]


def representative(trials: Iterable[Trial]) -> list[Config]:
    """The configs with the fewest and the most operations per stage-2 iteration, for each data set and method."""
    groups: dict[tuple[str, str], dict[float, Config]] = {}
    for trial in trials:
        group = groups.setdefault((trial.cell.dataset.name, trial.method), {})
        group.setdefault(per_iteration(trial.config, "classification"), trial.config)
    chosen = [
        config
        for group in groups.values()
        for config in {min(group): group[min(group)], max(group): group[max(group)]}.values()
    ]
    return list({config.signature: config for config in chosen}.values())


def per_iteration(config: Config, stage: Stage) -> float:
    """Operations of an iteration, 1e15; the mean of all where a schedule changes them."""
    length = config.classifier.iterations if stage == "classification" else config.gan.iterations if config.gan else 0
    return pflop(config, stage=stage, iterations=length) / length if length else 0.0


def prolonged(config: Config) -> Config:
    """The same config with very many iterations, so that steps of a short training can be timed for long enough."""
    longer: dict[str, Any] = {"classifier": config.classifier.model_copy(update={"iterations": 10**6})}
    if config.gan:
        longer["gan"] = config.gan.model_copy(update={"iterations": 10**6})
    return config.model_copy(update=longer)


def averaged(samples: Sequence[Sample]) -> Sample:
    """Mean of the samples of one config from all processes."""
    values = {field.name: mean(getattr(one, field.name) for one in samples) for field in fields(Sample)[1:]}
    return Sample(method=samples[0].method, **values)


def measured(config: Config, start: float) -> Sample:
    """Time the parts of one config's training in this process."""
    import torch

    from dagan.training.training import Training

    clock = time.perf_counter
    begin = clock()
    training = Training(config)
    set_up, set_up_classification = clock() - begin, 0.0
    steps: dict[Stage, float] = {"generation": 0.0, "classification": 0.0}
    looks = dict(steps)
    if config.gan:
        steps["generation"], looks["generation"] = timed_steps(training)
        begin = clock()
        training.begin_classification()
        set_up_classification = clock() - begin
    file, begin = io.BytesIO(), clock()
    torch.save(training.state(), file)
    with tempfile.TemporaryFile() as kept:
        kept.write(file.getvalue())
    write, begin = clock() - begin, clock()
    training.restore(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    read = clock() - begin
    steps["classification"], looks["classification"] = timed_steps(training)
    begin = clock()
    training.accuracy(training.data.validation)
    training.accuracy(training.data.test)
    finish = clock() - begin
    return Sample(
        method=config.method,
        generation_pflop=per_iteration(config, "generation"),
        classification_pflop=per_iteration(config, "classification"),
        generation_step=steps["generation"],
        classification_step=steps["classification"],
        generation_look=looks["generation"],
        classification_look=looks["classification"],
        set_up=set_up,
        set_up_classification=set_up_classification,
        write=write,
        read=read,
        finish=finish,
        start=start,
    )


def timed_steps(training: Any) -> tuple[float, float]:
    """Seconds of a step and of a report in the current stage of a training; the first report is not counted."""
    begin = before = 0.0
    steps = reports = 0
    seconds = looking = 0.0
    for progress in training.run(every=REPORT_EVERY):
        now = time.perf_counter()
        if begin and progress.stage == training.stage:
            steps, reports = steps + REPORT_EVERY, reports + 1
            seconds += training.wall_seconds - before
            looking += now - begin - (training.wall_seconds - before)
        if reports > 1 and seconds + looking > SECONDS:
            break
        begin, before = time.perf_counter(), training.wall_seconds
    return seconds / steps, looking / reports


def main() -> None:
    """Read configs from stdin, and print their samples."""
    configs = [Config.of(settings) for settings in json.loads(sys.stdin.readline())]
    begin = time.perf_counter()
    import torch  # noqa: F401

    start = time.perf_counter() - begin
    for config in configs:
        sample = measured(prolonged(config), start)
        print(json.dumps(asdict(sample) | {"signature": config.signature}), flush=True)


if __name__ == "__main__":
    main()
