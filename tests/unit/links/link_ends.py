"""What tests of links share: a handler that remembers, and a peer made of a raw socket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import attrs
import numpy as np
import trio

from gcounterd.counters.batches import make_block
from gcounterd.ids import ColumnId, Epoch, NodeId
from gcounterd.links.limits import Limits
from gcounterd.links.mistrust import Mistrust
from gcounterd.links.transport import Transport
from gcounterd.node.grades import Grade
from gcounterd.node.messages import Channel, Hello, Message, Part, Refusal
from gcounterd.wire.frames import LENGTH_BYTES
from gcounterd.wire.hellos import encode_hello

# How long a test waits for what must happen; reached only where it does not.
PATIENCE_SECONDS = 20


def hello_of(number: int, channel: Channel = Channel.CONTROL) -> Hello:
    node = NodeId(number.to_bytes(16, "big"))
    return Hello(
        1, "local", node, f"n{number}", Epoch(b"e" * 16), b"nonce678", channel, "h:1", joining=False
    )


def big_part(number: int, size: int = 200 * 1024) -> Part:
    """Make a bulk message of about `size` bytes."""
    names = [b"%06d.%06d" % (number, at) + b"x" * 987 for at in range(size // 1000)]
    block = make_block(0, names, np.empty(0, np.int64), np.empty(0, np.int64))
    return Part(ColumnId(b"c" * 32), b"gather78", number, 0, 0, block)


@attrs.frozen
class Failed:
    address: str
    channel: Channel
    grade: Grade
    refusal: Refusal | None


class End:
    """One process as links see it: remembers every call, lets a test wait for one."""

    def __init__(self, number: int, limits: Limits | None = None) -> None:
        self.number = number
        self.opened_links: dict[int, tuple[Hello, str | None]] = {}
        self.refusals: list[tuple[int, Refusal]] = []
        self.closed_links: list[tuple[int, str]] = []
        self.messages: list[tuple[int, Message]] = []
        self.failed: list[Failed] = []
        self.counts: Counter[str] = Counter()
        self.mistrusts: list[tuple[str, Mistrust]] = []
        self.raw_peers: list[RawPeer] = []
        self.judges: Callable[[Hello], Refusal | None] = lambda _: None
        self.reacts: Callable[[int, Message], None] = lambda link, message: None
        self.welcomes: Callable[[int], None] = lambda link: None
        self.gate = trio.Event()
        self.gate.set()
        self._changed = trio.Event()
        self.transport = Transport(self, limits=limits)
        self.address = ""

    async def start(self, nursery: trio.Nursery) -> End:
        host, port = await nursery.start(self.transport.run, "127.0.0.1", 0)
        self.address = f"{host}:{port}"
        nursery.start_soon(self._close_raw_peers)
        return self

    async def _close_raw_peers(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            for peer in self.raw_peers:
                peer.stream.socket.close()

    async def until(self, condition: Callable[[], object]) -> None:
        with trio.fail_after(PATIENCE_SECONDS):
            while not condition():
                await self._changed.wait()

    async def link_to(self, other: End, channel: Channel = Channel.CONTROL) -> tuple[int, int]:
        """Dial `other`; return the new link's number here and there."""
        before, theirs = set(self.opened_links), set(other.opened_links)
        self.transport.dial(other.address, channel)
        await self.until(lambda: set(self.opened_links) - before)
        await other.until(lambda: set(other.opened_links) - theirs)
        (mine,) = set(self.opened_links) - before
        (its,) = set(other.opened_links) - theirs
        return mine, its

    def heard(self, link: int) -> list[Message]:
        return [message for number, message in self.messages if number == link]

    def _note(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def hello(self, channel: Channel) -> Hello:
        return hello_of(self.number, channel)

    def judge(self, hello: Hello) -> Refusal | None:
        return self.judges(hello)

    def opened(self, link: int, hello: Hello, dialled: str | None) -> None:
        assert link not in self.opened_links
        self.opened_links[link] = (hello, dialled)
        self.welcomes(link)
        self._note()

    def closed(self, link: int, reason: str) -> None:
        assert link in self.opened_links
        assert link not in dict(self.closed_links)
        self.closed_links.append((link, reason))
        self._note()

    def refused(self, link: int, refusal: Refusal) -> None:
        assert link in self.opened_links
        self.refusals.append((link, refusal))

    def received(self, link: int, message: Message) -> None:
        assert link in self.opened_links
        assert link not in dict(self.closed_links)
        self.messages.append((link, message))
        self.reacts(link, message)
        self._note()

    def dial_failed(
        self, address: str, channel: Channel, grade: Grade, refusal: Refusal | None
    ) -> None:
        self.failed.append(Failed(address, channel, grade, refusal))
        self._note()

    def mistrusted(self, where: str, why: Mistrust) -> None:
        self.mistrusts.append((where, why))
        self._note()

    async def room(self) -> None:
        await self.gate.wait()

    def count(self, event: str, n: int = 1) -> None:
        self.counts[event] += n
        self._note()


class RawPeer:
    """A peer of which a test decides every byte; closed when the test ends."""

    def __init__(self, end: End, stream: trio.SocketStream) -> None:
        self.stream = stream
        end.raw_peers.append(self)

    @classmethod
    async def connect(cls, end: End) -> RawPeer:
        host, port = end.address.rsplit(":", 1)
        return cls(end, await trio.open_tcp_stream(host, int(port)))

    @classmethod
    async def accepted(cls, end: End, number: int, channel: Channel) -> tuple[RawPeer, int]:
        """Connect and be accepted; return the peer and the number of its link at `end`."""
        before = set(end.opened_links)
        peer = await cls.connect(end)
        await peer.send(encode_hello(hello_of(number, channel)))
        await peer.frame()
        await end.until(lambda: set(end.opened_links) - before)
        (link,) = set(end.opened_links) - before
        return peer, link

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def frame(self) -> bytes:
        """Read the body of one frame."""
        length = int.from_bytes(await self._exactly(LENGTH_BYTES), "big")
        return await self._exactly(length)

    async def _exactly(self, size: int) -> bytes:
        data = b""
        with trio.fail_after(PATIENCE_SECONDS):
            while len(data) < size:
                chunk = await self.stream.receive_some(size - len(data))
                assert chunk, "closed in the middle of a frame"
                data += chunk
        return data

    async def is_closed(self) -> bool:
        """Read on until the other side closes or resets."""
        with trio.fail_after(PATIENCE_SECONDS):
            try:
                while await self.stream.receive_some():
                    pass
            except trio.BrokenResourceError:
                return True
        return True
