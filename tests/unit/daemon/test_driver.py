"""The driver wakes the node when something has become due, whoever caused it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trio
from test_commits import wishes

import gcounterd.daemon.driver as driver_module
from gcounterd.counters.batches import Batch, Block
from gcounterd.daemon.boot import boot
from gcounterd.daemon.driver import Driver
from gcounterd.daemon.identity import Identity
from gcounterd.ids import ColumnId
from gcounterd.node.messages import Part, Push
from gcounterd.storage.schema import Durability

OTHER = ColumnId(b"c" * 32)


async def test_a_commit_whose_push_must_wait_wakes_the_node_for_it(tmp_path: Path) -> None:
    booted = boot(wishes(tmp_path / "d"))
    async with trio.open_nursery() as outer:
        await outer.start(booted.store.run)
        node = booted.node("127.0.0.1:1", (), trio.current_time())
        identity = Identity(booted.identity, booted.store)
        driver = Driver(node, booted.store, Durability.COMMIT, 0, identity)
        async with trio.open_nursery() as nursery:
            await nursery.start(driver.commits.run)
            await driver.commits.wait()
            node.add(b"x", 1)
            await driver.commits.wait()  # pushed at once
            driver._sleeping_until = float("inf")  # the node sleeps, with nothing due
            node.add(b"x", 1)
            await driver.commits.wait()  # to be pushed a moment later
            assert driver._nudge.is_set()
            nursery.cancel_scope.cancel()
        outer.cancel_scope.cancel()


async def test_names_that_peers_bring_are_looked_at_by_the_collector_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    monkeypatch.setattr(driver_module.gc, "collect", looks.append)
    booted = boot(wishes(tmp_path / "d"))
    node = booted.node("127.0.0.1:1", (), trio.current_time())
    driver = Driver(
        node, booted.store, Durability.COMMIT, 0, Identity(booted.identity, booted.store)
    )
    booted.store.close()
    half = driver_module.NAMES_PER_COLLECTION // 2
    none = np.empty(0, np.int64)
    block = Block(0, tuple([b"%d" % number for number in range(half)]), none, none, b"")
    for _ in range(2):
        driver.received(1, Push(Batch(OTHER, 0, 1, (block,))))
    assert looks == [0]
    driver.received(1, Part(OTHER, b"gather78", 0, 0, 0, block))
    assert looks == [0]
    driver.received(1, Part(OTHER, b"gather78", 1, 0, 0, block))
    assert looks == [0, 0]
