"""What a training has been through, apart from its networks: iterations, losses, reports, time, a divergence."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from dagan.config import Config
from dagan.stages import STAGES, Stage, length
from dagan.training.progress import Progress


class History:
    """The iterations of a training so far, its reports, and the loss terms since the last of them."""

    def __init__(self) -> None:
        self.iterations: dict[Stage, int] = dict.fromkeys(STAGES, 0)
        self.curve: list[Progress] = []
        self.wall_seconds = 0.0
        self.error: str | None = None
        """Where and how a loss or D became infinite or not a number."""
        self.window: list[dict[str, Tensor]] = []
        """Loss terms of each iteration since the last report, on the device: no step waits for the one before it."""
        self.window_seconds = 0.0

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the time inside as training."""
        begin = time.perf_counter()
        yield
        seconds = time.perf_counter() - begin
        self.wall_seconds += seconds
        self.window_seconds += seconds

    def step(self, stage: Stage, terms: dict[str, Tensor]) -> None:
        """Add an iteration with its loss terms."""
        self.window.append(terms)
        self.iterations[stage] += 1

    def losses(self) -> dict[str, list[float]]:
        """Return the values of each loss term since the last report; waits for the device."""
        return {name: torch.stack([terms[name] for terms in self.window]).tolist() for name in self.window[0]}

    def report(self, progress: Progress) -> None:
        """Add a report; the loss terms up to it are in it."""
        self.curve.append(progress)
        self.window, self.window_seconds = [], 0.0

    def diverge(self, stage: Stage, losses: Mapping[str, list[float]]) -> None:
        """Note a divergence at the first iteration of the window with a loss that is not finite, else at its last."""
        what, shown = "weights of D became nan or infinite", ""
        for behind, values in enumerate(zip(*losses.values(), strict=True), 1 - len(self.window)):
            if not all(map(math.isfinite, values)):
                self.iterations[stage] += behind
                what = f"loss became {'nan' if any(map(math.isnan, values)) else 'infinite'}"
                terms = ", ".join(f"{name} {value:.3g}" for name, value in zip(losses, values, strict=True))
                shown = f" ({terms})"
                break
        self.error = f"{what} at stage {STAGES.index(stage) + 1}, iteration {self.iterations[stage]}{shown}."

    def state(self) -> dict[str, Any]:
        """Return everything that `restored` needs, as plain values and tensors."""
        return {
            "iterations": dict(self.iterations),
            "curve": [asdict(progress) for progress in self.curve],
            "window": list(self.window),
            "window_seconds": self.window_seconds,
            "wall_seconds": self.wall_seconds,
            "diverged": self.error,
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any], config: Config, device: torch.device) -> "History":
        """Return the history that a state tells, for a training of the config."""
        history = cls()
        history.iterations = dict(state["iterations"])
        # How far a stage goes is the config's own.
        history.curve = [Progress(**point | {"total": length(config, point["stage"])}) for point in state["curve"]]
        history.window = [{name: term.to(device) for name, term in terms.items()} for terms in state["window"]]
        history.window_seconds, history.wall_seconds = state["window_seconds"], state["wall_seconds"]
        history.error = state["diverged"]
        return history


def all_finite(losses: Mapping[str, list[float]]) -> bool:
    """Whether every value of every loss term is a finite number."""
    return all(math.isfinite(value) for values in losses.values() for value in values)
