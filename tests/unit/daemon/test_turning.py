"""Turns over a real store: all of one or nothing, between commits, also after a restart."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from forgetful import Replica, life
from test_commits import Bench, limit_pages, running

from gcounterd.counters.residue import Step
from gcounterd.counters.settled import Closing
from gcounterd.counters.turns import Turn
from gcounterd.daemon.turning import Turning
from gcounterd.ids import ColumnId, node_of
from gcounterd.node.effects import Effect, Notice
from gcounterd.storage.store import verify_offline

OTHER = life("x", 1)


class Turns:
    """Turning on a bench; `carry` waits until a turn has ended."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.done: list[Effect] = []
        self._news = trio.Event()
        self.turning = Turning(bench.node, bench.store, bench.commits, self._perform)

    def _perform(self, effects: Sequence[Effect]) -> None:
        self.done += effects
        self._news.set()

    async def carry(self, turn: Turn) -> bool:
        """Return whether it was put in place."""
        self._news, before = trio.Event(), len(self.done)
        self.turning.carry(turn)
        with trio.fail_after(20):
            await self._news.wait()
        return any(isinstance(effect, Notice) for effect in self.done[before:])


@asynccontextmanager
async def turning(bench: Bench) -> AsyncIterator[Turns]:
    turns = Turns(bench)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(turns.turning.run)
        yield turns
        nursery.cancel_scope.cancel()


async def give(bench: Bench, *, cold: bool = False) -> Replica:
    """Let the bench take in and close a life of another node; return its writer."""
    writer = Replica(OTHER)
    for batch in [*writer.count({b"x": 5, b"y": 1}), *writer.count({b"x": 2})]:
        bench.node.intake.take_batch(batch)
    await bench.commits.wait()
    bench.node.intake.take_closings((Closing(OTHER, 2),))
    await bench.commits.wait()
    if cold:
        await bench.commits.checkpoints.write()
        bench.node.counters.chill(OTHER)
    return writer


def forget(bench: Bench) -> Turn:
    return Turn.forgetting(bench.node.counters, node_of(OTHER), [OTHER])


@pytest.mark.parametrize("cold", [False, True])
async def test_what_is_forgotten_is_so_after_a_restart(tmp_path: Path, cold: bool) -> None:
    async with running(tmp_path / "d") as bench, turning(bench) as turns:
        await give(bench, cold=cold)
        assert await turns.carry(forget(bench))
        await bench.count(b"x", 100)
        assert bench.node.counters.value(b"x") == 107
    async with running(tmp_path / "d") as bench:
        assert bench.node.counters.value(b"x") == 107
        assert bench.node.counters.is_forgotten(OTHER)
        await bench.commits.checkpoints.write()
    async with running(tmp_path / "d") as bench:
        assert bench.node.counters.value(b"x") == 107
    assert verify_offline(tmp_path / "d")["ok"]


async def test_increments_go_on_while_turns_are_carried_out(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench, turning(bench) as turns:
        await give(bench)

        async def count() -> None:
            for _ in range(50):
                await bench.count(b"x")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(count)
            assert await turns.carry(forget(bench))
        assert bench.node.counters.value(b"x") == 57


async def test_a_turn_that_is_overtaken_changes_nothing(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench, turning(bench) as turns:
        writer = await give(bench)
        turn = forget(bench)
        for batch in writer.count({b"x": 1}):
            bench.node.intake.take_batch(batch)
        await bench.commits.wait()
        assert not await turns.carry(turn)
        assert bench.node.counters.value(b"x") == 8
        assert not bench.node.counters.is_forgotten(OTHER)


async def test_a_full_disk_lets_a_turn_fail_and_the_next_one_work(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench, turning(bench) as turns:
        await give(bench)
        await limit_pages(bench, 0)
        full = await turns.carry(forget(bench))
        await limit_pages(bench, 1000)
        assert full or await turns.carry(forget(bench))
        assert bench.node.counters.value(b"x") == 7
        assert bench.node.counters.is_forgotten(OTHER)


async def test_what_is_set_aside_lies_in_a_file(tmp_path: Path) -> None:
    async with running(tmp_path / "d") as bench, turning(bench) as turns:
        await give(bench)
        step, turn = yielding(bench)
        assert step is Step.YIELD
        assert await turns.carry(turn)
        assert bench.node.counters.value(b"x") == 5
    (path,) = (tmp_path / "d" / "refused").iterdir()
    head, *lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert (head["version"], head["counted"]) == (2, 1)
    assert {line["key"]: line["count"] for line in lines} == {"x": 7, "y": 1}
    assert {line["column"] for line in lines} == {OTHER.hex()}


def yielding(bench: Bench) -> tuple[Step, Turn]:
    """Return the turn by which the bench takes a residue below its own copy."""
    peer = Replica(life("z", 1))
    writer, second = Replica(OTHER), Replica(ColumnId(node_of(OTHER) + b"\2" * 16))
    peer.take(*writer.count({b"x": 5, b"y": 1}))
    peer.take(*second.count({b"z": 3}))
    peer.close(OTHER, second.own)
    peer.forget(OTHER, second.own)
    mine = Replica(life("w", 1))
    mine.counters = bench.node.counters
    step, turn = mine.given_by(peer, node_of(OTHER))
    assert turn is not None
    return step, turn
