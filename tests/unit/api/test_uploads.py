"""Large bodies over real sockets: read piece by piece, held back, broken off, refused early."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from http_rig import HOST, PATIENCE_S, Client, Rig, increments, running

from gcounterd.api.limits import BODY_BYTES_MAX, UPLOAD_BYTES_MAX, Limits
from gcounterd.errors import ClientError

IMPORT = "/v1/imports?source=old&format=csv"


def head(length: int | str, *more: bytes, target: str = IMPORT) -> bytes:
    """Return the head of an import; a length of "chunked" is that."""
    line = f"POST {target} HTTP/1.1\r\n".encode() + HOST
    said = (
        b"Transfer-Encoding: chunked"
        if length == "chunked"
        else f"Content-Length: {length}".encode()
    )
    return line + said + b"\r\n" + b"".join(each + b"\r\n" for each in more) + b"\r\n"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with running(tmp_path) as running_rig:
        yield running_rig


async def wait_for_import(rig: Rig) -> None:
    with trio.fail_after(PATIENCE_S):
        while not rig.backend.under_way:
            await trio.lowlevel.checkpoint()


async def test_a_body_larger_than_others_may_be_is_read_in_pieces(rig: Rig) -> None:
    rows = b"".join(b"key-%07d,%d\n" % (number, number + 1) for number in range(100_000))
    assert len(rows) > BODY_BYTES_MAX
    answered = await rig.ask("POST", IMPORT, rows)
    assert answered.status == 200
    ((source, counts, again),) = rig.backend.brought
    assert (source, len(counts), again) == ("old", 100_000, False)
    assert counts[b"key-0099999"] == 100_000
    assert answered.json["total"] == sum(range(100_001))


async def test_a_body_in_chunks_is_read_as_one(rig: Rig) -> None:
    client = await rig.connect()
    await client.send(head("chunked") + b"3\r\na,1\r\n4\r\n\nb,2\r\n")
    await wait_for_import(rig)
    await client.send(b"0\r\n\r\n")
    assert (await client.read()).status == 200
    assert rig.backend.brought == [("old", {b"a": 1, b"b": 2}, False)]


async def test_requests_before_and_behind_an_import_are_answered_in_their_order(rig: Rig) -> None:
    client = await rig.connect()
    await client.send(increments(2) + head(4) + b"b,2\n" + increments(1) + head(4) + b"c,3\n")
    statuses = [(await client.read()).json for _ in range(5)]
    assert [each.get("value") for each in statuses] == [2, 2, None, 3, None]
    assert [counts for _, counts, _ in rig.backend.brought] == [{b"b": 2}, {b"c": 3}]


async def test_what_follows_in_the_chunk_that_ends_an_import_is_answered(rig: Rig) -> None:
    client = await rig.connect()
    await client.send(head(8) + b"b,2\n")
    await wait_for_import(rig)
    await client.send(b"c,3\n" + increments(1))
    assert (await client.read()).json["keys"] == 2
    assert (await client.read()).json["value"] == 1


async def test_a_client_that_waits_for_a_word_gets_it_when_the_body_is_wanted(rig: Rig) -> None:
    client = await rig.connect()
    await client.send(head(4, b"Expect: 100-continue"))
    assert await client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await client.send(b"a,1\n")
    assert (await client.read()).status == 200


async def test_whoever_is_refused_before_the_body_need_not_send_it(rig: Rig) -> None:
    client = await rig.connect()
    await client.send(head(4, b"Expect: 100-continue", target="/v1/imports?source="))
    answered = await client.read()
    assert (answered.status, answered.code) == (400, "bad_source")
    assert answered.headers["connection"] == "close"
    assert await client.is_closed()


async def test_a_mistake_in_the_middle_is_answered_there_and_nothing_counts(rig: Rig) -> None:
    client = await rig.connect()
    await client.send(head(UPLOAD_BYTES_MAX) + b"a,1\nb\n")
    answered = await client.read()
    assert (answered.status, answered.code) == (400, "bad_import")
    assert await client.is_closed()
    assert rig.backend.brought == []
    assert rig.backend.under_way == 0


@pytest.mark.parametrize(
    ("length", "target"),
    [(UPLOAD_BYTES_MAX + 1, IMPORT), (BODY_BYTES_MAX + 1, "/v1/counters")],
)
async def test_a_body_that_is_too_large_is_refused_by_its_length(
    rig: Rig, length: int, target: str
) -> None:
    client = await rig.connect()
    await client.send(head(length, target=target))
    answered = await client.read()
    assert (answered.status, answered.code) == (413, "body_too_large")


async def test_a_body_that_grows_too_large_is_refused_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gcounterd.api.intake.UPLOAD_BYTES_MAX", 100)
    client = await rig.connect()
    await client.send(head("chunked") + b"4\r\na,1\n\r\n")
    await wait_for_import(rig)
    await client.send(b"80\r\n" + b"b,1\n" * 32 + b"\r\n")
    assert (await client.read()).code == "body_too_large"
    assert await client.is_closed()
    assert rig.backend.brought == []


async def test_a_client_that_breaks_off_changes_nothing(rig: Rig) -> None:
    client = await rig.connect()
    await client.send(head(1000) + b"a,1\n")
    await wait_for_import(rig)
    await client.stream.aclose()
    with trio.fail_after(PATIENCE_S):
        while rig.backend.under_way:
            await trio.lowlevel.checkpoint()
    assert rig.backend.brought == []
    assert (await rig.ask("GET", "/livez")).status == 200


async def test_a_client_that_is_too_slow_is_told(tmp_path: Path) -> None:
    async with running(tmp_path, Limits(body_s=0.05)) as rig:
        client = await rig.connect()
        await client.send(head(1000) + b"a,1\n")
        answered = await client.read()
        assert (answered.status, answered.code) == (408, "timeout")
        assert await client.is_closed()
        assert rig.backend.under_way == 0


async def test_an_error_of_the_import_is_the_answer_and_the_connection_goes_on(rig: Rig) -> None:
    client = await rig.connect()
    answered = await client.ask("POST", IMPORT, b"a,0\n")
    assert (answered.status, answered.code) == (400, "nothing_to_import")
    rig.backend.draining = True
    refused = await client.ask("POST", "/v1/start-at/a", b'{"value":3}')
    assert (refused.status, refused.code) == (503, "draining")
    rig.backend.draining = False
    assert (await client.ask("POST", "/v1/start-at/a%2Fb", b'{"value":3}')).status == 200
    assert rig.backend.brought == [("start-at a/b", {b"a/b": 3}, False)]


@pytest.mark.parametrize(
    "target",
    ["/v1/imports", "/v1/imports?source=a&format=xml", "/v1/imports?source=a&again=1"],
)
async def test_parameters_are_checked_before_the_body(rig: Rig, target: str) -> None:
    answered = await rig.ask("POST", target, b"a,1\n")
    assert answered.status == 400


async def test_a_start_is_an_amount(rig: Rig) -> None:
    for body in (b'{"value":0}', b'{"value":1.5}', b"{}", b'{"value":9007199254740993}'):
        assert (await rig.ask("POST", "/v1/start-at/a", body)).status == 400


async def test_imports_are_listed_in_pages(rig: Rig) -> None:
    answered = await rig.ask("GET", "/v1/imports?after=x&limit=7")
    assert answered.json == {"imports": [], "next": None}
    assert rig.backend.listed == ("x", 7)


# -- export ---------------------------------------------------------------------------------


def fill(rig: Rig, number: int) -> None:
    rig.backend.values = {b"k%05d" % each: each + 1 for each in range(number)} | {b'q,"': 5}


async def test_an_export_has_every_counter_and_the_connection_goes_on(rig: Rig) -> None:
    fill(rig, 3000)
    client = await rig.connect()
    answered = await client.ask("GET", "/v1/export?format=csv")
    assert answered.headers["transfer-encoding"] == "chunked"
    rows = answered.body.decode().splitlines()
    assert rows[:2] == ["key,value", "k00000,1"]
    assert (len(rows), rows[-1]) == (3002, '"q,""",5')
    assert (await client.ask("GET", "/v1/export?prefix=k0299")).body.count(b"\n") == 10


async def test_an_export_can_be_imported(rig: Rig) -> None:
    fill(rig, 2500)
    for form in ("csv", "json"):
        written = await rig.ask("GET", f"/v1/export?format={form}")
        await rig.ask("POST", f"/v1/imports?source={form}&format={form}", written.body)
    assert [counts for _, counts, _ in rig.backend.brought] == [rig.backend.values] * 2


async def test_an_export_for_a_client_that_knows_no_chunks_ends_with_the_connection(
    rig: Rig,
) -> None:
    fill(rig, 10)
    client = await rig.connect()
    await client.send(b"GET /v1/export?format=csv HTTP/1.0\r\n" + HOST + b"\r\n")
    told = await _read_all(client)
    assert b"Transfer-Encoding" not in told
    assert told.endswith(
        b"\r\n\r\nkey,value\n"
        + b"".join(b"k%05d,%d\n" % (each, each + 1) for each in range(10))
        + b'"q,""",5\n'
    )


async def _read_all(client: Client) -> bytes:
    told = b""
    while piece := await client.stream.receive_some():
        told += piece
    return told


async def test_the_head_of_an_export_has_no_body(rig: Rig) -> None:
    fill(rig, 10)
    client = await rig.connect()
    assert (await client.ask("HEAD", "/v1/export")).body == b""
    assert (await client.ask("GET", "/livez")).status == 200


async def test_an_export_that_fails_ends_in_the_middle(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(rig, 1500)
    real = rig.backend.listing

    async def fail_later(prefix: bytes, after: bytes, limit: int) -> object:
        if after:
            raise ClientError(503, "stopped", "no more")
        return await real(prefix, after, limit)

    monkeypatch.setattr(rig.backend, "listing", fail_later)
    client = await rig.connect()
    await client.send(b"GET /v1/export HTTP/1.1\r\n" + HOST + b"\r\n")
    assert not (await _read_all(client)).endswith(b"0\r\n\r\n")


async def test_a_node_that_is_not_ready_is_not_exported(rig: Rig) -> None:
    rig.backend.reasons = ("joining",)
    assert (await rig.ask("GET", "/v1/export")).status == 503
    assert (await rig.ask("GET", "/v1/export?stale=ok")).status == 200
