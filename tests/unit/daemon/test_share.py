"""A node's share is whole at every moment, also while its columns are being closed."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from test_commits import Bench, running

from gcounterd.counters import columns
from gcounterd.counters.counters import Counters
from gcounterd.daemon.condition import Condition
from gcounterd.daemon.service import Service
from gcounterd.ids import Epoch, column_id
from gcounterd.node.records import TakeBatch

KEYS = [b"key-%d" % number for number in range(40)]


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "SEGMENT_BITS", 2)
    monkeypatch.setattr(columns, "SEGMENT_SIZE", 4)
    monkeypatch.setattr(columns, "_OFFSET_MASK", 3)


def serve(bench: Bench) -> Service:
    service = Service.__new__(Service)
    service._node, service._counters = bench.node, bench.node.counters
    service._condition, service._commit = Condition(), bench.commits.wait
    return service


def earlier_life(bench: Bench, life: int) -> TakeBatch:
    """Return what an earlier process of the node counted: 2 of each key."""
    counters = Counters(column_id(bench.node.config.node, Epoch(bytes(15) + bytes([life]))), 100)
    counters.add_all(dict.fromkeys(KEYS, 2))
    (batch,) = counters.cut()
    return TakeBatch(batch)


async def test_it_neither_falls_nor_rises_while_columns_are_closed(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        service, seen, label = serve(bench), [], bench.node.roster.label(bench.node.config.node)
        await bench.count(KEYS[0], 1)
        for life in (1, 2, 3):
            assert bench.node.intake.take_batch(earlier_life(bench, life).batch)
            await bench.commits.noted()  # taken in; the closing of it waits

            async def look(key: bytes, expected: int) -> None:
                for _ in range(3):
                    seen.append(await service.share(key) == expected)
                    seen.append(await service.by_node(key) == {label: expected})

            async with trio.open_nursery() as nursery:
                nursery.start_soon(look, KEYS[0], 2 * life + 1)
                nursery.start_soon(look, KEYS[-1], 2 * life)
                nursery.start_soon(service.raise_share, KEYS[20], 2 * life)
                await bench.commits.noted()
            assert len(bench.node.counters.settled) == life
            assert bench.node.counters.value(KEYS[20]) == 2 * life
        assert all(seen)
        assert bench.node.counters.base.segments == 30
