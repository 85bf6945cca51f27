"""The iterations since the last report, and the clock that counts the time spent training."""

import math
import time
from dataclasses import dataclass, field

import torch
from torch import Tensor


class Clock:
    """Counts the seconds inside of `with clock:` blocks."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self._begin = 0.0

    def __enter__(self) -> None:
        self._begin = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._begin


@dataclass
class Window:
    """The iterations since the last report. Loss terms stay on the device: no step waits for the one before it."""

    rows: list[dict[str, Tensor]] = field(default_factory=list)
    """The loss terms of each iteration."""
    begin: float = 0.0
    """What the training's clock showed as the window began."""

    def terms(self) -> dict[str, list[float]]:
        """The values of each loss term, iteration by iteration; waits for the device."""
        return {name: torch.stack([row[name] for row in self.rows]).tolist() for name in self.rows[0]}


def first_not_finite(terms: dict[str, list[float]]) -> tuple[int, str, str] | None:
    """The first iteration, counted from 0, with a loss term that is not finite: index, what happened, all its terms."""
    for index, row in enumerate(zip(*terms.values(), strict=True)):
        if not all(map(math.isfinite, row)):
            what = "nan" if any(map(math.isnan, row)) else "infinite"
            shown = ", ".join(f"{name} {value:.3g}" for name, value in zip(terms, row, strict=True))
            return index, f"loss became {what}", f" ({shown})"
    return None
