"""A running column that somebody else has closed: increments wait for another, or are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing
from test_commits import PATIENCE_S, Bench, running

from gcounterd.counters.settled import Closing
from gcounterd.errors import ClientError
from gcounterd.ids import Epoch, NodeId, column_id


async def close_running_column(bench: Bench) -> None:
    """Let a peer say that the column is closed which this process writes."""
    bench.node.intake.take_closings((Closing(bench.node.config.column),))
    await bench.commits.noted()
    assert bench.node.settlement.holds_back


async def test_what_was_added_to_a_closed_column_is_answered_when_there_is_a_new_one(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "d") as bench:
        await bench.count(b"x")
        await close_running_column(bench)

        async def redraw() -> None:
            bench.node.reopen(Epoch(b"\xee" * 16), trio.current_time())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.count, b"x", 5)
            await trio.testing.wait_all_tasks_blocked()
            await bench.commits.noted()
            assert bench.node.counters.value(b"x") == 1
            bench.commits.between("redraw", redraw)
        assert bench.node.counters.value(b"x") == 6
        assert len(bench.node.counters.all_heads()) == 2


async def test_what_waits_for_a_column_that_does_not_come_is_refused_for_certain(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "d") as bench:
        await bench.count(b"x")
        await close_running_column(bench)
        bench.node.add(b"x", 5)
        refused = bench.commits.refused
        bench.node.settlement.closings.wake(trio.current_time() + 9, stays=True)
        bench.commits.request()
        with trio.fail_after(PATIENCE_S), pytest.raises(ClientError) as said:
            await bench.commits.wait()
        assert (said.value.status, said.value.code, said.value.definite) == (503, "no_column", True)
        assert bench.commits.refused == refused + 1
        assert bench.node.counters.writer.idle

    async with running(tmp_path / "d") as bench:
        assert bench.node.counters.value(b"x") == 1


async def test_who_counted_nothing_does_not_wait_for_a_column(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench:
        await close_running_column(bench)
        bench.node.add(b"x", 5)
        late = column_id(NodeId(b"p" * 16), Epoch(b"e" * 16))
        bench.node.intake.take_closings((Closing(late),))
        with trio.fail_after(PATIENCE_S):
            await bench.commits.noted()
        assert late in bench.node.counters.settled


async def test_a_stop_waits_for_what_was_there_and_not_for_what_peers_go_on_sending(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "d") as bench:
        lives = (column_id(NodeId(b"p" * 16), Epoch(n.to_bytes(16, "big"))) for n in range(9999))

        def keep_sending(_: object) -> None:
            bench.node.intake.take_closings((Closing(next(lives)),))
            bench.commits.request()

        bench.commits._perform = keep_sending
        bench.node.add(b"x", 1)
        with trio.fail_after(PATIENCE_S):
            await bench.commits.flush()
        assert bench.node.counters.value(b"x") == 1
