"""A connection answers the same however its bytes were cut into chunks, whoever has its socket."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from gcounterd.api.hub import Hub
from gcounterd.api.limits import Limits
from gcounterd.api.spoke import NO_OUTCOME, Outcome, Taken
from gcounterd.resp.connection import Connection
from gcounterd.resp.session import Room
from gcounterd.resp.table import OTHERS, TABLE
from tests.unit.api.memory_backend import MemoryBackend
from tests.unit.resp.resp_rig import LIFE, Player, pack


async def play(chunks: Iterable[bytes]) -> bytes:
    """Do what the hub does with these chunks, one by one, and return what the client reads."""
    backend = MemoryBackend()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        hub = Hub(backend, Limits())
        connection = Connection(ours, hub, Room(backend, TABLE, OTHERS, LIFE), 1)
        hub.enter(connection)
        read = b""
        for chunk in chunks:
            if not await take(connection, backend, chunk):
                break
            read += receive(theirs)
        return read + receive(theirs)


def receive(sock: socket.socket) -> bytes:
    try:
        return sock.recv(1 << 20)
    except BlockingIOError:
        return b""


async def take(connection: Connection, backend: MemoryBackend, chunk: bytes) -> bool:
    """Give one chunk to the connection; say whether it goes on."""
    keys: list[bytes] = []
    taken = connection.quick(chunk, keys)
    data = b""
    if taken in (Taken.LATER, Taken.NOW):
        outcome = NO_OUTCOME
        if taken is Taken.LATER:
            tally = backend.add_each(keys)
            mark = await backend.commit()
            outcome = Outcome(keys, backend.read_each(tally), tally.refused, None, mark)
        data = connection.answer(outcome, 0)
        connection.sock.sendall(data)
    if taken is Taken.TASK or connection.unfinished:
        return await connection.serve(b"")
    return True


_WORDS = "INCR a;INCR a;INCR b;incrby a 1;INCRBY a 3;GET a;PING;SCAN 0;MULTI;EXEC;WAIT 0 1;QUIT"
commands = st.lists(st.sampled_from(_WORDS.split(";")).map(lambda text: pack(*text.split())))


@given(commands.map(b"".join), st.lists(st.integers(0, 10_000), max_size=8))
async def test_replies_do_not_depend_on_chunks_nor_on_who_has_the_socket(
    data: bytes, places: list[int]
) -> None:
    ends = sorted(place % (len(data) + 1) for place in places)
    chunks = [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)], strict=True) if a < b]
    plain = await Player().play([data])
    assert await play([data] if data else []) == plain
    assert await play(chunks) == plain


async def test_what_a_long_pipeline_ends_with_waits_for_its_rest() -> None:
    data = b"".join(pack("INCR", "a") for _ in range(40))
    chunks = [data[at : at + 100] for at in range(0, len(data), 100)]
    assert await play(chunks) == b"".join(b":%d\r\n" % number for number in range(1, 41))


async def test_a_tail_that_is_no_increment_after_all_is_read_as_what_it_is() -> None:
    data = pack("INCR", "a") + pack("ECHO", "INCR") + pack("INCR", "a")
    for cut in range(len(pack("INCR", "a")), len(data)):
        assert await play([data[:cut], data[cut:]]) == b":1\r\n$4\r\nINCR\r\n:2\r\n"
