"""The processes that split texts: kept, replaced, bounded, and definite when they fail."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import AsyncIterator, Iterator

import pytest
import trio
import trio.testing

from gcounterd.api.words import WORDS_MAX
from gcounterd.daemon import splitter
from gcounterd.daemon.splitter import read_frame
from gcounterd.daemon.splitting import TEXTS_MAX, Splitting
from gcounterd.errors import ClientError
from tests.unit.daemon.splitters import text_of

# No test waits longer than this for anything; it is never reached when all is well.
PATIENCE_S = 120


@pytest.fixture
async def splitting() -> AsyncIterator[Splitting]:
    with trio.fail_after(PATIENCE_S):
        made = Splitting()
        yield made
        await made.close()


def pids(splitting: Splitting) -> list[int]:
    return [helper.process.pid for helper in splitting._idle]


async def test_a_text_is_split_by_a_process_that_is_kept_for_the_next(splitting: Splitting) -> None:
    pieces = ["é".encode()[:1], "é".encode()[1:] + b"t\xc3\xa9 ", b"A a"]
    words = await splitting.words(text_of(pieces))
    assert words.counts == {"words/été".encode(): 1, b"words/a": 2}
    assert (words.total, words.too_long) == (3, 0)
    first = pids(splitting)
    assert (await splitting.words(text_of([]))).counts == {}
    assert pids(splitting) == first
    many = b" ".join(b"w%d" % number for number in range(30_000))
    found = await splitting.words(text_of([many, b" ", many]))
    assert len(found.counts) == 30_000
    assert set(found.counts.values()) == {2}


@pytest.mark.parametrize(
    ("pieces", "status", "code"),
    [
        ([b"a\xff"], 400, "bad_text"),
        ([b"a \xc3"], 400, "bad_text"),
        ([b" ".join(b"%d" % n for n in range(WORDS_MAX + 1))], 413, "too_many_words"),
    ],
)
async def test_a_text_that_cannot_be_counted_is_refused(
    splitting: Splitting, pieces: list[bytes], status: int, code: str
) -> None:
    with pytest.raises(ClientError) as refused:
        await splitting.words(text_of(pieces))
    assert (refused.value.status, refused.value.code) == (status, code)
    assert refused.value.definite
    assert pids(splitting) == []
    assert (await splitting.words(text_of([b"a"]))).total == 1


async def test_a_mistake_is_told_before_the_end_of_the_text(splitting: Splitting) -> None:
    def endless() -> Iterator[bytes]:
        yield b"\xff"
        while True:
            yield b"word " * 10_000

    with pytest.raises(ClientError) as refused:
        await splitting.words(text_of(endless()))
    assert refused.value.message.endswith("at byte 0")


async def test_a_process_that_is_killed_is_replaced_and_nothing_counts(
    splitting: Splitting,
) -> None:
    async def kill() -> bytes | None:
        os.kill(under_way[0], signal.SIGKILL)
        return next(left, None)

    await splitting.words(text_of([b"a"]))
    under_way, left = pids(splitting), iter([b"a " * 50_000] * 50)
    with pytest.raises(ClientError) as failed:
        await splitting.words(kill)
    assert (failed.value.code, failed.value.definite) == ("splitter_died", True)
    assert (await splitting.words(text_of([b"a"]))).total == 1
    # One that ends while nobody needs it is noticed when somebody does.
    os.kill(pids(splitting)[0], signal.SIGKILL)
    await splitting._idle[0].process.wait()
    assert (await splitting.words(text_of([b"a"]))).total == 1


async def test_a_text_that_breaks_off_leaves_nothing_behind(splitting: Splitting) -> None:
    async def gone() -> bytes | None:
        raise trio.ClosedResourceError

    with pytest.raises(trio.ClosedResourceError):
        await splitting.words(gone)
    assert pids(splitting) == []
    assert (await splitting.words(text_of([b"a"]))).total == 1


async def test_few_texts_are_split_at_a_time(splitting: Splitting) -> None:
    gate = trio.Event()

    async def waits() -> bytes | None:
        await gate.wait()
        return None

    async with trio.open_nursery() as nursery:
        for _ in range(TEXTS_MAX):
            nursery.start_soon(splitting.words, waits)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(ClientError) as refused:
            await splitting.words(text_of([b"a"]))
        assert (refused.value.status, refused.value.code) == (503, "busy")
        gate.set()
    assert len(pids(splitting)) == TEXTS_MAX


@pytest.mark.parametrize("data", [b"", b"\0\0", b"\0\0\0\x02a"])
def test_a_frame_that_is_cut_off_is_the_end(data: bytes) -> None:
    assert read_frame(io.BytesIO(data)) is None


def test_a_text_that_is_cut_off_ends_the_process() -> None:
    with pytest.raises(SystemExit):
        splitter._split(b"a", io.BytesIO(b""))
