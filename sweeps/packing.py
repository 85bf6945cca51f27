"""What Ray sets aside for one trial, and so how many share a device."""

from dataclasses import dataclass

from dagan.problem import refuse
from sweeps.study import Study

Share = dict[str, float]
"""By Ray's name of a resource: CPU, GPU."""


@dataclass(frozen=True)
class Shares:
    """What a trial takes, and what it takes once more after it ran out of memory."""

    usual: Share
    larger: Share


def shares_of(study: Study) -> Shares:
    """The shares on the cluster at hand: with `gpu: auto` one GPU where there are any.

    The larger share is a whole GPU; without GPUs, all CPUs of the largest node, so that the trial is alone there. It
    trains with the same number of threads, and so to the same numbers.

    Raises:
        InvalidInput: not even one trial fits on any node; Ray would wait for ever in silence.
    """
    gpu, nodes = study.resources.gpu, nodes_alive()
    if gpu == "auto":
        gpu = 1.0 if any(node.get("GPU", 0) for node in nodes) else 0.0
    usual = {"CPU": float(study.resources.cpu), "GPU": gpu}
    if not room(usual, nodes):
        asked = {kind: amount for kind, amount in usual.items() if amount}
        held = "; ".join(str({kind: node.get(kind, 0) for kind in asked}) for node in nodes)
        raise refuse("resources", f"one trial takes {asked}, but no node has that: {held}.")
    if gpu:
        return Shares(usual, usual | {"GPU": max(1.0, gpu)})
    return Shares(usual, usual | {"CPU": max(node.get("CPU", 0.0) for node in nodes)})


def room(share: Share, nodes: list[Share]) -> int:
    """How many trials of a share fit on these nodes at a time."""
    needed = {kind: amount for kind, amount in share.items() if amount}
    return sum(min(int(node.get(kind, 0) / amount + 1e-9) for kind, amount in needed.items()) for node in nodes)


def nodes_alive() -> list[Share]:
    """What the nodes of the cluster have."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]
