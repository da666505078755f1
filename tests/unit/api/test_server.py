"""The server: time limits, the number of connections, stopping, the guard."""

from __future__ import annotations

import gc
import json
import resource
from pathlib import Path

import pytest
import trio
import trio.testing

from gcounterd.api.connection import Connection
from gcounterd.api.intake import Intake
from gcounterd.api.limits import Limits
from tests.unit.api.http_rig import HOST, Client, Rig, increments, running

QUICK_S = 0.05


@pytest.mark.parametrize(
    ("limits", "data"),
    [
        (Limits(head_s=QUICK_S), b"G"),
        (Limits(head_s=QUICK_S), b"GET / HTTP/1.1\r\nHost: a\r\n"),
        (Limits(body_s=QUICK_S), b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcd"),
        (
            Limits(body_s=QUICK_S),
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
        ),
    ],
)
async def test_a_request_that_never_ends_is_ended(
    tmp_path: Path, limits: Limits, data: bytes
) -> None:
    async with running(tmp_path, limits) as rig:
        client = await rig.connect()
        await client.send(increments(1) + data)
        assert (await client.read()).status == 200
        answer = await client.read()
        assert (answer.status, answer.code) == (408, "timeout")
        assert await client.is_closed()
        assert rig.backend.events["http_timeout"] == 1


async def test_trickling_bytes_does_not_buy_time(tmp_path: Path) -> None:
    async with running(tmp_path, Limits(head_s=QUICK_S)) as rig:
        client = await rig.connect()
        await client.send(b"GET / HTTP/1.1\r\nA: ")

        async def trickle() -> None:
            try:
                while True:
                    await client.send(b"x")
                    await trio.sleep(QUICK_S / 10)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass

        async with trio.open_nursery() as nursery:
            nursery.start_soon(trickle)
            assert (await client.read()).code == "timeout"
            nursery.cancel_scope.cancel()


async def test_an_idle_connection_is_closed_without_a_word(tmp_path: Path) -> None:
    async with running(tmp_path, Limits(idle_s=QUICK_S)) as rig:
        fresh, used = await rig.connect(), await rig.connect()
        assert (await used.ask("GET", "/ping")).status == 200
        assert await fresh.is_closed()
        assert await used.is_closed()
        assert rig.backend.events["http_expired"] == 2


async def test_a_client_that_does_not_take_its_answer_is_closed(tmp_path: Path) -> None:
    async with running(tmp_path, Limits(write_s=QUICK_S)) as rig:
        rig.backend.values.update({b"%d" % n + b"x" * 1000: n for n in range(1000)})
        client = await rig.connect()
        await client.send(b"GET /v1/counters?limit=1000 HTTP/1.1\r\n%b\r\n" % HOST * 50)
        while not rig.backend.events["http_expired"]:
            await trio.sleep(QUICK_S)
        assert (await rig.ask("GET", "/livez")).status == 200


async def test_an_answer_that_takes_long_is_not_cut_off(tmp_path: Path) -> None:
    limits = Limits(idle_s=QUICK_S, head_s=QUICK_S, body_s=QUICK_S, write_s=QUICK_S)
    async with running(tmp_path, limits) as rig:
        rig.backend.gate = trio.Event()
        client = await rig.connect()
        await client.send(increments(1))
        await rig.backend.waiting.wait()
        await (await rig.connect()).is_closed()  # by then the limits have passed
        rig.backend.gate.set()
        assert (await client.read()).json == {"key": "a", "value": 1}


async def test_when_full_the_longest_idle_connection_makes_room(tmp_path: Path) -> None:
    async with running(tmp_path, Limits(connections_max=3)) as rig:
        first, second, third = [await _used(rig) for _ in range(3)]
        assert (await first.ask("GET", "/ping")).status == 200
        fourth = await _used(rig)
        assert await second.is_closed()
        fifth = await _used(rig)
        assert await third.is_closed()
        for client in (first, fourth, fifth):
            assert (await client.ask("GET", "/ping")).status == 200
        assert rig.backend.events["http_evicted"] == 2


async def test_when_full_of_work_a_newcomer_is_closed(tmp_path: Path) -> None:
    async with running(tmp_path, Limits(connections_max=1)) as rig:
        rig.backend.gate = trio.Event()
        busy = await rig.connect()
        await busy.send(increments(1))
        await rig.backend.waiting.wait()
        assert await (await rig.connect()).is_closed()
        assert rig.backend.events["http_refused"] == 1
        rig.backend.gate.set()
        assert (await busy.read()).json == {"key": "a", "value": 1}


async def test_when_the_system_has_no_room_the_longest_idle_connection_makes_some(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as rig:
        idle = await _used(rig)
        with trio.socket.socket() as newcomer:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (newcomer.fileno() + 1, hard))
            try:
                await newcomer.connect(("127.0.0.1", rig.port))
                assert await idle.is_closed()
                stream = Client(trio.SocketStream(newcomer))
                assert (await stream.ask("GET", "/ping")).status == 200
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert rig.backend.events["http_accept_failed"] >= 1


async def test_closed_connections_leave_nothing_behind(tmp_path: Path) -> None:
    gc.collect()  # what earlier tests left in cycles, or in the tracebacks of errors, is not ours
    theirs = _parts()
    gc.disable()  # memory comes back when a connection ends, not when cycles are looked for
    try:
        async with running(tmp_path) as rig:
            for client in [await _used(rig) for _ in range(20)]:
                await client.stream.aclose()
            await trio.testing.wait_all_tasks_blocked()
            assert not [item for item in _parts() if item not in theirs]
    finally:
        gc.enable()


def _parts() -> list[Intake | Connection]:
    return [item for item in gc.get_objects() if isinstance(item, Intake | Connection)]


async def _used(rig: Rig) -> Client:
    client = await rig.connect()
    assert (await client.ask("GET", "/ping")).status == 200
    return client


async def test_stopping_finishes_what_was_asked_and_closes_what_is_idle(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.backend.gate = trio.Event()
        busy, idle = await rig.connect(), await _used(rig)
        await busy.send(increments(2))
        await rig.backend.waiting.wait()
        rig.cancel.cancel()
        assert await idle.is_closed()
        with pytest.raises(OSError, match="attempts to connect"):
            await rig.connect()
        assert not Path(rig.unix.address).exists()
        rig.backend.gate.set()
        assert (await busy.read()).json == {"key": "a", "value": 2}
        assert (await busy.read()).json == {"key": "a", "value": 2}
        assert await busy.is_closed()


async def test_stopping_does_not_wait_for_ever(tmp_path: Path) -> None:
    async with running(tmp_path, Limits(drain_s=QUICK_S)) as rig:
        rig.backend.gate = trio.Event()
        client = await rig.connect()
        await client.send(increments(1))
        await rig.backend.waiting.wait()
        rig.cancel.cancel()
        assert await client.is_closed()


@pytest.mark.parametrize(
    "host", [b"localhost", b"LOCALHOST:80", b"127.0.0.1", b"127.8.9.10:7777", b"[::1]", b"[::1]:1"]
)
async def test_a_loopback_host_is_served(tmp_path: Path, host: bytes) -> None:
    async with running(tmp_path) as rig:
        client = await rig.connect()
        for _ in range(2):
            answer = await client.ask("GET", "/v1/counters/a", headers=b"Host: %b\r\n" % host)
            assert answer.status == 200


@pytest.mark.parametrize(
    "host",
    [
        b"example.com", b"localhost.example.com", b"127.0.0.1.example.com", b"10.0.0.1", b"[::2]",
        b"localhost@example.com", b"127.0.0.999", b"", b"0x7f.1", b"localhost:x", b"::1",
    ],
)  # fmt: skip
async def test_a_foreign_host_is_refused_on_loopback_only(tmp_path: Path, host: bytes) -> None:
    async with running(tmp_path) as rig:
        client, admin = await rig.connect(), await rig.connect_unix()
        for target in ("/v1/drain", "/v1/counters/a/share", "/v1/counters/a/b", "/lost"):
            answer = await client.ask("POST", target, headers=b"Host: %b\r\n" % host)
            assert (answer.status, answer.code) == (421, "bad_host")
        assert not rig.backend.draining
        answer = await admin.ask("POST", "/v1/drain", headers=b"Host: %b\r\n" % host)
        assert answer.json == {"draining": True}


async def test_the_host_of_an_absolute_target_counts(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.ask("GET", "http://example.com/v1/cluster")
        assert (answer.status, answer.code) == (421, "bad_host")


async def test_a_request_without_a_host_is_refused_on_loopback(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        answer, _ = await rig.tell(b"GET /ping HTTP/1.0\r\n\r\n")
        assert (answer.status, answer.code) == (421, "bad_host")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (b"http://localhost:7777", 200),
        (b"https://127.0.0.1", 200),
        (b"http://[::1]:80", 200),
        (b"http://example.com", 403),
        (b"http://localhost.example.com", 403),
        (b"null", 403),
        (b"file://", 403),
        (b"", 403),
    ],
)
async def test_a_foreign_origin_is_refused(tmp_path: Path, origin: bytes, status: int) -> None:
    async with running(tmp_path) as rig:
        client = await rig.connect()
        await client.ask("GET", "/v1/cluster")  # the host is known by now
        headers = HOST + b"Origin: %b\r\n" % origin
        answer = await client.ask("POST", "/v1/drain", headers=headers)
        assert answer.status == status
        assert (answer.status == 200) == rig.backend.draining
        if status == 403:
            assert json.loads(answer.body)["error"]["code"] == "bad_origin"
