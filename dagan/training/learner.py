"""A network that learns: its optimiser, its learning rate, and the moving average that is used in its place."""

import copy
import math
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from dagan.settings import Optimiser, Schedule
from dagan.shapes import Scalar

Network = TypeVar("Network", bound=nn.Module)


class Learner(Generic[Network]):
    """A network with its optimiser and, where `average_decay` is not 0, its moving average."""

    def __init__(
        self, network: Network, *, optimiser: Optimiser, beta1: float, weight_decay: float, average_decay: float
    ) -> None:
        self.network = network
        self.average_decay = average_decay
        self.average = copy.deepcopy(network).requires_grad_(False) if average_decay else network
        self.updates = 0
        self.learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.kind, self.optimiser = optimiser, self._optimiser(optimiser, beta1, weight_decay)

    def _optimiser(self, kind: Optimiser, beta1: float, weight_decay: float) -> torch.optim.Optimizer:
        # Weight decay is for weights: pulling a bias, or the scale of a normalised layer, to 0 means nothing.
        groups = [
            {"params": [one for one in self.learning if one.dim() > 1], "weight_decay": weight_decay},
            {"params": [one for one in self.learning if one.dim() == 1], "weight_decay": 0.0},
        ]
        if kind == "adam":
            return torch.optim.AdamW(groups, betas=(beta1, 0.999), fused=True)
        return torch.optim.SGD(groups, lr=0.0, momentum=beta1, fused=True)

    def go_on(self, kind: Optimiser, *, beta1: float, weight_decay: float) -> None:
        """Learn by this optimiser from now on; one of the kind in use keeps its state."""
        if kind != self.kind:
            self.kind, self.optimiser = kind, self._optimiser(kind, beta1, weight_decay)
        self.optimiser.param_groups[0]["weight_decay"] = weight_decay
        for group in self.optimiser.param_groups:
            group |= {"betas": (beta1, 0.999)} if kind == "adam" else {"momentum": beta1}

    def update(self, loss: Scalar, learning_rate: float) -> None:
        """Take one step down the gradient of a loss, of this network alone; the average follows."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward(inputs=self.learning)
        self.optimiser.step()
        if self.average_decay:
            self._follow()

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average. The decay starts low, or short trainings would be judged by their start."""
        self.updates += 1
        decay = min(self.average_decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)

    @property
    def is_finite(self) -> bool:
        """Whether every weight is a number still."""
        return all(bool(parameter.isfinite().all()) for parameter in self.network.parameters())

    def state(self) -> dict[str, Any]:
        """Return everything that `restore` needs to go on bit for bit."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict() if self.average_decay else {},
            "kind": self.kind,
            "optimiser": self.optimiser.state_dict(),
            "updates": self.updates,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state, which stays as it is."""
        self.network.load_state_dict(state["network"])
        if self.average_decay:
            self.average.load_state_dict(state["average"])
        self.go_on(state["kind"], beta1=0.0, weight_decay=0.0)  # the state brings its own
        self.optimiser.load_state_dict(copy.deepcopy(state["optimiser"]))  # it would go on in these very tensors
        self.updates = state["updates"]


def scheduled(rate: float, schedule: Schedule, iteration: int, total: int) -> float:
    """Return the learning rate of an iteration, counted from 0."""
    done = iteration / total
    return rate * {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[schedule]


def detached(terms: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return loss terms without their graphs."""
    return {name: term.detach() for name, term in terms.items()}
