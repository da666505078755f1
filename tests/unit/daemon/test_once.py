"""Keyed requests: counted once, over repeats, refusals, restarts and checkpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
from test_commits import PATIENCE_S, Bench, boot, limit_pages, running, wishes
from test_no_column import close_running_column

from gcounterd.api.backend import Counted
from gcounterd.counters.images import Kind
from gcounterd.daemon.once import Once
from gcounterd.errors import ClientError, StorageError
from gcounterd.node.receipts import Claim
from gcounterd.storage.schema import Durability

FIRST, OTHER = Claim(b"k" * 16, b"r" * 16), Claim(b"k" * 16, b"s" * 16)


def nothing() -> None:
    """Refuse no increment."""


async def count(
    bench: Bench, claim: Claim = FIRST, amount: int = 3, *, repeat: bool = False
) -> Counted:
    once = Once(bench.node, bench.commits, nothing)
    return await once.count(claim, {b"x": amount}, repeat=repeat, first="n9")


async def count_each(bench: Bench, many: int) -> None:
    for number in range(many):
        await count(bench, Claim(b"%016d" % number, b"r" * 16))


async def ask(bench: Bench, answers: list[tuple[str, bool]]) -> None:
    """Note the error of a request."""
    try:
        await count(bench)
    except ClientError as error:
        answers.append((error.code, error.definite))


async def test_a_repeat_is_told_what_the_first_was_told_and_counts_nothing(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        await bench.count(b"x", 10)
        first = await count(bench)
        assert (first.values, first.replayed) == ((13,), False)
        await bench.count(b"x", 10)
        again = await count(bench, repeat=True)
        assert (again.values, again.replayed) == ((13,), True)
        assert again.mark == first.mark
        assert bench.node.counters.value(b"x") == 23
        ((column, version),) = first.mark
        assert bench.node.counters.head(column) >= version


@pytest.mark.parametrize("written", [False, True], ids=["journal", "images"])
async def test_a_receipt_outlives_the_process(tmp_path: Path, written: bool) -> None:
    async with running(tmp_path / "d") as bench:
        first = await count(bench)
        if written:
            await bench.commits.checkpoints.write()
    async with running(tmp_path / "d") as bench:
        again = await count(bench)
        assert (again.values, again.replayed) == (first.values, True)
        assert bench.node.counters.value(b"x") == 3
        await bench.commits.checkpoints.write()
        assert (await count(bench, Claim(b"2" * 16, b"r" * 16))).values == (6,)
        await bench.commits.checkpoints.write()
    async with running(tmp_path / "d") as bench:
        assert (await count(bench)).values == (3,)
        assert (await count(bench, Claim(b"2" * 16, b"r" * 16))).values == (6,)
        assert bench.node.counters.value(b"x") == 6


async def test_receipts_that_a_full_disk_kept_from_their_image_are_in_the_next_one(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "d") as bench:
        await count_each(bench, 50)
        bench.node.add_all({b"%d-" % number + b"k" * 500: 1 for number in range(3000)})
        await bench.commits.wait()
        await limit_pages(bench, 3)
        with pytest.raises(StorageError):
            await bench.commits.checkpoints.write()
        await limit_pages(bench, 10_000)
        await bench.commits.checkpoints.write()
        assert bench.store.journal_bytes == 0
    async with running(tmp_path / "d") as bench:
        await count_each(bench, 50)
        assert bench.node.counters.value(b"x") == 3 * 50


async def test_in_memory_a_receipt_ends_with_its_process_as_the_count_does(tmp_path: Path) -> None:
    async with running(tmp_path / "d", durability=Durability.MEMORY) as bench:
        await count(bench)
        assert (await count(bench)).replayed
        await bench.commits.checkpoints.write()
        kinds = [key.kind for key in bench.store._contents.images.places]
        assert Kind.ROSTER.encode() in kinds
        assert Kind.RECEIPTS.encode() not in kinds
    async with running(tmp_path / "d", durability=Durability.MEMORY) as bench:
        assert not len(bench.node.receipts)


async def test_one_key_is_one_request(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        await count(bench)
        with pytest.raises(ClientError) as said:
            await count(bench, OTHER)
        assert (said.value.code, said.value.definite) == ("key_reused", True)
        assert bench.node.counters.value(b"x") == 3


async def test_a_repeat_without_a_record_is_not_guessed_at(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        with pytest.raises(ClientError) as said:
            await count(bench, repeat=True)
        assert (said.value.status, said.value.code) == (409, "retry_elsewhere")
        assert not said.value.definite
        assert said.value.details == {"node": "n9"}
        assert bench.node.counters.writer.idle
        assert not (await count(bench)).replayed, "the refusal left nothing behind"


async def test_many_at_once_with_one_key_are_one(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        told: list[Counted] = []

        async def tell() -> None:
            told.append(await count(bench))

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(tell)
        assert bench.node.counters.value(b"x") == 3
        assert {counted.values for counted in told} == {(3,)}
        assert [counted.replayed for counted in told].count(False) == 1


async def test_who_comes_while_the_first_is_in_flight_waits_for_its_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path / "d") as bench:
        append, go = bench.store.append, trio.Event()

        async def wait(seq: int, body: bytes, *, durable: bool = True) -> float:
            await go.wait()
            return await append(seq, body, durable=durable)

        monkeypatch.setattr(bench.store, "append", wait)
        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(count, bench)
                await trio.testing.wait_all_tasks_blocked()
                with pytest.raises(ClientError, match="another request"):
                    await count(bench, OTHER)
                nursery.start_soon(count, bench)
                await trio.testing.wait_all_tasks_blocked()
                assert bench.node.counters.writer._pending == {}
                go.set()
        assert bench.node.counters.value(b"x") == 3


async def test_what_a_full_disk_refused_has_no_receipt_and_the_next_try_counts(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "d") as bench:
        await limit_pages(bench, 0)
        with pytest.raises(ClientError) as said:
            await count_each(bench, 2000)
        assert (said.value.status, said.value.definite) == (507, True)
        refused = Claim(b"%016d" % len(bench.node.receipts), b"r" * 16)
        before = bench.node.counters.value(b"x")
        assert not bench.node.receipts.is_pending(refused)
        await limit_pages(bench, 10_000)
        counted = await count(bench, refused)
        assert (counted.values, counted.replayed) == ((before + 3,), False)


async def test_the_answer_does_not_hold_what_was_refused_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is fixed when its group is cut, not when it is added: then another is in flight."""
    async with running(tmp_path / "d") as bench:
        await limit_pages(bench, 0)
        told: list[int] = []

        async def tell() -> None:
            told.extend((await count(bench)).values)

        append, go = bench.store.append, trio.Event()

        async def wait(seq: int, body: bytes, *, durable: bool = True) -> float:
            await go.wait()
            return await append(seq, body, durable=durable)

        monkeypatch.setattr(bench.store, "append", wait)
        bench.node.add_all({b"%d-" % number + b"k" * 500: 1 for number in range(3000)} | {b"x": 50})
        async with trio.open_nursery() as nursery:
            bench.commits.request()
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(tell)
            await trio.testing.wait_all_tasks_blocked()
            go.set()
        assert bench.commits.refused == 1
        assert told == [3]


async def test_what_waited_for_a_column_and_was_refused_has_no_receipt(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        await bench.count(b"x")
        await close_running_column(bench)
        answers: list[tuple[str, bool]] = []
        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask, bench, answers)
                await trio.testing.wait_all_tasks_blocked()
                assert bench.node.receipts.is_pending(FIRST)
                later = trio.current_time() + 9
                bench.node.settlement.closings.wake(later, stays=True)
                bench.commits.request()
        assert answers == [("no_column", True)]
        assert not bench.node.receipts.is_pending(FIRST)


async def test_a_replay_is_told_where_increments_are_refused(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        await count(bench)

        def refuse() -> None:
            raise ClientError(503, "draining", "not here")

        once = Once(bench.node, bench.commits, refuse)
        assert (await once.count(FIRST, {b"x": 3}, repeat=False, first="")).replayed
        with pytest.raises(ClientError, match="not here"):
            await once.count(Claim(b"n" * 16, b"r" * 16), {b"x": 3}, repeat=False, first="")


@asynccontextmanager
async def without_flusher(directory: Path) -> AsyncIterator[Bench]:
    booted = boot(wishes(directory))
    async with trio.open_nursery() as outer:
        await outer.start(booted.store.run)
        yield Bench(booted, Durability.COMMIT)
        outer.cancel_scope.cancel()


async def test_who_waits_for_another_is_told_that_the_node_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[tuple[str, bool]] = []
    hung = trio.Event()

    async def hang(seq: int, body: bytes, *, durable: bool = True) -> float:
        hung.set()
        await trio.sleep_forever()

    async with without_flusher(tmp_path / "d") as bench:
        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as clients, trio.open_nursery() as nursery:
                await nursery.start(bench.commits.run)
                await bench.commits.wait()  # the node's own roster entry
                monkeypatch.setattr(bench.store, "append", hang)
                clients.start_soon(ask, bench, answers)
                await hung.wait()
                clients.start_soon(ask, bench, answers)
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
            await ask(bench, answers)
    assert answers == [("stopped", False)] * 3
