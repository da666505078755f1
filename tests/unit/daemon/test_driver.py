"""The driver wakes the node when something has become due, whoever caused it."""

from __future__ import annotations

from pathlib import Path

import trio
from test_commits import wishes

from gcounterd.daemon.boot import boot
from gcounterd.daemon.driver import Driver
from gcounterd.daemon.identity import Identity
from gcounterd.storage.schema import Durability


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
