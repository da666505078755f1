"""The longest of late: how long the loop was held, how long a commit waited for the disk's thread.

Theory. A mean hides the one moment at which everybody waited, and a maximum since the start hides
everything after its first bad moment. So the largest of the present and of the previous period is
kept: whoever asks at least once in a period misses no peak, however many ask.

The loop is *held* from one look at I/O to the next: whatever tasks run in between, everyone else
waits for all of it. It is measured in CPU time of the loop's thread, since what the machine gives
to others is not the loop's doing. It costs two readings of a clock per turn and none per request.
"""

from __future__ import annotations

import time

import trio

# Two scrapes of a slow Prometheus fall into it.
PERIOD_S = 30.0


class Longest:
    """The largest of the values taken in the last one to two periods; values are not negative."""

    def __init__(self, now: float) -> None:
        self._until = now + PERIOD_S
        self._present = self._previous = 0.0

    def take(self, value: float, now: float) -> None:
        """Take a value at `now`, in seconds of any clock, always the same."""
        if now >= self._until:
            self._turn_over(now)
        self._present = max(self._present, value)

    def read(self, now: float) -> float:
        """Return the largest of late, 0 if there was none."""
        if now >= self._until:
            self._turn_over(now)
        return max(self._present, self._previous)

    def _turn_over(self, now: float) -> None:
        self._previous = self._present if now < self._until + PERIOD_S else 0.0
        self._present = 0.0
        self._until = now + PERIOD_S


class Turns(trio.abc.Instrument):
    """Watches the turns of the loop that it is added to, in whose thread it must be made."""

    def __init__(self) -> None:
        self._began = time.thread_time()
        self._longest = Longest(trio.current_time())

    def after_io_wait(self, timeout: float) -> None:
        """Begin a turn."""
        self._began = time.thread_time()

    def before_io_wait(self, timeout: float) -> None:
        """End a turn."""
        self._longest.take(time.thread_time() - self._began, trio.current_time())

    def read(self) -> float:
        """Return the longest turn of late, in seconds of CPU time."""
        return self._longest.read(trio.current_time())
