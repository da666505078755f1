"""The load over RESP and the least that answers it: the bytes are those that RESP asks for."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import trio

from tests.bench import limit, redis
from tests.bench.contest import Contest
from tests.bench.incr import LEAST, OURS, THEIRS, Server, compare, compete
from tests.bench.pipeliner import FIRST, Line, WrongAnswer, make_pipelines, send_all
from tests.cluster.programs import lacking


def test_pipelines_name_each_key_once() -> None:
    pipelines = list(make_pipelines(7, 3))
    assert [number for number, _ in pipelines] == [3, 3, 1]
    sent = b"".join(data for _, data in pipelines)
    assert sent == b"".join(
        b"*2\r\n$4\r\nINCR\r\n$20\r\ncounter:%012d\r\n" % number for number in range(7)
    )


@pytest.mark.parametrize("size", [1, 2, 3, 5, 12])
def test_answers_are_counted_once_however_they_are_cut(size: int) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        line = Line(ours, lacking=3)
        answers = b":1\r\n" * 3
        for at in range(0, len(answers), size):
            theirs.sendall(answers[at : at + size])
            line.take(FIRST)
        assert line.lacking == 0


@pytest.mark.parametrize("answer", [b"-ERR no\r\n", b":2\r\n", b":1\r\n:3\r\n"])
def test_an_answer_that_is_not_the_first_count_is_refused(answer: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(answer)
        with pytest.raises(WrongAnswer, match="the server answered"):
            Line(ours, lacking=1).take(FIRST)


def test_a_share_without_its_rival_says_why() -> None:
    contest = Contest({OURS: [3.0]}, {THEIRS: "not installed: redis-server"})
    rows = compare("incr", "commit", "always", 16, contest, 0.8)
    assert [row.verdict for row in rows] == ["measured", "not available", "not available"]
    assert {row.remark for row in rows[1:]} == {"not installed: redis-server"}


@pytest.fixture
def limit_place(tmp_path: Path) -> Path:
    if why := limit.lacking():
        pytest.skip(why)
    return tmp_path


async def test_the_least_answers_each_incr_and_has_written_what_it_answered(
    limit_place: Path,
) -> None:
    sent = b"".join(data for _, data in make_pipelines(5, 5))
    async with limit.open_limit(limit_place) as (port, _):
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            got = b""
            for at in range(0, len(sent), 7):  # commands are cut anywhere
                await stream.send_all(sent[at : at + 7])
            while len(got) < 4 * 5:
                got += await stream.receive_some()
            assert got == b":1\r\n" * 5
            assert (limit_place / "journal").read_bytes() == sent
            await stream.send_all(b"*1\r\n$4\r\nPING\r\n")
            assert await stream.receive_some() == b"*0\r\n"
            await stream.send_all(b"PING\r\n")
            assert await stream.receive_some() == b""


async def test_redis_and_the_least_compete_under_both_loads(limit_place: Path) -> None:
    if why := lacking(redis.SERVER, redis.BENCHMARK):
        pytest.skip(why)
    async with (
        limit.open_limit(limit_place / "limit") as (port, least),
        redis.open_redis(limit_place / "redis", "everysec") as (theirs, process),
    ):
        await trio.to_thread.run_sync(lambda: send_all(theirs, 100, 8, 3, again=False))
        with pytest.raises(WrongAnswer):  # the same keys once more
            await trio.to_thread.run_sync(lambda: send_all(theirs, 100, 8, 3, again=False))
        load = redis.Load(pipeline=16, clients=2, keys=10)
        servers = {THEIRS: Server(theirs, process.pid), LEAST: Server(port, least.pid)}
        contest = await compete(servers, load, 2, 0.01, warm_up_s=0.01)
        assert min(*contest.rates[THEIRS], *contest.rates[LEAST]) > 0
