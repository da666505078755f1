"""One connection: pipelining, framing, limits, closing; with raw sockets."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from gcounterd.api.limits import BODY_BYTES_MAX, HEAD_BYTES_MAX, TARGET_BYTES_MAX
from gcounterd.errors import ClientError
from tests.unit.api.http_rig import HOST, increments, running
from tests.unit.api.memory_backend import MemoryBackend

GET = b"GET /v1/counters/a HTTP/1.1\r\n" + HOST + b"\r\n"


async def test_increments_of_a_chunk_share_one_commit_and_a_read_sees_them(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        client = await rig.connect()
        await client.send(increments(3) + GET)
        for _ in range(4):
            assert (await client.read()).json == {"key": "a", "value": 3}
        assert rig.backend.commits == 1


async def test_answers_come_in_the_order_of_requests(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        client = await rig.connect()
        top = b"GET /v1/top HTTP/1.1\r\n" + HOST + b"\r\n"
        lost = b"GET /lost HTTP/1.1\r\n" + HOST + b"\r\n"
        await client.send(increments(1) + lost + top + increments(1) + lost)
        assert (await client.read()).json == {"key": "a", "value": 1}
        assert (await client.read()).status == 404
        assert (await client.read()).json == {
            "counters": [{"key": "a", "value": 1}],
            "next": None,
        }
        assert (await client.read()).json == {"key": "a", "value": 2}
        assert (await client.read()).status == 404


async def test_a_refused_increment_leaves_its_neighbours_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.backend.values[b"full"] = 2**53
        client = await rig.connect()
        await client.send(increments(1) + increments(1, b"full") + increments(1))
        assert (await client.read()).json == {"key": "a", "value": 2}
        assert (await client.read()).code == "too_large"
        assert (await client.read()).json == {"key": "a", "value": 2}


async def test_a_head_that_is_known_is_not_known_for_what_a_body_or_another_head_follows(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as rig:
        client = await rig.connect()
        known, more = increments(1), b"POST /v1/counters/a HTTP/1.1\r\n" + HOST
        for data, value in (
            (known, 1),
            (known, 2),
            (more + b'Content-Length: 8\r\n\r\n{"by":5}', 7),
            (known, 8),
            (more + b"A: b\r\n\r\n", 9),
            (known + GET, 10),
            (known, 11),
        ):
            await client.send(data)
            answers = [(await client.read()).json for _ in range(data.count(b" HTTP/1.1"))]
            assert answers == [{"key": "a", "value": value}] * len(answers)
        await client.send(known[:30])
        await client.send(known[30:] + known)
        assert [(await client.read()).json for _ in range(2)][-1] == {"key": "a", "value": 13}
        await client.send(b"POST /v1/counters/a\n" + known)
        assert (await client.read()).code == "malformed"
        assert rig.backend.values == {b"a": 13}


async def test_a_failed_commit_fails_each_increment_and_no_read(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.backend.fail_with = ClientError(507, "disk_full", "no room")
        client = await rig.connect()
        await client.send(increments(2) + GET)
        assert (await client.read()).code == "disk_full"
        assert (await client.read()).code == "disk_full"
        assert (await client.read()).json == {"key": "a", "value": 0}


async def test_ten_thousand_pipelined_requests_are_all_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        client = await rig.connect()
        rig.nursery.start_soon(client.send, increments(10_000))
        values = [(await client.read()).json["value"] for _ in range(10_000)]  # type: ignore[index]
        assert values == sorted(values)
        assert values[-1] == 10_000
        assert rig.backend.events["http_accepted"] == 1


async def test_a_client_that_does_not_read_is_not_read(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        client = await rig.connect()
        rig.backend.values.update({b"%d" % n + b"x" * 900: n for n in range(1000)})
        request = b"GET /v1/counters?limit=1000 HTTP/1.1\r\n" + HOST + b"\r\n"
        sent = trio.Event()

        async def flood() -> None:
            await client.send(request * 20_000)
            sent.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood)
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert not sent.is_set()  # 1.2 MB of requests ask for 18 GB: they wait outside
            assert (await rig.ask("GET", "/livez")).status == 200
            for _ in range(3):
                assert len((await client.read()).body) > 900_000
            nursery.cancel_scope.cancel()


async def test_a_busy_connection_lets_the_others_run(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        busy, other = await rig.connect(), await rig.connect()

        async def keep_asking() -> None:
            while True:
                await busy.send(increments(300))
                await busy.stream.receive_some(1 << 20)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_asking)
            for _ in range(50):
                assert (await other.ask("GET", "/livez")).status == 200
            nursery.cancel_scope.cancel()


async def test_head_answers_as_get_without_a_body(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        client = await rig.connect()
        for target in ("/v1/counters/a", "/v1/top", "/ping", "/lost"):
            get = await client.ask("GET", target)
            head = await client.ask("HEAD", target)
            assert head.body == b""
            assert (head.status, head.headers["content-length"]) == (
                get.status,
                get.headers["content-length"],
            )


async def test_a_method_that_is_not_allowed_is_told_which_are(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        client = await rig.connect()
        wrong = await client.ask("DELETE", "/v1/counters/a")
        assert (wrong.status, wrong.code) == (405, "bad_method")
        assert wrong.headers["allow"] == "GET, HEAD, OPTIONS, POST"
        options = await client.ask("OPTIONS", "/v1/counters/a")
        assert (options.status, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
        assert (await client.ask("OPTIONS", "*")).status == 204
        assert (await client.ask("OPTIONS", "/lost")).status == 404


async def test_a_chunked_body_is_read(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        head = b"POST /v1/counters/a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
        # A trailer is not a header: this one must not be taken for a promise.
        end = b"0\r\nIdempotency-Key: x\r\n\r\n"
        answer, _ = await rig.tell(head + b'4\r\n{"by\r\n4;x=y\r\n":5}\r\n' + end)
        assert answer.json == {"key": "a", "value": 5}


async def test_a_client_that_expects_100_continue_gets_it(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        client = await rig.connect()
        head = b"POST /v1/counters/a HTTP/1.1\r\n%bExpect: 100-continue\r\n" % HOST
        await client.send(increments(1) + head + b"Content-Length: 8\r\n\r\n")
        assert (await client.read()).json == {"key": "a", "value": 1}
        assert await client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b'{"by":5}')
        assert (await client.read()).json == {"key": "a", "value": 6}
        # Whoever sends a body that is too large is told before sending it.
        await client.send(head + b"Content-Length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1))
        assert (await client.read()).status == 413
        assert await client.is_closed()


async def test_http_1_0_is_answered_and_closed_unless_kept_alive(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        line = b"GET /v1/counters/a HTTP/1.0\r\n" + HOST
        answer, client = await rig.tell(line + b"\r\n")
        assert answer.headers["connection"] == "close"
        assert await client.is_closed()
        answer, client = await rig.tell(line + b"Connection: keep-alive\r\n\r\n")
        assert answer.headers["connection"] == "keep-alive"
        assert (await client.ask("GET", "/ping")).status == 200


async def test_connection_close_is_honoured_and_nothing_after_it_is_answered(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as rig:
        last = b"POST /v1/counters/a HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
        answer, client = await rig.tell(last + increments(5))
        assert answer.json == {"key": "a", "value": 1}
        assert answer.headers["connection"] == "close"
        assert await client.is_closed()
        assert rig.backend.events["http_malformed"] == 0


async def test_an_upgrade_is_not_taken_and_nothing_behind_it_is_trusted(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        upgrade = HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 99\r\n\r\n"
        answer, client = await rig.tell(
            b"POST /v1/counters/a HTTP/1.1\r\n" + upgrade + increments(2)
        )
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        assert await client.is_closed()
        assert rig.backend.values == {b"a": 1}


async def test_an_absolute_target_is_read(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        client = await rig.connect()
        for target in ("http://localhost/ping", "HTTP://127.0.0.1:80/ping"):
            assert (await client.ask("GET", target)).body == b"OK\n"
        assert b"<h1>" in (await client.ask("GET", "http://localhost")).body  # it is `/`


MALFORMED = [
    b"hello\r\n\r\n",
    b"FOO / HTTP/1.1\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    b"GET / HTTP/1.1\nHost: localhost\n\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n c\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"A\0: b\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"*1\r\n$4\r\nPING\r\n",
]


@pytest.mark.parametrize("request_bytes", MALFORMED)
async def test_what_is_not_http_is_answered_counted_and_closed(
    tmp_path: Path, request_bytes: bytes
) -> None:
    async with running(tmp_path) as rig:
        client = await rig.connect()
        await client.send(increments(1) + request_bytes)
        assert (await client.read()).json == {"key": "a", "value": 1}
        answer = await client.read()
        assert (answer.status, answer.code) == (400, "malformed")
        assert answer.headers["connection"] == "close"
        assert await client.is_closed()
        assert rig.backend.events["http_malformed"] == 1


@pytest.mark.parametrize("version", [b"2.0", b"0.9"])
async def test_another_version_is_refused(tmp_path: Path, version: bytes) -> None:
    async with running(tmp_path) as rig:
        answer, client = await rig.tell(b"GET /ping HTTP/%b\r\n" % version + HOST + b"\r\n")
        assert (answer.status, answer.code) == (505, "bad_version")
        assert await client.is_closed()


async def test_an_unknown_expectation_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        answer, client = await rig.tell(b"GET /ping HTTP/1.1\r\nExpect: tea\r\n" + HOST + b"\r\n")
        assert (answer.status, answer.code) == (417, "expectation_failed")
        assert await client.is_closed()


async def test_headers_may_be_as_large_as_promised_and_no_larger(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        client = await rig.connect()
        counted = len(b"/ping") + len(HOST) - 2 + 2 + len(b"A") + 4
        filler = HEAD_BYTES_MAX - counted
        head = b"GET /ping HTTP/1.1\r\n" + HOST + b"A: %b\r\n\r\n"
        await client.send(head % (b"x" * filler))
        assert (await client.read()).status == 200
        await client.send(head % (b"x" * (filler + 1)))
        answer = await client.read()
        assert (answer.status, answer.code) == (431, "head_too_large")
        assert await client.is_closed()


async def test_a_header_without_end_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        answer, _ = await rig.tell(b"GET / HTTP/1.1\r\n" + HOST + b"A: " + b"x" * 60_000)
        assert (answer.status, answer.code) == (431, "head_too_large")


async def test_trailers_count_as_headers(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        head = b"POST /v1/counters/a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
        answer, _ = await rig.tell(head + b"0\r\n" + b"A: b\r\n" * 5000)
        assert (answer.status, answer.code) == (431, "head_too_large")
        assert rig.backend.values == {}


async def test_a_target_may_be_as_long_as_promised_and_no_longer(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        client = await rig.connect()
        query = "/v1/counters?" + "&" * (TARGET_BYTES_MAX - 13)
        assert (await client.ask("GET", query)).status == 200
        answer = await client.ask("GET", query + "&")
        assert (answer.status, answer.code) == (414, "target_too_long")
        assert await client.is_closed()


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_large_is_refused_without_reading_it_all(
    tmp_path: Path, chunked: bool
) -> None:
    async with running(tmp_path) as rig:
        client = await rig.connect()
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 1048577"
        await client.send(b"POST /v1/counters HTTP/1.1\r\n" + HOST + framing + b"\r\n\r\n")
        piece = b"10000\r\n%b\r\n" % (b" " * 65_536) if chunked else b" " * 65_536

        async def send() -> None:
            try:
                while True:
                    await client.send(piece)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            answer = await client.read()
            assert (answer.status, answer.code) == (413, "body_too_large")
            assert await client.is_closed()
            nursery.cancel_scope.cancel()


async def test_a_body_of_the_largest_size_is_read(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        body = b'{"counts": {"a": 1}' + b" " * (BODY_BYTES_MAX - 20) + b"}"
        assert len(body) == BODY_BYTES_MAX
        assert (await rig.ask("POST", "/v1/counters", body)).json == {"values": {"a": 1}}


async def test_a_client_that_leaves_in_the_middle_is_forgotten(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        for data in (b"", b"GET", GET[:-1], b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"):
            client = await rig.connect()
            await client.send(data)
            await trio.aclose_forcefully(client.stream)
        assert (await rig.ask("GET", "/livez")).status == 200


async def test_a_client_that_only_stops_sending_still_gets_its_answers(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        client = await rig.connect()
        await client.send(increments(2))
        await client.stream.send_eof()
        assert (await client.read()).json == {"key": "a", "value": 2}
        assert (await client.read()).json == {"key": "a", "value": 2}
        assert await client.is_closed()


async def test_no_increment_is_left_unasked_for_while_others_run(tmp_path: Path) -> None:
    # Else a commit that others caused could take a part of a chunk, and one outcome, that of the
    # commit of the rest, would be told for all of it.
    seen: list[int] = []

    async def watch(backend: MemoryBackend) -> None:
        while True:
            seen.append(sum(backend.pending.values()))
            await trio.lowlevel.checkpoint()

    async with running(tmp_path) as rig, trio.open_nursery() as nursery:
        nursery.start_soon(watch, rig.backend)
        client = await rig.connect()
        await client.send((b"POST /v1/counters/a%20b HTTP/1.1\r\n" + HOST + b"\r\n") * 250)
        for _ in range(250):
            assert (await client.read()).status == 200
        nursery.cancel_scope.cancel()
    assert max(seen) == 0
    assert rig.backend.values == {b"a b": 250}
