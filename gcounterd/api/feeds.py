"""Feeds: what streams of one wish show, written once and sent to all of them.

Theory. All streams that want the same counters form a *feed*. What changed is written once per
look, and the same bytes go to each of its sockets by a plain send from the one task that looked; no
task wakes for it. A socket that takes no more has its rest kept and is marked as behind: whatever
changes until it takes some again is one state for it, the newest, and not a queue. One that takes
nothing for a named time is dropped.

Counts rise, and a reader keeps the largest of each node, so a state may be sent at any time and any
number of times. An event's id is a hash of the whole state after it, the same at every node that
shows the same; a reader who names it on coming back is sent nothing but what is different.

This module refuses to know the node, routes and readers' reasons.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b

import attrs
import trio

from gcounterd.api.responses import dump

# A stream that takes no byte for so long, while there are some for it, is dropped; by TCP's own
# timer also one whose host is gone without a word.
STALLED_S = 30.0
# An event that says nothing: for proxies that close what is silent (60 s is a usual limit), for
# pages, to which comments are invisible, and so that a stream whose client is gone is found out.
HEARTBEAT_S = 15.0
# How long a reader waits before it connects again, unless it knows another node.
RETRY_MS = 2000
# What the kernel keeps for one stream (it doubles that): a few states of ten counters. More would
# only be older news.
SEND_BUFFER_BYTES = 16 * 1024
_ID_BYTES = 8

_HEARTBEAT = b"event: beat\ndata: {}\n\n"


@attrs.frozen
class Wish:
    """What a stream is about: these counters, or the `top` largest.

    cluster  with what an operator sees of the cluster; it goes on where the node is not ready
    """

    keys: tuple[bytes, ...]
    top: int = 0
    cluster: bool = False


@attrs.frozen
class Tidings:
    """What a stream is told beside counters: all there is to know of a kind, and what is new."""

    kind: str
    whole: bytes
    news: bytes

    @property
    def event(self) -> bytes:
        """Return the event that tells all."""
        return b"event: %b\ndata: %b\n\n" % (self.kind.encode(), self.whole)

    @property
    def new_event(self) -> bytes:
        """Return the event that tells what is new."""
        return b"event: %b\ndata: %b\n\n" % (self.kind.encode(), self.news)


@attrs.define(eq=False)
class Shown:
    """A counter as it was last shown.

    counts  by original node, in hex
    whole   all of them as a member of a JSON object, `"key":{…}`
    rise    likewise those that changed the last time
    """

    key: bytes
    counts: dict[str, int] = attrs.Factory(dict)
    whole: bytes = b""
    rise: bytes = b""

    def update(self, counts: dict[str, int]) -> bool:
        """Take newer counts; say whether anything is different."""
        risen = {node: count for node, count in counts.items() if self.counts.get(node) != count}
        if self.whole and not risen:
            return False
        self.counts |= risen
        self.whole = self._write(self.counts)
        self.rise = self._write(risen)
        return True

    def _write(self, counts: dict[str, int]) -> bytes:
        by_node = {node: str(counts[node]) for node in sorted(counts)}
        return dump({self.key.decode(): by_node})[1:-1]


class Feed:
    """The streams of one wish.

    shown      its counters, in order
    ready      set when their counts are known
    listeners  its streams
    awaited    how many will be, as soon as it is ready
    """

    def __init__(self, wish: Wish, count: Callable[[str], None]) -> None:
        """`count` is told of events for metrics."""
        self.wish = wish
        self.count = count
        self.shown: Sequence[Shown] = ()
        self.ready = trio.Event()
        self.listeners: dict[Listener, None] = {}
        self.awaited = 0
        self._nodes = b"{}"
        self._state = b""
        self._id = b""
        self._beside: dict[str, bytes] = {}

    @property
    def nodes(self) -> dict[str, None]:
        """Return the nodes that counted what is shown."""
        return {node: None for shown in self.shown for node in shown.counts}

    def renew(self) -> None:
        """Take note that its counters are others: the next event is a state."""
        self.ready = trio.Event()

    def show(self, cluster: str, labels: Mapping[str, str]) -> bool:
        """Take its counters as they are now, and these names of nodes; say if these are new."""
        before, self._nodes = self._nodes, dump({node: labels[node] for node in sorted(labels)})
        counters = b",".join([shown.whole for shown in self.shown])
        data = b'{"cluster":%b,"nodes":%b,"counters":{%b}}' % (dump(cluster), self._nodes, counters)
        self._id = blake2b(data, digest_size=_ID_BYTES).hexdigest().encode()
        self._state = b"id: %b\nretry: %d\nevent: state\ndata: %b\n\n" % (self._id, RETRY_MS, data)
        self.ready.set()
        return self._nodes != before

    def state(self) -> bytes:
        """Return the event that holds all there is to know, and those of what stands beside it."""
        return b"".join((self._state, *self._beside.values()))

    def counters(self) -> bytes:
        """Return the event that holds all there is to know of counters alone."""
        return self._state

    def tell(self, tidings: Tidings) -> bytes:
        """Take what is told beside counters; return the event that says what is new of it."""
        self._beside[tidings.kind] = tidings.event
        return tidings.new_event

    def change(self, changed: Sequence[Shown], *, renamed: bool) -> bytes:
        """Return the event that holds what changed of counters; `renamed` if nodes are others."""
        counters = b",".join([shown.rise for shown in changed])
        nodes = b'"nodes":%b,' % self._nodes if renamed else b""
        return b'id: %b\nevent: change\ndata: {%b"counters":{%b}}\n\n' % (self._id, nodes, counters)

    def opening(self, seen: bytes) -> bytes:
        """Return what a stream begins with whose reader saw the event of id `seen` last."""
        if seen != self._id:
            return self.state()
        return b"".join((b"retry: %d\n\n" % RETRY_MS, *self._beside.values()))


class Listener:
    """One stream: its socket, and what of it is still to be sent."""

    __slots__ = ("_behind", "_feed", "_last", "_over", "_rest", "_seen", "_sock", "_wake")

    def __init__(self, feed: Feed, seen: bytes = b"") -> None:
        """It counts as a stream from now on, until `close`."""
        self._feed = feed
        self._seen = seen
        self._sock: socket.socket | None = None
        self._rest: bytes | memoryview = b""
        self._behind = False
        self._over = False
        self._last: bytes | None = None
        self._wake = trio.Event()
        feed.listeners[self] = None

    def close(self) -> None:
        """Be no stream any more."""
        self._feed.listeners.pop(self, None)
        self._sock = None

    async def run(self, sock: socket.socket) -> None:
        """Send on a socket whose head is out until the stream ends, on either side."""
        _prepare(sock)
        self._sock = sock
        self._put(self._feed.opening(self._seen))
        while not self._over:
            await self._wake.wait()
            self._wake = trio.Event()
            if not await self._send_rest():
                break
            if self._last is not None:
                self._put(self._last)
                break
            if self._behind:
                self._behind = False
                self._put(self._feed.state())

    def give(self, event: bytes) -> None:
        """Send an event if the last one is out; else the newest state will be sent after it."""
        if self._sock is None:
            return  # its head is on the way; the state follows it
        if self._rest:
            self._behind = True
        else:
            self._put(event)

    def beat(self) -> None:
        """Send an event that says nothing, if nothing else waits to be sent."""
        if self._sock is not None and not self._rest:
            self._put(_HEARTBEAT)

    def end(self, event: bytes) -> None:
        """Send a last event and end; a reader that is behind is not waited for."""
        self._last = event
        self._wake.set()
        if self._rest and self._sock is not None:
            trio.lowlevel.notify_closing(self._sock)

    def _put(self, data: bytes | memoryview) -> None:
        assert self._sock is not None
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._over = True
            sent = len(data)
            self._wake.set()
        if sent < len(data):
            self._rest = memoryview(data)[sent:]
            self._wake.set()
        else:
            self._rest = b""

    async def _send_rest(self) -> bool:
        """Send what a send has left over; False if the reader takes nothing."""
        while self._rest and not self._over:
            assert self._sock is not None
            with trio.move_on_after(STALLED_S) as patience:
                await trio.lowlevel.wait_writable(self._sock)
            if patience.cancelled_caught:
                self._feed.count("stream_stalled")
                return False
            self._put(self._rest)
        return not self._over


def _prepare(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    if sock.family != socket.AF_UNIX and hasattr(socket, "TCP_USER_TIMEOUT"):
        milliseconds = int(STALLED_S * 1000)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
