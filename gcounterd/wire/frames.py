"""Frames: where one message ends and the next begins in a stream of bytes.

    frame = 4 bytes, the length of the body, big-endian · body

Theory. A length is the first thing a stranger can lie about, so it is checked before anything is
kept for it: against `HELLO_BYTES_MAX` until the peer has been accepted, against `FRAME_BYTES_MAX`
afterwards. A framer takes chunks as they come and gives whole bodies back; how the stream was cut
into chunks never shows in what comes out. What it keeps between chunks is at most the beginning
of one frame.

This module refuses to know what a body means, and sockets.
"""

from __future__ import annotations

from collections.abc import Iterator

from gcounterd.errors import PeerError

LENGTH_BYTES = 4
# A stranger may make us hold this much before we know who it is: the longest legal hello, with a
# name of 64, an address of 255 and a cluster of 64 bytes, takes 498.
HELLO_BYTES_MAX = 512
# One frame is in memory per link, and decoding it is one step of the loop: bounds both.
FRAME_BYTES_MAX = 256 * 1024

# What people and scanners send to a port they take for another one. Read as lengths, all of these
# are far above any limit, so telling them apart costs nothing where frames are well made.
_HTTP_STARTS = frozenset(
    [b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE", b"OPTI", b"PATC", b"CONN", b"TRAC", b"PRI "]
)
_TLS_START = b"\x16\x03"


def wrap(body: bytes) -> bytes:
    """Put the length in front of a body."""
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


class Framer:
    """Cuts one stream into bodies.

        for body in framer.feed(chunk): …

    The state is in the framer and not in the loop: a loop may be left after the first body, to
    answer a hello, and taken up again by iterating over the framer.
    """

    def __init__(self, limit: int = HELLO_BYTES_MAX) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._start = 0

    @property
    def held(self) -> int:
        """Return how many bytes are kept: less than one whole frame once iteration has ended."""
        return len(self._buffer) - self._start

    def raise_limit(self, limit: int = FRAME_BYTES_MAX) -> None:
        """Allow longer frames: the peer has been accepted."""
        self._limit = limit

    def feed(self, chunk: bytes | bytearray) -> Iterator[bytes]:
        """Take the next bytes of the stream; iterate for the bodies that are now whole."""
        if self._start:
            # Once per chunk and not per frame: many small frames in a chunk stay linear.
            del self._buffer[: self._start]
            self._start = 0
        self._buffer += chunk
        return self

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """Return the next body; raise `PeerError`, for good, where a length is not allowed."""
        buffer, start = self._buffer, self._start
        body = start + LENGTH_BYTES
        if len(buffer) < body:
            raise StopIteration
        length = int.from_bytes(buffer[start:body], "big")
        if not 0 < length <= self._limit:
            raise self._refused(length, bytes(buffer[start:body]))
        end = body + length
        if len(buffer) < end:
            raise StopIteration
        self._start = end
        return bytes(buffer[body:end])

    def _refused(self, length: int, start: bytes) -> PeerError:
        if length == 0:
            return PeerError("empty_frame")
        if start in _HTTP_STARTS:
            return PeerError("http_on_peer_port", "an HTTP request came to the peer port")
        if start.startswith(_TLS_START):
            return PeerError("tls_on_peer_port", "a TLS handshake came to a port without TLS")
        reason = "hello_too_large" if self._limit == HELLO_BYTES_MAX else "frame_too_large"
        return PeerError(reason, f"{length} bytes announced, {self._limit} allowed")
