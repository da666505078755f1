"""`GET /v1/stream` over sockets: what may be asked, and how it is answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from gcounterd.api.feeds import Wish
from tests.unit.api.http_rig import HOST, running


async def test_a_stream_is_events_until_the_connection_ends(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.backend.values[b"a/b"] = 5
        client = await rig.connect()
        answer = await client.ask("GET", "/v1/stream?key=a%2Fb&key=c&key=c")
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"
        assert answer.headers["connection"] == "close"
        state, leave, rest = answer.body.split(b"\n\n")
        assert b'"counters":{"a/b":{"a0":"5"},"c":{"a0":"0"}}' in state
        assert leave.startswith(b"event: leave")
        assert rest == b""
        assert rig.backend.followed == (Wish((b"a/b", b"c")), b"", False)
        assert await client.is_closed()


async def test_who_comes_back_says_what_was_seen_last(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        seen = HOST + b"Last-Event-ID: abc\r\n"
        answer = await rig.ask("GET", "/v1/stream?top=3", headers=seen)
        assert answer.status == 200
        assert rig.backend.followed == (Wish((), 3), b"abc", False)


async def test_a_stream_does_not_begin_below_its_min(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.backend.values[b"a"], rig.backend.reachable = 5, 6
        answer = await rig.ask("GET", "/v1/stream?key=a&min=7&timeout=2")
        assert (answer.status, answer.json["best"]) == (503, 6)  # type: ignore[index]
        assert rig.backend.followed is None
        assert (await rig.ask("GET", "/v1/stream?key=a&min=5")).status == 200
        assert rig.backend.followed == (Wish((b"a",)), b"", True)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "bad_parameter"),
        ("?key=a&top=3", "bad_parameter"),
        ("?top=0", "bad_parameter"),
        ("?top=101", "bad_parameter"),
        ("?key=a&key=b&min=1", "bad_parameter"),
        ("?top=3&min=1", "bad_parameter"),
        ("?key=", "bad_key"),
        ("?" + "&".join(f"key={number}" for number in range(257)), "too_many_keys"),
        ("?key=a&stale=ok", "unsupported"),
    ],
)
async def test_what_no_stream_can_be_about_is_refused(
    tmp_path: Path, query: str, code: str
) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.ask("GET", "/v1/stream" + query)
        assert (answer.status, answer.code) == (400, code)
        assert rig.backend.followed is None


async def test_a_head_opens_no_stream(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.ask("HEAD", "/v1/stream?key=a")
        assert answer.headers["content-type"] == "text/event-stream"
        assert rig.backend.followed is None


async def test_an_operators_stream_is_of_the_cluster_and_the_largest_counters(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as rig:
        seen = HOST + b"Last-Event-ID: abc\r\n"
        answer = await rig.ask("GET", "/v1/cluster/stream", headers=seen)
        assert answer.headers["content-type"] == "text/event-stream"
        assert rig.backend.followed == (Wish((), 12, cluster=True), b"abc", False)
        foreign = await rig.ask("GET", "/v1/cluster/stream", headers=HOST + b"Origin: http://x\r\n")
        assert foreign.status == 403
