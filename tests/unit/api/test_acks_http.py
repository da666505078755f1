"""`?ack=`: who has to hold what is counted before it is answered, and what is said if not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gcounterd.api.backend import Held
from gcounterd.errors import ClientError
from gcounterd.node.levels import Level
from tests.unit.api.http_rig import HOST, Rig, running

LOCAL, MAJORITY, ALL = Level
TWO = Held(MAJORITY, ("n1", "n2"))


def held(rig: Rig, by: Held) -> None:
    rig.backend.others = by


@pytest.mark.parametrize("level", ["majority", "all"])
@pytest.mark.parametrize(
    ("method", "target", "body", "shape"),
    [
        ("POST", "/v1/counters/a?ack={}", b"", {"key": "a", "value": 1}),
        ("POST", "/v1/counters/a?ack={}&timeout=0.5", b'{"by":1}', {"key": "a", "value": 1}),
        ("POST", "/v1/counters?ack={}", b'{"counts":{"a":1}}', {"values": {"a": 1}}),
        ("PUT", "/v1/counters/a/share?ack={}", b'{"at_least":1}', {"key": "a", "share": 1}),
    ],
)
async def test_what_enough_members_hold_is_answered_as_ever_and_else_says_who_holds_it(
    tmp_path: Path, level: str, method: str, target: str, body: bytes, shape: dict[str, object]
) -> None:
    async with running(tmp_path) as rig:
        held(rig, Held(Level[level.upper()], ("n1", "n2", "n3")))
        answer = await rig.ask(method, target.format(level), body)
        assert (answer.status, answer.json) == (200, shape)
        assert rig.backend.told[-1] is Level[level.upper()]
        if method == "POST":  # the commit was told, so that its push does not wait
            assert rig.backend.told == [Level[level.upper()]] * 2

    async with running(tmp_path) as rig:
        held(rig, Held(Level(Level[level.upper()] - 1), ("n1",)))
        answer = await rig.ask(method, target.format(level), body)
        assert (answer.status, answer.json) == (202, {**shape, "held_by": ["n1"]})


@pytest.mark.parametrize("query", ["", "?ack=local", "?ack=local&timeout=1"])
async def test_without_it_nobody_else_is_waited_for(tmp_path: Path, query: str) -> None:
    async with running(tmp_path) as rig:
        for method, path, body in (
            ("POST", "/v1/counters/a", b""),
            ("POST", "/v1/counters", b'{"counts":{"a":1}}'),
            ("PUT", "/v1/counters/a/share", b'{"at_least":1}'),
        ):
            assert (await rig.ask(method, path + query, body)).status == 200
        assert rig.backend.patience == []
        assert set(rig.backend.told) <= {LOCAL}


async def test_a_wait_has_the_time_that_the_request_gives_it(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        held(rig, TWO)
        for query in ("ack=all", "ack=all&timeout=0.5", "ack=all&timeout=60"):
            await rig.ask("POST", f"/v1/counters/a?{query}")
        for waited, most in zip(rig.backend.patience, (5.0, 0.5, 60.0), strict=True):
            assert most - 0.4 < waited <= most


async def test_pipelined_requests_wait_once_and_each_is_judged_by_what_it_asked(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as rig:
        held(rig, TWO)
        targets = ["a", "a?ack=majority", "a?ack=all", "a?ack=all&as=string&timeout=0.1", "a"]
        client = await rig.connect()
        lines = [b"POST /v1/counters/%b HTTP/1.1\r\n%b\r\n" % (t.encode(), HOST) for t in targets]
        await client.send(b"".join(lines))
        answers = [await client.read("POST") for _ in targets]
        assert [answer.status for answer in answers] == [200, 200, 202, 202, 200]
        short = {"key": "a", "held_by": ["n1", "n2"]}
        assert answers[2].json == {**short, "value": 5}
        assert answers[3].json == {**short, "value": "5"}
        assert answers[1].json == {"key": "a", "value": 5}
        assert rig.backend.told == [ALL, ALL]
        # The next chunk on the connection asks for nothing any more.
        assert (await client.ask("POST", "/v1/counters/a")).status == 200
        assert rig.backend.told == [ALL, ALL, LOCAL]


async def test_an_increment_that_is_refused_is_not_waited_for(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.backend.values[b"a"] = 2**53
        assert (await rig.ask("POST", "/v1/counters/a?ack=all")).status == 409
        rig.backend.fail_with = ClientError(507, "disk_full", "the disk is full")
        answer = await rig.ask("POST", "/v1/counters/b?ack=all")
        assert (answer.status, json.loads(answer.body)["error"]["definite"]) == (507, True)
        assert rig.backend.patience == []


async def test_a_read_has_no_ack(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        for level in ("local", "majority", "all"):
            assert (await rig.ask("GET", f"/v1/counters/a?ack={level}")).code == "unsupported"
