"""A front answers Redis clients as the node does, whatever they say and however it is cut."""

from __future__ import annotations

import re

import pytest
import trio
from front_rig import FIRST, STEP, FrontRig, fronted
from hypothesis import given, settings
from hypothesis import strategies as st

from gcounterd.api.listeners import listen_tcp
from gcounterd.api.server import serve
from gcounterd.errors import ClientError
from gcounterd.resp.doors import open_resp
from tests.unit.api.memory_backend import COUNT_MAX, MemoryBackend
from tests.unit.resp.resp_rig import pack, read_replies

QUIT = pack("QUIT")
COMMANDS = st.lists(
    st.sampled_from(
        [
            pack("INCR", "a"),
            pack("incr", "b"),
            pack("INCRBY", "a", 1),
            pack("INCRBY", "a", 7),
            pack("GET", "a"),
            pack("get", "nobody"),
            pack("MGET", "a", "b"),
            pack("PING"),
            pack("ECHO", "INCR"),
            pack("HELLO", "3"),
            pack("CLIENT", "SETNAME", "me"),
            pack("CLIENT", "GETNAME"),
            pack("SELECT", "1"),
            pack("CONFIG", "GET", "save"),
            pack("COMMAND", "COUNT"),
            b"*0\r\n",
            pack("MULTI") + pack("INCR", "c") + pack("EXEC"),
            pack("DECR", "a"),
            pack("INCR"),
            b"INCR a\r\n",
            b"\r\n",
        ]
    ),
    max_size=8,
)


async def tell(port: int, data: bytes, cuts: list[int]) -> bytes:
    """Send bytes in pieces, and return all that is answered before the connection closes."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        told = b""
        for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            await stream.send_all(data[begin:end])
            await trio.lowlevel.checkpoint()
        while more := await stream.receive_some():
            told += more
    return told


async def tell_plain(backend: MemoryBackend, data: bytes) -> bytes:
    """Do it at a node without fronts."""
    listener = await listen_tcp("127.0.0.1", 0)
    async with trio.open_nursery() as nursery:
        await nursery.start(serve, backend, [open_resp(backend, listener)])
        told = await tell(listener.port, data, [])
        nursery.cancel_scope.cancel()
    return told


@pytest.mark.parametrize("end", [QUIT, b"*1\r\n$-5\r\n", b"POST / HTTP/1.1\r\n\r\n"])
@given(data=st.data(), commands=COMMANDS)
@settings(max_examples=25, deadline=None)
def test_the_answers_are_those_of_a_node_without_fronts(
    end: bytes, data: st.DataObject, commands: list[bytes]
) -> None:
    said = b"".join(commands) + end
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=4)))

    async def both() -> None:
        backend = MemoryBackend()
        expected = await tell_plain(backend, said)
        async with fronted() as rig:
            found = await tell(rig.resp, said, cuts)
            assert found == expected
            assert rig.backend.values == backend.values

    trio.run(both)


async def ask(stream: trio.SocketStream, *commands: bytes) -> list[object]:
    """Send commands at once, and return their replies."""
    await stream.send_all(b"".join(commands))
    told = b""
    while len(re.findall(rb"(?m)^[-+:$_]", told)) < len(commands):
        told += await stream.receive_some()
    return read_replies(told)


async def test_increments_reads_and_greetings_stay_in_the_front() -> None:
    async with fronted() as rig, await trio.open_tcp_stream("127.0.0.1", rig.resp) as stream:
        assert await ask(stream, pack("CLIENT", "SETNAME", "me")) == [b"OK"]
        assert await ask(stream, pack("INCR", "a"), pack("INCR", "a")) == [1, 2]
        assert await ask(stream, pack("GET", "a"), pack("GET", "b")) == [b"2", None]
        assert (len(rig.hub), len(rig.house)) == (1, 0)


async def test_a_client_that_goes_to_the_owner_keeps_its_name_number_and_protocol() -> None:
    async with fronted() as rig, await trio.open_tcp_stream("127.0.0.1", rig.resp) as stream:
        await stream.send_all(pack("HELLO", "3", "SETNAME", "me"))
        assert b"proto" in await stream.receive_some()
        assert await ask(stream, pack("INCR", "a")) == [1]
        assert await ask(stream, pack("DBSIZE")) == [1]
        assert (len(rig.hub), len(rig.house)) == (0, 1)
        await stream.send_all(pack("CLIENT", "GETNAME") + pack("CLIENT", "ID") + pack("GET", "x"))
        assert await stream.receive_some() == b"$2\r\nme\r\n:%d\r\n_\r\n" % FIRST
        assert await next_number(rig) == FIRST + STEP


async def next_number(rig: FrontRig) -> object:
    async with await trio.open_tcp_stream("127.0.0.1", rig.resp) as stream:
        return (await ask(stream, pack("CLIENT", "ID")))[0]


async def test_what_a_client_counted_in_the_front_is_waited_for_at_the_owner() -> None:
    async with fronted() as rig, await trio.open_tcp_stream("127.0.0.1", rig.resp) as stream:
        assert await ask(stream, pack("INCR", "a")) == [1]
        assert await ask(stream, pack("WAIT", 0, 100)) == [0]
        assert (len(rig.hub), len(rig.house)) == (0, 1)


async def test_a_node_that_should_not_be_read_says_so_by_its_front() -> None:
    async with fronted() as rig, await trio.open_tcp_stream("127.0.0.1", rig.resp) as stream:
        rig.backend.reasons = ("joining",)
        (reply,) = await ask(stream, pack("GET", "a"))
        assert str(reply).startswith("-LOADING this node is not ready: joining")


async def test_refused_increments_are_refused_by_the_front_in_their_places() -> None:
    async with fronted() as rig, await trio.open_tcp_stream("127.0.0.1", rig.resp) as stream:
        rig.backend.values[b"full"] = COUNT_MAX
        replies = await ask(stream, pack("INCR", "a"), pack("INCR", "full"), pack("INCR", "a"))
        assert replies == [1, "-ERR a counter ends at 2^53", 2]
        rig.backend.fail_with = ClientError(503, "stopped", "who knows", definite=False)
        assert await ask(stream, pack("INCR", "a")) == ["-UNCERTAIN who knows"]


async def test_replies_to_many_greetings_are_all_sent_and_in_order() -> None:
    async with fronted() as rig, await trio.open_tcp_stream("127.0.0.1", rig.resp) as stream:
        hello = pack("HELLO")
        await stream.send_all(hello * 512)
        await stream.send_all(pack("PING"))
        told = b""
        while not told.endswith(b"+PONG\r\n"):
            told += await stream.receive_some()
        assert told.count(b"$5\r\nproto\r\n") == 512
