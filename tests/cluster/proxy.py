"""The network of a test cluster: a proxy in front of each node, and routes that can be cut.

Theory. A dropped route says nothing: what was sent is neither delivered nor refused, connections
stay open, new ones hang, and when the route is back TCP delivers what it still holds, in order.
So across a cut a front holds: it takes a chunk at most and passes on no byte, no close and no
reset, in either direction; it accepts new connections and leaves them waiting. A connection
attempt that its dialler gave up meanwhile is forgotten, as a lost SYN would be. No root, no
firewall, no second network name space.

A route can also be closed one way. Bytes and ends that go the other way still pass on connections
that are open; new ones wait, since a handshake needs both ways.

All nodes dial the one address that a node advertises, and all of them from 127.0.0.1. So the
front learns who dials from the first frame that passes, the hello, by looking for a known name
among its fields. Who cannot be recognised is served and never cut.

This module refuses to know processes, HTTP, and all of the protocol but that one frame.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Collection

import msgpack
import trio

# One read: what a loopback socket gives at once, and all that a cut keeps per direction.
CHUNK_BYTES = 64 * 1024
# The protocol's limit for a hello; a longer first frame is none, and is passed on unread.
FIRST_FRAME_BYTES_MAX = 512
# Twice the daemon's own wait for a hello, so that it is the daemon that times out, not we.
FIRST_FRAME_WAIT_S = 10.0
# What a waiting dialler may send before it is answered; beyond, it is no longer read.
HELD_BYTES_MAX = 64 * 1024
# Two connections a pair, dialled again and again while cut: far above it, far below a process's
# open files. Beyond, a new one is closed at once.
CONNECTIONS_MAX = 400
# Is shown all that passes: the stream that it comes from, and the bytes.
Tap = Callable[[object, bytes], None]
# Close with a reset, as a killed process's socket does.
_RESET = struct.pack("ii", 1, 0)


class Cuts:
    """Which ways between nodes are closed; a way is from a sender to a receiver."""

    def __init__(self) -> None:
        self._closed: dict[tuple[str, str], None] = {}
        self._changed = trio.Event()

    def cut(self, one: str, other: str) -> None:
        """Drop the route between two nodes, both ways."""
        self.block(one, other)
        self.block(other, one)

    def block(self, sender: str, receiver: str) -> None:
        """Drop what one node sends to another; the way back stays as it is."""
        self._closed[sender, receiver] = None
        self._tell()

    def heal(self) -> None:
        """Bring all routes back."""
        self._closed.clear()
        self._tell()

    def pairs(self) -> list[tuple[str, str]]:
        """Return the pairs that are cut both ways, each in the order of its names."""
        return sorted(way for way in self._closed if way <= way[::-1] and self._is_cut(way))

    def one_way(self) -> list[tuple[str, str]]:
        """Return the ways that are closed while the way back is open: sender, receiver."""
        return sorted(way for way in self._closed if not self._is_cut(way))

    def _is_cut(self, way: tuple[str, str]) -> bool:
        return way in self._closed and way[::-1] in self._closed

    def severed(self, sender: str | None, receiver: str | None) -> bool:
        """Say whether this way is closed; `None` is a stranger, to whom and from whom all pass."""
        return (sender, receiver) in self._closed

    async def passable(self, sender: str | None, receiver: str | None) -> None:
        """Wait until this way is open; does not yield if it is."""
        while self.severed(sender, receiver):
            await self._changed.wait()

    def connected(self, dialler: str | None, node: str) -> bool:
        """Say whether both ways are open, as a handshake needs."""
        return not (self.severed(dialler, node) or self.severed(node, dialler))

    async def connectable(self, dialler: str | None, node: str) -> None:
        """Wait until both ways are open; does not yield if they are."""
        while not self.connected(dialler, node):
            await self._changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


class Front:
    """The proxy in front of one node: what its peers dial.

    `known` are the names of all nodes; `target` is where the node listens. `connections` counts
    those that are open, `excess` those turned away at `CONNECTIONS_MAX`. `tap` is for measuring.
    """

    def __init__(
        self,
        name: str,
        target: tuple[str, int],
        known: Collection[str],
        cuts: Cuts,
        tap: Tap | None = None,
    ) -> None:
        self.name = name
        self.target = target
        self.connections = 0
        self.excess = 0
        self._known = known
        self._cuts = cuts
        self._tap = tap

    async def serve(self, listener: trio.SocketListener) -> None:
        """Accept and pass on until cancelled; closes the listener."""
        await trio.serve_listeners(self._accepted, [listener])

    async def _accepted(self, stream: trio.SocketStream) -> None:
        async with stream:
            if self.connections >= CONNECTIONS_MAX:
                self.excess += 1
                return
            self.connections += 1
            try:
                await self._connect(stream)
            finally:
                self.connections -= 1

    async def _connect(self, stream: trio.SocketStream) -> None:
        opening = await _read_first_frame(stream)
        dialler = find_name(opening, self._known)
        opening = await self._hold(stream, dialler, opening)
        if not opening:
            return
        try:
            upstream = await trio.open_tcp_stream(*self.target)
        except OSError:
            # The node is down. Its host would answer a SYN with a reset; this comes close.
            _reset_on_close(stream)
            return
        async with upstream:
            if self._tap is not None:
                self._tap(stream, opening)
            with contextlib.suppress(trio.BrokenResourceError):
                await upstream.send_all(opening)
            await self._join(stream, upstream, dialler)

    async def _hold(self, stream: trio.SocketStream, dialler: str | None, opening: bytes) -> bytes:
        """Wait for the route and return what the dialler sent, or b"" if it gave up meanwhile."""
        held = bytearray(opening)
        gone = not opening
        async with trio.open_nursery() as nursery:

            async def listen() -> None:
                nonlocal gone
                while not gone and len(held) < HELD_BYTES_MAX:
                    chunk = await _receive(stream)
                    held.extend(chunk or b"")
                    gone = not chunk
                if gone:
                    nursery.cancel_scope.cancel()

            if not self._cuts.connected(dialler, self.name) and not gone:
                nursery.start_soon(listen)
                await self._cuts.connectable(dialler, self.name)
            nursery.cancel_scope.cancel()
        return b"" if gone else bytes(held)

    async def _join(
        self, stream: trio.SocketStream, upstream: trio.SocketStream, dialler: str | None
    ) -> None:
        async with trio.open_nursery() as nursery:

            async def pump(
                source: trio.SocketStream, sink: trio.SocketStream, *way: str | None
            ) -> None:
                if not await self._pump(source, sink, *way):
                    _reset_on_close(stream)
                    _reset_on_close(upstream)
                    nursery.cancel_scope.cancel()

            nursery.start_soon(pump, stream, upstream, dialler, self.name)
            await pump(upstream, stream, self.name, dialler)

    async def _pump(
        self,
        source: trio.SocketStream,
        sink: trio.SocketStream,
        sender: str | None,
        receiver: str | None,
    ) -> bool:
        """Pass on one direction to its end. True: it was closed; False: the connection broke."""
        while True:
            chunk = await _receive(source)
            await self._cuts.passable(sender, receiver)
            if chunk is None:
                return False
            if self._tap is not None:
                self._tap(source, chunk)
            try:
                if not chunk:
                    await sink.send_eof()
                    return True
                await sink.send_all(chunk)
            except trio.BrokenResourceError:
                await self._cuts.passable(receiver, sender)  # the reset comes back
                return False


async def _receive(stream: trio.SocketStream) -> bytes | None:
    """Return what came, b"" at the end, None after a reset."""
    try:
        return bytes(await stream.receive_some(CHUNK_BYTES))
    except trio.BrokenResourceError:
        return None


async def _read_first_frame(stream: trio.SocketStream) -> bytes:
    """Return what came up to the end of the first frame, or all there is if it is no hello."""
    data = b""
    with trio.move_on_after(FIRST_FRAME_WAIT_S):
        while not (len(data) >= 4 and len(data) >= 4 + _hello_bytes(data)):
            chunk = await _receive(stream)
            if not chunk:
                break
            data += chunk
    return data


def _hello_bytes(data: bytes) -> int:
    size = int.from_bytes(data[:4], "big")
    return size if size <= FIRST_FRAME_BYTES_MAX else 0


def find_name(opening: bytes, known: Collection[str]) -> str | None:
    """Return the name in `known` that stands among the fields of a hello, if there is one.

    `opening` begins with 4 bytes of length, then a msgpack array of that many bytes.
    """
    size = _hello_bytes(opening)
    try:
        fields = msgpack.unpackb(opening[4 : 4 + size], raw=True, strict_map_key=False)
    except (ValueError, msgpack.UnpackException):
        return None
    if not isinstance(fields, list):
        return None
    texts = [field.decode("utf-8", "replace") for field in fields if isinstance(field, bytes)]
    return next((text for text in texts if text in known), None)


def _reset_on_close(stream: trio.SocketStream) -> None:
    with contextlib.suppress(OSError):
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
