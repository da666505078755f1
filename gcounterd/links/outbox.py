"""The outbox: frames that wait to be sent on one link.

Theory. Whoever sends never waits: a node that waited for its slowest peer would be as slow. So the
queue is bounded in bytes and a frame that does not fit is dropped, the newest and not the oldest:
what is gone is then a suffix, and everything on a link is either repeated (probes) or asked for
again by whoever misses it (state). Bytes count until they have been handed to the kernel.

One writer takes from it. This module refuses to know sockets and messages.
"""

from __future__ import annotations

from collections import deque

import trio


class Outbox:
    """A queue of frames, at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._frames: deque[bytes] = deque()
        self._waiting = 0
        self._in_hand = 0
        self._finished = False
        self._wake = trio.Event()

    @property
    def queued(self) -> int:
        """Return how many bytes are not sent yet."""
        return self._waiting + self._in_hand

    def put(self, frame: bytes) -> bool:
        """Queue a frame; return False where it was dropped: no room, or no more is to be sent."""
        if self._finished or self.queued + len(frame) > self._limit:
            return False
        self._frames.append(frame)
        self._waiting += len(frame)
        self._wake.set()
        return True

    def finish(self, last: bytes | None = None) -> None:
        """Let the writer end after what is queued; `last`, if given, goes instead of all that."""
        if last is not None:
            self._frames.clear()
            self._frames.append(last)
            self._waiting = len(last)
        self._finished = True
        self._wake.set()

    async def take(self, most: int) -> bytes | None:
        """Wait for frames and return as many as fit `most` bytes, at least one, joined.

        What the last call returned counts as sent from here on. None: finished, nothing is left.
        """
        self._in_hand = 0
        while not self._frames:
            if self._finished:
                return None
            self._wake = trio.Event()
            await self._wake.wait()
        taken = [self._frames.popleft()]
        size = len(taken[0])
        while self._frames and size + len(self._frames[0]) <= most:
            taken.append(self._frames.popleft())
            size += len(taken[-1])
        self._waiting -= size
        self._in_hand = size
        return taken[0] if len(taken) == 1 else b"".join(taken)
