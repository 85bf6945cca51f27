"""How fast dagan trains full-width conv32, batch 100: against plain PyTorch, and against what the machine can do.

    python tests/benchmarks/engine.py [--threads 2] [--rounds 7] [--precision bfloat16] [--device cuda]

Prints images/s (real ones) of both stages for dagan and for `plain.py`: two processes that take turns, since dagan
also changes how its process keeps memory; medians over the rounds. And the share that dagan reaches of the peak: the
best median speed of a large bf16 convolution, in the same run.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rivals.plain import PlainTraining

from dagan.config import Config
from dagan.networks.flops import pflop
from dagan.stages import STAGES
from dagan.training.training import Training

PEAK_SHAPES = ((100, 96, 32), (100, 192, 16), (64, 256, 32), (16, 512, 32))
"""Batch, maps in and out, and size of the 3x3 convolutions among which the peak is sought."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=2, help="iterations per measurement")
    parser.add_argument("--precision", default="auto", help="of dagan; plain PyTorch is float32")
    parser.add_argument("--device", default="auto")
    options = vars(parser.parse_args())
    context = get_context("spawn")
    contestants = [
        ProcessPoolExecutor(1, mp_context=context, initializer=begin, initargs=(who, options))
        for who in ("dagan", "plain")
    ]
    ours = contestants[0]
    said, operations = ours.submit(facts).result()
    peaks = [ours.submit(measured_peak).result()]
    rows = []
    for stage in STAGES:
        rounds = [
            [who.submit(seconds_per_step, stage).result() for who in contestants] for _ in range(options["rounds"] + 1)
        ]
        rows.append((stage, rounds[1:]))  # the first is for warming up
    peaks.append(ours.submit(measured_peak).result())
    peak = max(peaks)
    print(said)
    print(f"peak, bf16 3x3 convolution: {peak / 1e9:.0f} GFLOP/s")
    print("stage            dagan       plain PyTorch   ratio (range)        dagan of peak")
    for stage, rounds in rows:
        own, plain = (statistics.median(times[which] for times in rounds) for which in (0, 1))
        ratios = sorted(times[1] / times[0] for times in rounds)
        print(
            f"{stage:15} {100 / own:6.1f} img/s {100 / plain:9.1f} img/s"
            f"   {statistics.median(ratios):5.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})"
            f" {operations[stage] / own / peak:14.0%}"
        )
    for contestant in contestants:
        contestant.shutdown()


STATE: dict[str, Any] = {}
"""Of a contestant's process: its steps by stage, and the number of them in a measurement."""


def begin(who: str, options: dict[str, Any]) -> None:
    """Set up a contestant in its process. The rival's holds nothing of dagan: not even its memory settings."""
    torch.set_num_threads(options["threads"])
    STATE.update(count=options["steps"])
    if who == "dagan":
        ours = training(options)
        ours.begin_classification()
        assert ours.generation
        assert ours.classification
        generation, classification = ours.generation, ours.classification
        STATE.update(training=ours, device=ours.machine.device)
        STATE.update(generation=lambda: generation.step(0), classification=lambda: classification.step(0))
    else:
        name = options["device"] if options["device"] != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        images, labels = torch.rand(500, 3, 32, 32) * 2 - 1, torch.arange(10).repeat_interleave(50)
        rival = PlainTraining(images, labels, classes=10, batch=100, device=torch.device(name))
        STATE.update(device=torch.device(name))
        STATE.update(generation=rival.generation_step, classification=rival.classification_step)


def facts() -> tuple[str, dict[str, float]]:
    """The machine in words, and the counted operations of a step of each stage."""
    ours = STATE["training"]
    said = (
        f"{ours.machine.name}, {torch.get_num_threads()} threads, torch {torch.__version__}, {ours.machine.precision}"
    )
    return said, {stage: 1e15 * pflop(ours.config, stage=stage, iterations=1) for stage in STAGES}


def seconds_per_step(stage: str) -> float:
    """Of this process's contestant."""
    return timed(STATE[stage], STATE["count"], STATE["device"])


def training(options: dict[str, Any]) -> Training:
    """A training of dagan on 500 random images of 32x32 pixels in ten classes."""
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        for label in range(10):
            folder = Path(name) / f"class {label}"
            folder.mkdir()
            for index in range(160):
                pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.png")
        choices = {
            "data": {"dataset": "random", "folder": name, "samples_per_class": 50},
            "network": {"name": "conv32"},
            "compute": {"threads": options["threads"], "precision": options["precision"], "device": options["device"]},
        }
        return Training(Config.of(choices))


def timed(step: Callable[[], object], count: int, device: torch.device) -> float:
    """Seconds per step."""
    finish(device)
    begin = time.perf_counter()
    for _ in range(count):
        step()
    finish(device)
    return (time.perf_counter() - begin) / count


def finish(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measured_peak() -> float:
    """Operations per second: the best median over the shapes."""
    device, speeds = STATE["device"], []
    for batch, maps, size in PEAK_SHAPES:
        options = {"dtype": torch.bfloat16, "device": device}
        images = torch.randn(batch, maps, size, size, **options).to(memory_format=torch.channels_last)
        weight = torch.randn(maps, maps, 3, 3, **options).to(memory_format=torch.channels_last)
        times = [
            timed(lambda x=images, w=weight: torch.nn.functional.conv2d(x, w, padding=1), 5, device) for _ in range(8)
        ]
        speeds.append(2 * batch * maps**2 * 9 * size**2 / statistics.median(times[1:]))
    return max(speeds)


if __name__ == "__main__":
    main()
