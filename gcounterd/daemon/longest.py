"""The longest of late: of steps, of turns, of waits for the disk's thread.

Theory. A mean hides the one moment at which everybody waited, and a maximum since the start hides
everything after its first bad moment. So the largest of the present and of the previous period is
kept: whoever asks at least once in a period misses no peak, however many ask.
"""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")

# Two scrapes of a slow Prometheus fall into it.
PERIOD_S = 30.0


class Longest(Generic[T]):
    """The largest of the values taken in the last one to two periods; values are not negative.

    Each may come with what it is the value of.
    """

    def __init__(self, now: float) -> None:
        self._until = now + PERIOD_S
        self._present: tuple[float, T | None] = (0.0, None)
        self._previous: tuple[float, T | None] = (0.0, None)

    def take(self, value: float, now: float, what: T | None = None) -> None:
        """Take a value at `now`, in seconds of any clock, always the same."""
        if now >= self._until:
            self._turn_over(now)
        if value > self._present[0]:
            self._present = (value, what)

    def read(self, now: float) -> float:
        """Return the largest of late, 0 if there was none."""
        return self._largest(now)[0]

    def what(self, now: float) -> T | None:
        """Return what the largest of late was the value of."""
        return self._largest(now)[1]

    def _largest(self, now: float) -> tuple[float, T | None]:
        if now >= self._until:
            self._turn_over(now)
        return self._present if self._present[0] >= self._previous[0] else self._previous

    def _turn_over(self, now: float) -> None:
        self._previous = self._present if now < self._until + PERIOD_S else (0.0, None)
        self._present = (0.0, None)
        self._until = now + PERIOD_S
