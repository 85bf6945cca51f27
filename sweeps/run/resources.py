"""What Ray sets aside for one trial, and so how many share a device."""

import math
import sys
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from dagan.errors import refuse
from sweeps.forecast.estimate.draft import drafts
from sweeps.planning.trial import portable
from sweeps.run.memory import Measure, Memory, heaviest, peak_memory
from sweeps.study.schema import Study

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


def shares_of(study: Study, at_once: int, measure: Measure = peak_memory) -> Shares:
    """The shares on the cluster at hand: with `gpu: auto`, where there are GPUs, so much of one as a trial needs.

    The larger share is a whole GPU; without GPUs, all CPUs of the largest node, so that the trial is alone there. It
    trains with the same number of threads, and so to the same numbers. `at_once`: so many trials can run at a time;
    no GPU is divided while another one would be idle, for Ray fills one before it takes the next.

    Raises:
        InvalidInput: not even one trial fits on any node; Ray would wait for ever in silence.
    """
    nodes, gpu = nodes_alive(), study.resources.gpu
    usual = least_share(study, nodes)
    if not room(usual, nodes):
        asked = {kind: amount for kind, amount in usual.items() if amount}
        held = "; ".join(str({kind: node.get(kind, 0) for kind in asked}) for node in nodes)
        raise refuse("resources", f"one trial takes {asked}, but no node has that: {held}.")
    if gpu == "auto" and usual["GPU"]:
        gpus = max(1.0, sum(node.get("GPU", 0) for node in nodes))
        most = min(MOST, math.ceil(at_once / gpus))
        usual["GPU"] = 1 / (most if most < 2 else min(most, fitting(study, measure)))
    if usual["GPU"]:
        return Shares(usual, usual | {"GPU": max(1.0, usual["GPU"])})
    return Shares(usual, usual | {"CPU": max(node.get("CPU", 0.0) for node in nodes)})


def least_share(study: Study, nodes: list[Share]) -> Share:
    """The least that a trial could take on these nodes, before anything is measured."""
    gpu = study.resources.gpu
    if gpu == "auto":
        gpu = 1 / MOST if any(node.get("GPU", 0) for node in nodes) else 0.0
    return {"CPU": float(study.resources.cpu), "GPU": gpu}


def fitting(study: Study, measure: Measure) -> int:
    """How many of the study's heaviest trials fit on every GPU of the cluster.

    One, where a node does not say: what is wrong with a method, its trials will tell.
    """
    configs = [portable(config) for config in heaviest(trial for one in drafts(study) for trial in one.trials)]
    print("measuring what a trial takes of a GPU's memory …", file=sys.stderr, flush=True)
    try:
        found = memories(measure, configs)
    except Exception as error:  # Ray's, and whatever a method's code raises
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        print(f"it cannot be measured ({reason}): one trial per GPU", file=sys.stderr, flush=True)
        return 1
    return max(1, min(int(ROOM * memory.total / memory.peak) for memory in found))


def memories(measure: Measure, configs: list[dict[str, Any]]) -> list[Memory]:
    """What is measured on one GPU of each node that has any.

    Raises:
        Exception: whatever went wrong on one of them.
        TimeoutError: one did not answer.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(num_cpus=0, num_gpus=1, max_retries=0)(measure)
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("GPU")]
    here = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in nodes]
    asked = [task.options(scheduling_strategy=strategy).remote(configs) for strategy in here]
    answered, late = ray.wait(asked, num_returns=len(asked), timeout=MEASURE_SECONDS)
    for answer in late:
        ray.cancel(answer, force=True)
    if late:
        raise TimeoutError(f"{len(late)} of {len(asked)} nodes with GPUs did not answer in {MEASURE_SECONDS} s")
    return [ray.get(answer) for answer in answered]


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
