"""RESP over sockets: time limits, room, stopping, and a client that does not read."""

from __future__ import annotations

import trio

from gcounterd.api.limits import Limits
from tests.unit.resp.resp_rig import pack, resp_server

QUICK_S = 0.05


async def read(stream: trio.SocketStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = await stream.receive_some(size - len(data))
        assert more, data
        data += more
    return data


async def ask(stream: trio.SocketStream, request: bytes, reply: bytes) -> None:
    await stream.send_all(request)
    assert await read(stream, len(reply)) == reply


async def is_closed(stream: trio.SocketStream) -> bool:
    try:
        return not await stream.receive_some()
    except trio.BrokenResourceError:
        return True


async def test_increments_of_many_connections_share_commits() -> None:
    async with resp_server() as rig:
        streams = [await rig.connect() for _ in range(5)]
        rig.backend.gate = trio.Event()
        for stream in streams:
            await stream.send_all(pack("INCR", "a") * 3)
        await rig.backend.waiting.wait()
        rig.backend.gate.set()
        for stream in streams:
            data = b""
            while data.count(b"\r\n") < 3:
                data += await stream.receive_some()
            told = [int(line) for line in data.replace(b":", b"").split()]
            assert told == [told[0], told[0] + 1, told[0] + 2]
        assert rig.backend.values == {b"a": 15}


async def test_a_command_that_never_ends_is_ended_and_silence_is_not() -> None:
    async with resp_server(Limits(body_s=QUICK_S)) as rig:
        silent, half = await rig.connect(), await rig.connect()
        await ask(silent, b"PING\r\n", b"+PONG\r\n")
        await ask(half, pack("PING") + b"*2\r\n$4\r\nINCR", b"+PONG\r\n")
        assert await is_closed(half)
        assert rig.backend.events["resp_expired"] == 1
        await ask(silent, b"PING\r\n", b"+PONG\r\n")


async def test_silence_ends_as_well_in_the_end() -> None:
    async with resp_server(Limits(session_s=QUICK_S, body_s=QUICK_S)) as rig:
        assert await is_closed(await rig.connect())


async def test_a_client_that_does_not_read_is_not_read_and_then_closed() -> None:
    async with resp_server(Limits(write_s=QUICK_S)) as rig:
        rig.backend.values[b"a"] = 1
        stream = await rig.connect()
        try:
            while True:  # until both directions are full, and then until it is closed
                await stream.send_all(pack("ECHO", b"x" * 60_000) * 10)
        except trio.BrokenResourceError:
            pass
        assert rig.backend.events["resp_expired"] == 1


async def test_who_has_been_idle_longest_makes_room() -> None:
    async with resp_server(Limits(connections_max=2)) as rig:
        first, second = await rig.connect(), await rig.connect()
        await ask(second, b"PING\r\n", b"+PONG\r\n")
        await ask(first, b"PING\r\n", b"+PONG\r\n")
        third = await rig.connect()
        await ask(third, b"PING\r\n", b"+PONG\r\n")
        assert await is_closed(second)
        assert rig.backend.events["resp_evicted"] == 1
        await ask(first, b"PING\r\n", b"+PONG\r\n")


async def test_what_is_asked_before_a_stop_is_answered() -> None:
    async with resp_server() as rig:
        idle, busy = await rig.connect(), await rig.connect()
        await ask(idle, b"PING\r\n", b"+PONG\r\n")
        rig.backend.gate = trio.Event()
        await busy.send_all(pack("INCR", "a"))
        await rig.backend.waiting.wait()
        rig.cancel.cancel()
        assert await is_closed(idle)
        rig.backend.gate.set()
        assert await read(busy, 4) == b":1\r\n"
        assert await is_closed(busy)


async def test_quit_is_answered_before_the_connection_closes() -> None:
    async with resp_server() as rig:
        stream = await rig.connect()
        await ask(stream, pack("INCR", "a") + pack("QUIT") + pack("INCR", "a"), b":1\r\n+OK\r\n")
        assert await is_closed(stream)
        assert rig.backend.values == {b"a": 1}


async def test_a_command_behind_many_empty_ones_is_answered() -> None:
    async with resp_server() as rig:
        await ask(await rig.connect(), b"*0\r\n" * 2000 + pack("PING"), b"+PONG\r\n")
        await ask(await rig.connect(), b" \r\n" * 2000 + pack("INCR", "a"), b":1\r\n")


async def test_a_client_that_sends_nothing_but_empty_commands_keeps_nobody_waiting() -> None:
    async with resp_server() as rig:
        noisy, other = await rig.connect(), await rig.connect()

        async def make_noise() -> None:
            while True:
                await noisy.send_all(b"*0\r\n" * 4096)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(make_noise)
            for number in range(1, 20):
                await ask(other, pack("INCR", "a"), b":%d\r\n" % number)
            nursery.cancel_scope.cancel()
