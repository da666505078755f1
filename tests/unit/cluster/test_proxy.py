"""The proxy and its cuts, with real sockets on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import attrs
import msgpack
import pytest
import trio
import trio.testing

from gcounterd.ids import Epoch, NodeId
from gcounterd.node.messages import Channel, Hello
from gcounterd.wire.hellos import encode_hello
from tests.cluster.proxy import FIRST_FRAME_BYTES_MAX, Cuts, Front, find_name

NAMES = ("n1", "n2", "n3")
PATIENCE_S = 10


def hello(name: str) -> bytes:
    body: bytes = msgpack.packb([0, 1, "demo", b"\x07" * 16, name, b"\x01" * 16, "127.0.0.1:7701"])
    return len(body).to_bytes(4, "big") + body


@attrs.define
class World:
    """Node n2 is a listener whose accepted connections come out of `accepted`."""

    cuts: Cuts
    front: Front
    address: tuple[str, int]
    accepted: trio.MemoryReceiveChannel[trio.SocketStream]
    opened: AsyncExitStack
    passed: list[tuple[object, bytes]]

    async def dial(self, name: str) -> trio.SocketStream:
        """Open a connection to n2 as `name` would, closed at the end of the test."""
        return await self.dial_with(hello(name))

    async def dial_with(self, opening: bytes) -> trio.SocketStream:
        stream = await self.opened.enter_async_context(await trio.open_tcp_stream(*self.address))
        await stream.send_all(opening)
        return stream

    async def linked(self, name: str) -> tuple[trio.SocketStream, trio.SocketStream]:
        """Return both ends of a connection from `name`, its hello received."""
        near = await self.dial(name)
        far = await self.accepted.receive()
        assert await read(far, len(hello(name))) == hello(name)
        return near, far


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    send, accepted = trio.open_memory_channel[trio.SocketStream](100)
    with trio.fail_after(PATIENCE_S):
        async with AsyncExitStack() as opened, trio.open_nursery() as nursery:
            [node] = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(accept_all, node, send, opened)
            cuts = Cuts()
            passed: list[tuple[object, bytes]] = []
            front = Front(
                "n2", node.socket.getsockname(), NAMES, cuts, lambda *told: passed.append(told)
            )
            [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(front.serve, listener)
            yield World(cuts, front, listener.socket.getsockname(), accepted, opened, passed)
            nursery.cancel_scope.cancel()


async def accept_all(
    listener: trio.SocketListener,
    accepted: trio.MemorySendChannel[trio.SocketStream],
    opened: AsyncExitStack,
) -> None:
    async with listener:
        while True:
            await accepted.send(await opened.enter_async_context(await listener.accept()))


async def read(stream: trio.SocketStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = await stream.receive_some(size - len(data))
        if not chunk:
            break
        data += chunk
    return data


async def settle() -> None:
    """Let the proxy do all that it can do now: it only ever waits for sockets or the route."""
    for _ in range(10):
        await trio.testing.wait_all_tasks_blocked(0.005)


async def test_bytes_pass_both_ways_and_the_end_of_one_way_is_passed_on() -> None:
    async with world() as w:
        near, far = await w.linked("n1")
        await near.send_all(b"ping")
        assert await read(far, 4) == b"ping"
        await near.send_eof()
        assert await far.receive_some() == b""
        await far.send_all(b"a late answer")
        assert await read(near, 13) == b"a late answer"


async def test_a_tap_is_shown_what_passes_by_where_it_comes_from() -> None:
    async with world() as it:
        near, far = await it.linked("n1")
        await near.send_all(b"ping")
        await read(far, 4)
        await far.send_all(b"pong")
        await read(near, 4)
        ways: dict[object, bytes] = {}
        for source, chunk in it.passed:
            ways[source] = ways.get(source, b"") + chunk
        assert list(ways.values()) == [hello("n1") + b"ping", b"pong"]


async def test_a_cut_holds_bytes_and_heal_delivers_them_in_order() -> None:
    async with world() as w:
        near, far = await w.linked("n1")
        w.cuts.cut("n1", "n2")
        await near.send_all(b"one")
        await far.send_all(b"answer")
        await settle()
        await near.send_all(b"two")
        with trio.move_on_after(0.05) as waited:
            await far.receive_some()
        assert waited.cancelled_caught
        w.cuts.heal()
        assert await read(far, 6) == b"onetwo"
        assert await read(near, 6) == b"answer"


async def test_a_cut_hides_that_the_other_end_closed() -> None:
    async with world() as w:
        near, far = await w.linked("n1")
        w.cuts.cut("n2", "n1")
        await near.aclose()
        with trio.move_on_after(0.05) as waited:
            await far.receive_some()
        assert waited.cancelled_caught
        w.cuts.heal()
        assert await far.receive_some() == b""


async def test_a_connection_dialled_across_a_cut_stalls_until_heal() -> None:
    async with world() as w:
        w.cuts.cut("n1", "n2")
        await w.dial("n1")
        await settle()
        with pytest.raises(trio.WouldBlock):
            w.accepted.receive_nowait()
        w.cuts.heal()
        far = await w.accepted.receive()
        assert await read(far, len(hello("n1"))) == hello("n1")


async def test_a_dialler_that_gave_up_during_the_cut_never_arrives() -> None:
    async with world() as w:
        w.cuts.cut("n1", "n2")
        for _ in range(3):
            await (await w.dial("n1")).aclose()
        await settle()
        w.cuts.heal()
        near, far = await w.linked("n1")
        await near.send_all(b"x")
        assert await read(far, 1) == b"x"
        with pytest.raises(trio.WouldBlock):
            w.accepted.receive_nowait()
        assert w.front.connections == 1


async def test_a_cut_concerns_its_pair_only() -> None:
    async with world() as w:
        w.cuts.cut("n1", "n2")
        w.cuts.cut("n1", "n3")
        near, far = await w.linked("n3")
        await far.send_all(b"through")
        assert await read(near, 7) == b"through"
        assert w.cuts.pairs() == [("n1", "n2"), ("n1", "n3")]


async def test_a_way_that_is_closed_holds_its_bytes_while_the_other_passes_them() -> None:
    async with world() as w:
        near, far = await w.linked("n1")
        w.cuts.block("n1", "n2")
        await near.send_all(b"held")
        await far.send_all(b"passed")
        assert await read(near, 6) == b"passed"
        with trio.move_on_after(0.05) as waited:
            await far.receive_some()
        assert waited.cancelled_caught
        w.cuts.heal()
        assert await read(far, 4) == b"held"


@pytest.mark.parametrize("way", [("n1", "n2"), ("n2", "n1")])
async def test_a_new_connection_needs_both_ways(way: tuple[str, str]) -> None:
    async with world() as w:
        w.cuts.block(*way)
        await w.dial("n1")
        await settle()
        with pytest.raises(trio.WouldBlock):
            w.accepted.receive_nowait()
        w.cuts.heal()
        far = await w.accepted.receive()
        assert await read(far, len(hello("n1"))) == hello("n1")


def test_two_ways_that_are_closed_are_one_cut() -> None:
    cuts = Cuts()
    cuts.block("n2", "n1")
    assert (cuts.pairs(), cuts.one_way()) == ([], [("n2", "n1")])
    cuts.block("n1", "n2")
    assert (cuts.pairs(), cuts.one_way()) == ([("n1", "n2")], [])


async def test_strangers_are_passed_on_unread_and_never_cut() -> None:
    async with world() as w:
        for other in ("n1", "n3"):
            w.cuts.cut(other, "n2")
        request = b"GET / HTTP/1.1\r\n\r\n"
        await w.dial_with(request)
        far = await w.accepted.receive()
        assert await read(far, len(request)) == request


async def test_a_hello_in_single_bytes_is_still_recognised() -> None:
    async with world() as w:
        w.cuts.cut("n1", "n2")
        stream = await w.dial_with(b"")
        for byte in hello("n1"):
            await stream.send_all(bytes([byte]))
        await settle()
        with pytest.raises(trio.WouldBlock):
            w.accepted.receive_nowait()


async def test_a_node_that_is_down_resets_its_dialler() -> None:
    async with world() as w:
        [closed] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        w.front.target = closed.socket.getsockname()
        await closed.aclose()
        near = await w.dial("n1")
        with pytest.raises(trio.BrokenResourceError):
            await near.receive_some()


async def test_a_reset_is_passed_on_as_a_reset() -> None:
    async with world() as w:
        near, far = await w.linked("n1")
        await near.send_all(b"never read")
        await settle()
        await far.aclose()  # closing with unread bytes resets
        with pytest.raises(trio.BrokenResourceError):
            await near.receive_some()
        await settle()
        assert w.front.connections == 0


@pytest.mark.parametrize(
    "opening",
    [
        b"",
        b"\x00\x00\x00\x03abc",
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x01\xc1",
        hello("n4"),
        hello("n1")[:-3],
        (FIRST_FRAME_BYTES_MAX + 1).to_bytes(4, "big") + msgpack.packb(["n1", b"x" * 512]),
    ],
)
def test_what_is_no_hello_of_a_known_node_has_no_name(opening: bytes) -> None:
    assert find_name(opening, NAMES) is None


def test_the_name_is_found_in_the_hello_that_nodes_send() -> None:
    node, epoch, address = NodeId(b"\x01" * 16), Epoch(b"\x02" * 16), "127.0.0.1:7752"
    said = Hello(1, "demo", node, "n2", epoch, b"\x03" * 8, Channel.BULK, address, joining=True)
    assert find_name(encode_hello(said), NAMES) == "n2"


def test_a_name_is_found_whether_packed_as_text_or_as_bytes() -> None:
    assert find_name(hello("n3"), NAMES) == "n3"
    body = msgpack.packb([b"n2"])
    assert find_name(len(body).to_bytes(4, "big") + body, NAMES) == "n2"
