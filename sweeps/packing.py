"""What Ray sets aside for one trial, and so how many share a device."""

import contextlib
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from dagan.problem import refuse
from sweeps.draft import drafts
from sweeps.memory import Measure, Memory, heaviest, peak_memory
from sweeps.study import Study
from sweeps.trial import portable

Share = dict[str, float]
"""By Ray's name of a resource: CPU, GPU."""


@dataclass(frozen=True)
class Shares:
    """What a trial takes, and what it takes once more after it ran out of memory."""

    usual: Share
    larger: Share


MOST = 8
"""Trials on one GPU at the most: more would wait for each other."""
ROOM = 0.9
"""Of a GPU's memory that is given away; the rest is for what an allocator cannot use, and what a draft did not see."""
MEASURE_SECONDS = 300
"""How long to wait for the memory to be measured: a GPU may be taken by another job of the cluster."""


def shares_of(study: Study, measure: Measure = peak_memory) -> Shares:
    """The shares on the cluster at hand: with `gpu: auto`, where there are GPUs, so much of one as a trial needs.

    The larger share is a whole GPU; without GPUs, all CPUs of the largest node, so that the trial is alone there. It
    trains with the same number of threads, and so to the same numbers.

    Raises:
        InvalidInput: not even one trial fits on any node; Ray would wait for ever in silence.
    """
    gpu, nodes = study.resources.gpu, nodes_alive()
    if gpu == "auto":
        gpu = part_of_a_gpu(study, measure) if any(node.get("GPU", 0) for node in nodes) else 0.0
    usual = {"CPU": float(study.resources.cpu), "GPU": gpu}
    if not room(usual, nodes):
        asked = {kind: amount for kind, amount in usual.items() if amount}
        held = "; ".join(str({kind: node.get(kind, 0) for kind in asked}) for node in nodes)
        raise refuse("resources", f"one trial takes {asked}, but no node has that: {held}.")
    if gpu:
        return Shares(usual, usual | {"GPU": max(1.0, gpu)})
    return Shares(usual, usual | {"CPU": max(node.get("CPU", 0.0) for node in nodes)})


def part_of_a_gpu(study: Study, measure: Measure) -> float:
    """1/n, where n of the study's heaviest trials fit on every kind of GPU in the cluster; a whole one at the most.

    Where it cannot be measured, a whole one: what is wrong with a method, its trials will say.
    """
    configs = [portable(config) for config in heaviest(trial for one in drafts(study) for trial in one.trials)]
    together = [int(ROOM * memory.total / memory.peak) for memory in memories(measure, configs)]
    return 1 / max(1, min(MOST, *together)) if together else 1.0


def memories(measure: Measure, configs: list[dict[str, Any]]) -> list[Memory]:
    """What is measured on one GPU of each node that has any; those that do not answer are left out."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(num_cpus=0, num_gpus=1, max_retries=0)(measure)
    nodes_with_gpus = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("GPU")]
    here = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in nodes_with_gpus]
    asked = [task.options(scheduling_strategy=strategy).remote(configs) for strategy in here]
    answered, late = ray.wait(asked, num_returns=len(asked), timeout=MEASURE_SECONDS)
    for answer in late:
        ray.cancel(answer, force=True)
    found = []
    for answer in answered:
        with contextlib.suppress(ray.exceptions.RayError):
            found.append(ray.get(answer))
    return found


def in_words(share: Share) -> str:
    """1 core and 1/4 of a GPU."""
    cores, gpu = share["CPU"], share["GPU"]
    words = "1 core" if cores == 1 else f"{cores:g} cores"
    if 0 < gpu < 1:
        return f"{words} and {Fraction(gpu).limit_denominator(100)} of a GPU"
    return f"{words} and {gpu:g} GPU{'s' if gpu > 1 else ''}" if gpu else words


def room(share: Share, nodes: list[Share]) -> int:
    """How many trials of a share fit on these nodes at a time."""
    needed = {kind: amount for kind, amount in share.items() if amount}
    return sum(min(int(node.get(kind, 0) / amount + 1e-9) for kind, amount in needed.items()) for node in nodes)


def nodes_alive() -> list[Share]:
    """What the nodes of the cluster have."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]
