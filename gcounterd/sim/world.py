"""The world: virtual time, one heap of happenings, one seed.

Theory. Nothing happens by itself: whatever will happen lies in the heap with its moment, and the
one loop takes the earliest. Ties are broken by the order in which things were put there, all
chance comes from generators derived from the seed, and no set is ever iterated; so a seed is a
whole history, and a history can be compared by one hash (`trace`).

The world refuses to know what its happenings are about.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable
from random import Random
from typing import Any

# Where the wall clock stands when a world begins; any day would do.
WALL_START_MS = 1_700_000_000_000


class World:
    """Time, chance and the queue of what will happen."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.now = 0.0
        self.happened = 0
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number = 0
        self._trace = hashlib.blake2b(digest_size=16)

    def derive(self, what: str) -> Random:
        """Return a generator of its own for `what`, the same for the same seed."""
        return Random(f"{self.seed}/{what}")

    def at(self, when: float, act: Callable[..., None], *arguments: Any) -> None:
        """Let `act(*arguments)` happen at `when`, or now if that is past."""
        self._number += 1
        heapq.heappush(self._heap, (max(when, self.now), self._number, act, arguments))

    def after(self, seconds: float, act: Callable[..., None], *arguments: Any) -> None:
        """Let `act(*arguments)` happen in so many seconds."""
        self.at(self.now + seconds, act, *arguments)

    def note(self, *what: bytes) -> None:
        """Add to the trace what two runs of one seed must have in common."""
        self._trace.update(repr(self.now).encode())
        for part in what:
            self._trace.update(part)

    @property
    def trace(self) -> str:
        """Return the hash of all that was noted so far."""
        return self._trace.hexdigest()

    def run_until(self, end: float) -> None:
        """Let everything happen that happens up to `end`."""
        heap = self._heap
        while heap and heap[0][0] <= end:
            when, _, act, arguments = heapq.heappop(heap)
            self.now = when
            self.happened += 1
            act(*arguments)
        self.now = max(self.now, end)
