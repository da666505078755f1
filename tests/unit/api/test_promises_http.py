"""Keyed requests over real sockets: headers in, headers out, and what makes a request the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gcounterd.api.backend import Held
from gcounterd.api.promises import WINDOW
from gcounterd.errors import ClientError
from gcounterd.node.levels import Level
from tests.unit.api.http_rig import HOST, Answer, Rig, running

KEY = b"Idempotency-Key: 8e03978e-40d5-43dd-bc93-6894a57f9324\r\n"
AGAIN = KEY + b"Idempotency-Retry: 1\r\n"


async def post(rig: Rig, target: str, body: bytes = b"", headers: bytes = KEY) -> Answer:
    return await rig.ask("POST", target, body, HOST + headers)


@pytest.mark.parametrize(
    ("target", "body", "told"),
    [
        ("/v1/counters/a", b"", b'{"key":"a","value":1}'),
        ("/v1/counters/a", b'{"by": 41}', b'{"key":"a","value":41}'),
        ("/v1/counters/a?as=string", b"", b'{"key":"a","value":"1"}'),
        ("/v1/counters", b'{"counts": {"b": 2, "a": 1}}', b'{"values":{"b":2,"a":1}}'),
        ("/counter/a", b"7", b"7"),
    ],
)
async def test_a_repeat_is_answered_byte_for_byte_and_says_that_it_is_one(
    tmp_path: Path, target: str, body: bytes, told: bytes
) -> None:
    async with running(tmp_path) as rig:
        first = await post(rig, target, body)
        assert (first.status, first.body) == (200, told)
        assert first.headers["idempotency-window"] == WINDOW[1].decode()
        assert "idempotency-replayed" not in first.headers
        before = dict(rig.backend.values)
        await rig.ask("POST", "/v1/counters/a")
        for headers in (KEY, AGAIN, AGAIN + b"Gcounter-Node: n1\r\n"):
            again = await post(rig, target, body, headers)
            assert (again.status, again.body) == (200, told)
            assert again.headers["idempotency-replayed"] == "true"
            assert again.headers["idempotency-window"] == WINDOW[1].decode()
        assert rig.backend.values == before | {b"a": before[b"a"] + 1}


async def test_how_a_request_is_written_does_not_make_it_another(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await post(rig, "/v1/counters/%61")
        again = await post(rig, "/v1/counters/a?as=string&timeout=1")
        assert again.json == {"key": "a", "value": "1"}
        assert rig.backend.values == {b"a": 1}


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/v1/counters/b", b""),
        ("/v1/counters/a", b'{"by": 1}'),
        ("/v1/counters", b'{"counts": {"a": 1}}'),
        ("/counter/a", b"1"),
    ],
)
async def test_one_key_with_another_request_is_refused_for_certain(
    tmp_path: Path, target: str, body: bytes
) -> None:
    async with running(tmp_path) as rig:
        await post(rig, "/v1/counters/a")
        answer = await post(rig, target, body)
        assert (answer.status, answer.code) == (409, "key_reused")
        assert json.loads(answer.body)["error"]["definite"] is True
        assert answer.headers["idempotency-window"] == WINDOW[1].decode()
        assert rig.backend.values == {b"a": 1}


async def test_a_repeat_that_nobody_knows_is_told_whom_to_ask(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        for headers, node in (
            (AGAIN, None),
            (AGAIN + b"Gcounter-Node: n7\r\n", "n7"),
            (AGAIN + b"Gcounter-Node: <n7>\r\n", None),
        ):
            answer = await post(rig, "/v1/counters/a", headers=headers)
            shape = json.loads(answer.body)
            assert (answer.status, shape["error"]["code"]) == (409, "retry_elsewhere")
            assert shape["error"]["definite"] is False
            assert shape.get("node") == node
        assert rig.backend.values == {}


@pytest.mark.parametrize(
    "headers",
    [
        b"Idempotency-Key: \r\n",
        b"Idempotency-Key: a b\r\n",
        b"Idempotency-Key: \xc3\xa4\r\n",
        b"Idempotency-Key: " + b"x" * 256 + b"\r\n",
        b"Idempotency-Retry: 1\r\n",
        KEY + b"Idempotency-Retry: 0\r\n",
        KEY + b"Idempotency-Retry: true\r\n",
    ],
)
async def test_a_promise_that_is_not_understood_is_refused(tmp_path: Path, headers: bytes) -> None:
    async with running(tmp_path) as rig:
        for target, body in (
            ("/v1/counters/a", b""),
            ("/v1/counters", b'{"counts": {"a": 1}}'),
            ("/counter/a", b"1"),
        ):
            answer = await post(rig, target, body, headers)
            assert (answer.status, answer.code) == (400, "bad_idempotency")
        assert rig.backend.values == {}


async def test_what_failed_may_be_sent_again_with_its_key(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.backend.fail_with = ClientError(507, "disk_full", "no room")
        refused = await post(rig, "/v1/counters/a")
        assert (refused.status, refused.code) == (507, "disk_full")
        assert refused.headers["idempotency-window"] == WINDOW[1].decode()
        assert (await post(rig, "/v1/counters/a")).json == {"key": "a", "value": 1}


async def test_keyed_requests_in_a_pipeline_are_answered_in_their_places(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        client = await rig.connect()
        plain = b"POST /v1/counters/a HTTP/1.1\r\n" + HOST
        await client.send(plain + b"\r\n" + 2 * (plain + KEY + b"\r\n") + plain + b"\r\n")
        told = [(await client.read("POST")).json["value"] for _ in range(4)]
        assert told == [1, 2, 2, 3]


@pytest.mark.parametrize(
    ("target", "body", "shape"),
    [
        ("/v1/counters/a?ack=majority", b"", {"key": "a", "value": 1}),
        ("/v1/counters?ack=majority", b'{"counts": {"a": 1}}', {"values": {"a": 1}}),
    ],
)
async def test_a_repeat_waits_anew_for_who_is_to_hold_it(
    tmp_path: Path, target: str, body: bytes, shape: dict[str, object]
) -> None:
    async with running(tmp_path) as rig:
        rig.backend.others = Held(Level.LOCAL, ("n1",))
        short = await post(rig, target, body)
        assert (short.status, short.json) == (202, {**shape, "held_by": ["n1"]})
        rig.backend.others = Held(Level.MAJORITY, ("n1", "n2"))
        again = await post(rig, target, body)
        assert (again.status, again.json) == (200, shape)
        assert again.headers["idempotency-replayed"] == "true"
        assert rig.backend.told == [Level.MAJORITY] * 3  # one commit, and two waits
