"""Heartbeats: after silently lost packets a worker can seem alive for ever without any error; here it is noticed.

Ray's keepalive ends most such hangs; this is for the rest. No Ray here.
"""

import time
from collections.abc import Callable, Iterable
from typing import Literal

SECONDS = 900.0
"""Least allowed silence, seconds."""
TIMES = 10
"""Allowed silence in multiples of the longest pause seen so far."""


class HeartbeatMonitor:
    """Notices running trials of which nothing is heard any more."""

    def __init__(self, limit: float | Literal["auto"] = "auto", *, clock: Callable[[], float] = time.monotonic) -> None:
        """`limit` in seconds; auto: 900, or ten times the longest pause seen, if that is more."""
        self.limit, self.clock = limit, clock
        self.longest_pause = 0.0
        self._heard: dict[str, float] = {}
        """When each trial was last heard of, by the executor's id."""

    @property
    def allowed(self) -> float:
        """Allowed silence in seconds."""
        return max(SECONDS, TIMES * self.longest_pause) if self.limit == "auto" else self.limit

    def heard(self, run_id: str) -> None:
        """Note that a trial has sent a message."""
        now = self.clock()
        self.longest_pause = max(self.longest_pause, now - self._heard.get(run_id, now))
        self._heard[run_id] = now

    def ended(self, run_id: str) -> None:
        """Forget a trial that is over."""
        self._heard.pop(run_id, None)

    def silent(self, at_work: Iterable[str]) -> list[str]:
        """Return those of the trials at work that have been silent too long, each once per allowed silence."""
        now, found = self.clock(), []
        for run_id in at_work:
            if now - self._heard.setdefault(run_id, now) > self.allowed:
                self._heard[run_id] = now
                found.append(run_id)
        return found
