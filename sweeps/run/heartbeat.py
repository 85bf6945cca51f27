"""Trials that say nothing: after silently lost packets a worker can seem alive for ever, without any error. DESIGN §8.

Ray's keepalive ends most such hangs; this is for the rest. No Ray here.
"""

import time
from collections.abc import Callable, Iterable
from typing import Literal

SECONDS = 900.0
"""Silence that is too long, as long as trials report more often than ten times within it."""
TIMES = 10
"""So many times the longest silence that was broken is too long."""


class Silence:
    """How long each running trial has said nothing, by Ray's id."""

    def __init__(self, limit: float | Literal["auto"] = "auto", *, clock: Callable[[], float] = time.monotonic) -> None:
        """A limit in seconds, or one that goes by what is usual."""
        self.limit, self.clock = limit, clock
        self.longest = 0.0
        self._since: dict[str, float] = {}

    @property
    def allowed(self) -> float:
        """In seconds."""
        return max(SECONDS, TIMES * self.longest) if self.limit == "auto" else self.limit

    def broken(self, ray_id: str) -> None:
        """A trial has reported."""
        now = self.clock()
        self.longest = max(self.longest, now - self._since.get(ray_id, now))
        self._since[ray_id] = now

    def ended(self, ray_id: str) -> None:
        """A trial is over."""
        self._since.pop(ray_id, None)

    def too_long(self, at_work: Iterable[str]) -> list[str]:
        """Those of the trials at work that have been silent too long; each is told of once, until the same again."""
        now, found = self.clock(), []
        for ray_id in at_work:
            if now - self._since.setdefault(ray_id, now) > self.allowed:
                self._since[ray_id] = now
                found.append(ray_id)
        return found
