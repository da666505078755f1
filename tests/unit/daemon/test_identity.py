"""The identity while the daemon runs: two writers, none of which undoes the other."""

from __future__ import annotations

from pathlib import Path

import trio
from test_commits import wishes

from gcounterd.daemon.boot import boot
from gcounterd.daemon.driver import Driver
from gcounterd.daemon.identity import CATCHING_UP, Identity, is_caught_up
from gcounterd.ids import Epoch
from gcounterd.node.effects import Redraw
from gcounterd.storage.schema import Durability

FAR = Epoch(b"\x7f" + bytes(15))  # later than any clock says


async def test_a_new_epoch_and_being_caught_up_are_both_kept(tmp_path: Path) -> None:
    booted = boot(wishes(tmp_path / "d", joins=True))
    assert booted.identity.identity_state == CATCHING_UP
    identity = Identity(booted.identity, booted.store)
    drawn: list[Epoch] = []

    async def redraw() -> None:
        drawn.append(await identity.redraw(FAR))

    async with trio.open_nursery() as outer:
        await outer.start(booted.store.run)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(redraw)
            nursery.start_soon(identity.note_caught_up)
        outer.cancel_scope.cancel()
    again = boot(wishes(tmp_path / "d"))
    again.store.close()
    assert is_caught_up(again.identity)
    assert FAR < drawn[0] < again.identity.epoch


async def test_a_node_goes_on_counting_in_the_epoch_that_the_driver_has_drawn(
    tmp_path: Path,
) -> None:
    booted = boot(wishes(tmp_path / "d"))
    node = booted.node("127.0.0.1:1", (), trio.current_time())
    identity = Identity(booted.identity, booted.store)
    driver = Driver(node, booted.store, Durability.COMMIT, 0, identity)
    async with trio.open_nursery() as outer:
        await outer.start(booted.store.run)
        async with trio.open_nursery() as nursery:
            await nursery.start(driver.commits.run)
            await driver.commits.wait()
            node.add(b"x", 1)
            await driver.commits.wait()
            driver.perform([Redraw(FAR)])
            await driver.commits.wait()
            assert node.config.epoch > FAR
            node.add(b"x", 10)
            await driver.commits.wait()
            assert (node.counters.value(b"x"), node.counters.own_count(b"x")) == (11, 10)
            nursery.cancel_scope.cancel()
        outer.cancel_scope.cancel()
    again = boot(wishes(tmp_path / "d"))
    assert again.restored.counters.value(b"x") == 11
    assert again.identity.epoch > node.config.epoch
    again.store.close()
