"""Texts of the daemon: all words of one in one commit, or none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from test_commits import Bench, limit_pages, running

from gcounterd.daemon.texts import Texts
from gcounterd.errors import ClientError
from tests.unit.daemon.splitters import text_of

MANY = b" ".join(b"w%d" % number for number in range(5000))


def at(bench: Bench, check_open: Callable[[], None] = lambda: None) -> Texts:
    return Texts(bench.node, bench.commits, check_open)


async def count(texts: Texts, text: bytes) -> int:
    try:
        return (await texts.count(text_of([text]))).total
    finally:
        await texts.splitting.close()


async def test_all_words_of_a_text_are_in_one_commit(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        before = bench.commits.number
        assert await count(at(bench), MANY + b" w1") == 5001
        assert bench.commits.number == before + 1
        assert bench.node.counters.value(b"words/w1") == 2
        assert await count(at(bench), b"...") == 0
        assert bench.commits.number == before + 1
    async with running(tmp_path / "d") as bench:
        assert bench.node.counters.value(b"words/w4999") == 1


async def test_a_text_is_counted_whole_or_not_at_all(tmp_path: Path) -> None:
    async with running(tmp_path / "d", max_counters=4000) as bench:
        await bench.count(b"words/w0")
        with pytest.raises(ClientError) as refused:
            await count(at(bench), MANY)
        assert (refused.value.code, refused.value.definite) == ("too_many_counters", True)
        writer = bench.node.counters.writer
        assert writer.idle
        assert bench.node.counters.value(b"words/w0") == 1
        assert await count(at(bench), b"w0 w1") == 2  # the room is given back


async def test_others_count_while_a_text_does_and_none_of_it_shows_early(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        seen: list[tuple[int, int]] = []
        ended = trio.Event()

        async def look() -> None:
            value = bench.node.counters.value
            while not ended.is_set():
                await bench.count(b"words/w0")
                seen.append((value(b"words/w1"), value(b"words/w4999")))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            await count(at(bench), MANY)
            ended.set()
        assert set(seen) <= {(0, 0), (1, 1)}
        assert bench.node.counters.value(b"words/w0") == len(seen) + 1


async def test_two_texts_at_once_are_two_commits(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        before, texts = bench.commits.number, at(bench)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(texts.count, text_of([b"a b"]))
            nursery.start_soon(texts.count, text_of([b"b c"]))
        await texts.splitting.close()
        assert bench.commits.number == before + 2
        assert bench.node.counters.value(b"words/b") == 2


async def test_a_node_that_takes_nothing_takes_no_text(tmp_path: Path) -> None:
    def shut() -> None:
        raise ClientError(503, "draining", "no")

    async def unread() -> bytes | None:
        raise AssertionError("the text was asked for")

    async with running(tmp_path / "d") as bench:
        with pytest.raises(ClientError) as refused:
            await at(bench, shut).count(unread)
        assert refused.value.code == "draining"


async def test_a_full_disk_is_told_and_nothing_is_counted(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        await limit_pages(bench, 2)
        with pytest.raises(ClientError) as refused:
            await count(at(bench), MANY)
        assert (refused.value.status, refused.value.definite) == (507, True)
        assert bench.node.counters.value(b"words/w1") == 0
