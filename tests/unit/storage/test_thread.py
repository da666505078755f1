"""The way to the thread and back."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from gcounterd.errors import StorageError
from gcounterd.storage.thread import PASSING_MAX, StoreThread


def nothing() -> None:
    pass


@asynccontextmanager
async def started() -> AsyncIterator[StoreThread]:
    thread = StoreThread(after=nothing, rest=nothing)
    thread.start()
    try:
        yield thread
    finally:
        await thread.stop(nothing)


async def test_work_returns_its_result_and_raises_its_error() -> None:
    async with started() as thread:
        assert await thread.do(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await thread.do(lambda: 1 // 0)
        assert await thread.do(threading.current_thread) is not threading.current_thread()


async def test_work_is_done_in_order_by_one_thread() -> None:
    order: list[int] = []
    idents = []

    def work(number: int) -> None:
        order.append(number)
        idents.append(threading.get_ident())

    async with started() as thread, trio.open_nursery() as nursery:
        for number in range(30):
            nursery.start_soon(thread.do, lambda number=number: work(number))
            await trio.testing.wait_all_tasks_blocked()
    assert order == list(range(30))
    assert len(set(idents)) == 1


async def test_a_cancelled_caller_waits_for_work_that_was_handed_over() -> None:
    gate = threading.Event()
    outcome: list[str] = []

    def work() -> str:
        gate.wait()
        return "done"

    async def call() -> None:
        outcome.append(await thread.do(work))

    async with started() as thread, trio.open_nursery() as nursery:
        nursery.start_soon(call)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await trio.testing.wait_all_tasks_blocked()
        assert outcome == []
        gate.set()
    assert outcome == ["done"]


async def test_long_work_is_told_to_give_up_when_its_caller_is_cancelled() -> None:
    given_up = threading.Event()
    async with started() as thread:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_do_long, thread, given_up)
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        assert scope.cancelled_caught
        assert given_up.is_set()


async def _do_long(thread: StoreThread, given_up: threading.Event) -> None:
    await thread.do(given_up.wait, give_up=given_up.set)


async def test_others_pass_long_work_a_bounded_number_at_a_time() -> None:
    order: list[str] = []
    gate = threading.Event()

    def long() -> None:
        gate.wait()
        for step in ("one", "two", "three"):
            thread.let_pass()
            order.append(step)

    async with started() as thread, trio.open_nursery() as nursery:
        nursery.start_soon(thread.do, long)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(PASSING_MAX + 1):
            nursery.start_soon(thread.do, lambda: order.append("passing"))
        await trio.testing.wait_all_tasks_blocked()
        gate.set()
    assert order == [*["passing"] * PASSING_MAX, "one", "passing", "two", "three"]


async def test_stopping_amid_long_work_lets_it_end_first() -> None:
    order: list[str] = []
    gate = threading.Event()

    def long() -> None:
        gate.wait()
        thread.let_pass()
        order.append("long")

    thread = StoreThread(after=nothing, rest=nothing)
    thread.start()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(thread.do, long)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(thread.stop, lambda: order.append("last"))
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(StorageError):
            await thread.do(nothing)
        gate.set()
    assert order == ["long", "last"]


async def test_stopping_raises_what_the_last_work_raises() -> None:
    thread = StoreThread(after=nothing, rest=nothing)
    thread.start()
    with pytest.raises(ZeroDivisionError):
        await thread.stop(lambda: print(1 // 0))


async def test_the_thread_tidies_once_when_it_rests() -> None:
    rested = threading.Event()
    thread = StoreThread(after=nothing, rest=rested.set)
    thread.start()
    await thread.do(nothing)
    await trio.to_thread.run_sync(rested.wait)
    await thread.stop(nothing)
