"""Cold columns: read from a real store, and only believed if they are as new as the node says."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from test_commits import Bench, running

from gcounterd.counters.batches import Batch
from gcounterd.counters.columns import Column
from gcounterd.counters.counters import Counters
from gcounterd.counters.images import Image
from gcounterd.counters.settled import Closing
from gcounterd.daemon.cold import ColdColumns
from gcounterd.errors import StorageError
from gcounterd.ids import ColumnId, Epoch, NodeId, column_id

LATE = column_id(NodeId(b"p" * 16), Epoch(b"e" * 16))


def batches(number: int = 3) -> list[Batch]:
    """Return what a peer counted: 1, 11, 111."""
    counters, made = Counters(LATE, 100), []
    for power in range(number):
        counters.add(b"x", 10**power)
        for batch in counters.cut():
            counters.apply(batch)
            made.append(batch)
        counters.writer.settle()
    return made


async def take(bench: Bench, *sent: Batch, closings: tuple[Closing, ...] = ()) -> None:
    for batch in sent:
        assert bench.node.intake.take_batch(batch)
    bench.node.intake.take_closings(closings)
    await bench.commits.noted()


async def cool(bench: Bench) -> None:
    """Write what is closed to disk and let go of it."""
    await bench.commits.checkpoints.write()
    for column in bench.node.counters.warm_columns():
        bench.node.counters.chill(column)


async def test_a_late_batch_of_a_cold_column_is_counted_once(tmp_path: Path) -> None:
    first, second, third = batches()
    async with running(tmp_path / "d") as bench:
        await take(bench, first, closings=(Closing(LATE),))
        await cool(bench)
        assert bench.node.counters.is_cold(LATE)
        await take(bench, second)
        assert bench.node.counters.value(b"x") == 11
        await cool(bench)
        await take(bench, third)
        assert bench.node.counters.value(b"x") == 111

    async with running(tmp_path / "d") as bench:
        assert bench.node.counters.value(b"x") == 111
        assert bench.node.counters.head(LATE) == 3


async def test_what_is_in_memory_is_not_read(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        await take(bench, *batches(), closings=(Closing(LATE),))
        cold = ColdColumns(bench.node.counters, bench.store)
        assert await cold.read(LATE) is None


async def test_what_was_raised_while_it_was_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path / "d") as bench:
        first, *late = batches()
        await take(bench, first, closings=(Closing(LATE),))
        await cool(bench)
        read, reads = bench.store.read_column, 0

        async def slow(column: ColumnId, size: int) -> list[Image]:
            nonlocal reads
            reads += 1
            found = await read(column, size)
            if reads == 1:  # raised, written and let go of before it was put together
                await take(bench, *late)
                await cool(bench)
            return found

        cold = ColdColumns(bench.node.counters, bench.store)
        monkeypatch.setattr(bench.store, "read_column", slow)
        found = await cold.read(LATE)
        assert reads == 3  # this one, that of the commit, this one again
        assert found is not None
        assert (found.head, found.count_at(0)) == (3, 111)


async def test_one_that_is_damaged_is_handed_over_as_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path / "d") as bench:
        await take(bench, *batches(), closings=(Closing(LATE),))
        await cool(bench)

        async def broken(column: ColumnId, size: int) -> list[Image]:
            raise StorageError("segment 0 of a column is damaged")

        monkeypatch.setattr(bench.store, "read_column", broken)
        cold = ColdColumns(bench.node.counters, bench.store)
        handed: list[tuple[ColumnId, Column | None, bool]] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cold.run, lambda *found: handed.append(found))
            cold.ask(LATE)
            while not handed:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        assert handed == [(LATE, None, True)]
