"""Streams: bodies that are too large to be held, in both directions.

Theory. A body of 64 MiB is not gathered before its handler is called. The handler asks for the next
piece, and only then is more read from the socket: what a connection holds of it is one received
chunk, and a client that sends faster than we work is held back by TCP. An answer of that kind is
made piece by piece as well, each sent before the next is made.

A body whose handler did not want it to its end leaves a connection on which nobody knows where the
next request begins, so it is closed. This module refuses to know sockets and routes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable


class Upload:
    """A body that comes in pieces; `complete` when all of it has come."""

    __slots__ = ("_pieces", "_read_on", "complete")

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._read_on: Callable[[], Awaitable[None]] | None = None
        self.complete = False

    def put(self, piece: bytes) -> None:
        """Take a piece that was received."""
        self._pieces.append(piece)

    def read_by(self, read_on: Callable[[], Awaitable[None]]) -> None:
        """Name what reads on: it returns when more has come, and raises if that is the end."""
        self._read_on = read_on

    async def next(self) -> bytes | None:
        """Return the next piece, None if there are no more.

        Raises `ClientError` where it is malformed, too large or late, `trio.ClosedResourceError`
        where the client is gone.
        """
        while not self._pieces:
            if self.complete:
                return None
            assert self._read_on is not None
            await self._read_on()
        return self._pieces.popleft()


def chunk(piece: bytes) -> bytes:
    """Write a piece as a chunk of HTTP/1.1; an empty one is the last."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)
