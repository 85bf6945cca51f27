"""The virtual clock of a simulation: events in order of time, and the one driver that serves them one at a time."""

import heapq
from collections.abc import Iterator
from typing import Generic, TypeVar

Event = TypeVar("Event")


class Timeline(Generic[Event]):
    """Events to come; iterating yields each with its time, and those scheduled meanwhile too."""

    def __init__(self) -> None:
        self.driver_seconds = 0.0
        """Seconds in which the driver has been at work."""
        self._driver_free = 0.0
        """When the driver is free again."""
        self._events: list[tuple[float, int, Event]] = []
        self._scheduled = 0
        """Number of events so far: among simultaneous ones the order in which they were scheduled."""

    def __iter__(self) -> Iterator[tuple[float, Event]]:
        """The events with their times, in seconds, until none is left."""
        while self._events:
            now, _, event = heapq.heappop(self._events)
            yield now, event

    def schedule(self, seconds: float, event: Event) -> None:
        """Add an event at a time."""
        self._scheduled += 1
        heapq.heappush(self._events, (seconds, self._scheduled, event))

    def served(self, now: float, seconds: float) -> float:
        """The time at which the driver has done work of so many seconds that is asked of it now."""
        self.driver_seconds += seconds
        self._driver_free = max(self._driver_free, now) + seconds
        return self._driver_free
