"""What one trial takes of a cluster, and so how many share a device."""

import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from dagan.errors import last_line, refuse
from sweeps.forecast.estimate.draft import drafts
from sweeps.planning.trial import portable
from sweeps.run.trial_resources import TrialResources
from sweeps.run.tune.memory import Measure, Memory, heaviest, peak_memory
from sweeps.study.schema import Study

MOST = 8
"""The most trials on one GPU: more would wait for each other."""
USABLE = 0.9
"""Part of a GPU's memory that is given away: the rest is for fragmentation, and for what no draft foresaw."""
MEASURE_SECONDS = 300
"""How long to wait for the memory to be measured: a GPU may be taken by another job of the cluster."""


@dataclass(frozen=True)
class ResourceChoice:
    """What a trial takes, and what it takes when it starts again after it ran out of memory."""

    usual: TrialResources
    larger: TrialResources


def choose_resources(study: Study, at_once: int, measure: Measure = peak_memory) -> ResourceChoice:
    """Choose what a trial takes on the cluster at hand: with `gpu: auto` on GPUs, as much of one as it needs.

    The larger resources are a whole GPU; without GPUs, all CPUs of the largest node, so that the trial is alone there.
    It trains with the same number of threads, and so to the same numbers. `at_once`: so many trials can run at a time;
    no GPU is divided while another one would be idle, for Ray fills one before it takes the next.

    Raises:
        InvalidInput: not even one trial fits on any node; Ray would wait for ever in silence.
    """
    nodes, gpu = nodes_alive(), study.resources.gpu
    usual = least_resources(study, nodes)
    if not slots_on(nodes, usual):
        asked = {kind: amount for kind, amount in usual.items() if amount}
        held = "; ".join(str({kind: node.get(kind, 0) for kind in asked}) for node in nodes)
        raise refuse("resources", f"one trial takes {asked}, but no node has that: {held}.")
    if gpu == "auto" and usual["GPU"]:
        gpus = max(1.0, sum(node.get("GPU", 0) for node in nodes))
        usual["GPU"] = 1 / gpu_parts(at_once, gpus, lambda: trials_per_gpu(study, measure))
    if usual["GPU"]:
        return ResourceChoice(usual, usual | {"GPU": max(1.0, usual["GPU"])})
    return ResourceChoice(usual, usual | {"CPU": max(node.get("CPU", 0.0) for node in nodes)})


def least_resources(study: Study, nodes: list[TrialResources]) -> TrialResources:
    """The least a trial could take on these nodes, before anything is measured."""
    gpu = study.resources.gpu
    if gpu == "auto":
        gpu = 1 / MOST if any(node.get("GPU", 0) for node in nodes) else 0.0
    return {"CPU": float(study.resources.cpu), "GPU": gpu}


def gpu_parts(at_once: int, gpus: float, fitting: Callable[[], int]) -> int:
    """Into how many parts to divide each GPU: no more than fit on one, and than keeps every GPU busy."""
    most = min(MOST, math.ceil(at_once / gpus))
    return most if most < 2 else min(most, fitting())


def fitting_on_each(memories: Iterable[Memory]) -> int:
    """How many trials fit on every one of these GPUs, at least one: if none fits, its trials will say so."""
    return max(1, min(int(USABLE * memory.total / memory.peak) for memory in memories))


def trials_per_gpu(study: Study, measure: Measure) -> int:
    """Count how many of the study's heaviest trials fit on every GPU of the cluster.

    One, where a node does not say: what is wrong with a method, its trials will tell.
    """
    configs = [portable(config) for config in heaviest(trial for one in drafts(study) for trial in one.trials)]
    print("measuring what a trial takes of a GPU's memory …", file=sys.stderr, flush=True)
    try:
        found = measured_memory(measure, configs)
    except Exception as error:  # Ray's, and whatever a method's code raises
        print(f"it cannot be measured ({last_line(error)}): one trial per GPU", file=sys.stderr, flush=True)
        return 1
    return fitting_on_each(found)


def measured_memory(measure: Measure, configs: list[dict[str, Any]]) -> list[Memory]:
    """Measure on one GPU of each node that has any.

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


def slots_on(nodes: list[TrialResources], resources: TrialResources) -> int:
    """How many trials fit on these nodes at a time."""
    needed = {kind: amount for kind, amount in resources.items() if amount}
    return sum(min(int(node.get(kind, 0) / amount + 1e-9) for kind, amount in needed.items()) for node in nodes)


def nodes_alive() -> list[TrialResources]:
    """Resources of each node of the cluster."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def nodes_with_room(resources: TrialResources) -> list[dict[str, Any]]:
    """The nodes that can hold a trial, as Ray describes them."""
    import ray

    return [node for node in ray.nodes() if node["Alive"] and slots_on([node["Resources"]], resources)]
