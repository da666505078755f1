"""Waiting for values: woken when they are there, sent away in time, and bounded."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from gcounterd.daemon.waiting import WAITERS_MAX, Waiting
from gcounterd.errors import ClientError


async def test_a_value_that_is_there_is_not_waited_for() -> None:
    waiting = Waiting({b"a": 5}.__getitem__)
    with trio.move_on_after(0):
        assert await waiting.reach(b"a", 5, 60) == 5


async def test_who_waits_is_woken_when_the_value_is_there_and_not_before() -> None:
    values = {b"a": 1, b"b": 1}
    waiting, found = Waiting(values.__getitem__), []

    async def wait(key: bytes, least: int) -> None:
        found.append((key, await waiting.reach(key, least, 60)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, b"a", 3)
        nursery.start_soon(wait, b"b", 2)
        await trio.testing.wait_all_tasks_blocked()
        values[b"a"] = 2
        waiting.look()
        await trio.testing.wait_all_tasks_blocked()
        assert found == []
        values[b"b"] = 7
        waiting.look()
        await trio.testing.wait_all_tasks_blocked()
        assert found == [(b"b", 7)]
        values[b"a"] = 3
        waiting.look()
    assert found == [(b"b", 7), (b"a", 3)]


async def test_who_waits_in_vain_gets_the_best(autojump_clock: trio.abc.Clock) -> None:
    values = {b"a": 1}
    waiting = Waiting(values.__getitem__)
    began = trio.current_time()
    assert await waiting.reach(b"a", 3, 7.5) == 1
    assert trio.current_time() - began == pytest.approx(7.5)


async def test_nobody_is_kept_waiting_by_a_process_that_stops() -> None:
    waiting = Waiting({b"a": 1}.__getitem__)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiting.reach, b"a", 3, 60)
        await trio.testing.wait_all_tasks_blocked()
        waiting.end()
    assert await waiting.reach(b"a", 3, 60) == 1


async def test_one_too_many_is_refused_until_another_has_gone() -> None:
    waiting = Waiting({b"a": 1}.__getitem__)
    async with trio.open_nursery() as nursery:
        for _ in range(WAITERS_MAX):
            nursery.start_soon(waiting.reach, b"a", 3, 60)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(ClientError, match="wait for a value") as refused:
            await waiting.reach(b"a", 3, 60)
        assert (refused.value.status, refused.value.code) == (503, "busy")
        assert await waiting.reach(b"a", 1, 60) == 1
        nursery.cancel_scope.cancel()
    with trio.move_on_after(0) as waited:
        await waiting.reach(b"a", 3, 60)
    assert waited.cancelled_caught
