"""The outbox: bounds, order, joining, the end."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from gcounterd.links.outbox import Outbox


async def test_frames_come_out_in_order_and_joined() -> None:
    outbox = Outbox(100)
    assert all(outbox.put(frame) for frame in (b"one", b"two", b"three"))
    assert await outbox.take(6) == b"onetwo"
    assert await outbox.take(6) == b"three"


async def test_a_frame_longer_than_one_send_comes_out_alone() -> None:
    outbox = Outbox(100)
    outbox.put(b"x" * 50)
    outbox.put(b"y")
    assert await outbox.take(10) == b"x" * 50


async def test_a_frame_that_does_not_fit_is_not_taken_in() -> None:
    outbox = Outbox(10)
    assert outbox.put(b"x" * 10)
    assert not outbox.put(b"y")
    assert outbox.queued == 10


async def test_bytes_count_until_they_are_sent() -> None:
    outbox = Outbox(10)
    outbox.put(b"x" * 10)
    await outbox.take(100)
    assert not outbox.put(b"y")
    outbox.finish()
    assert await outbox.take(100) is None
    assert outbox.queued == 0


async def test_taking_waits_for_a_frame(nursery: trio.Nursery) -> None:
    outbox = Outbox(10)
    taken: list[bytes | None] = []

    async def take() -> None:
        taken.append(await outbox.take(100))

    nursery.start_soon(take)
    await wait_all_tasks_blocked()
    assert not taken
    outbox.put(b"now")
    await wait_all_tasks_blocked()
    assert taken == [b"now"]


async def test_after_finishing_what_is_queued_still_comes_out_and_no_more_goes_in() -> None:
    outbox = Outbox(10)
    outbox.put(b"queued")
    outbox.finish()
    assert not outbox.put(b"late")
    assert await outbox.take(100) == b"queued"
    assert await outbox.take(100) is None


async def test_a_last_word_goes_instead_of_what_is_queued() -> None:
    outbox = Outbox(10)
    outbox.put(b"queued")
    outbox.finish(b"a last word, longer than the limit")
    assert await outbox.take(100) == b"a last word, longer than the limit"
    assert await outbox.take(100) is None


async def test_finishing_wakes_whoever_waits(nursery: trio.Nursery) -> None:
    outbox = Outbox(10)
    done = trio.Event()

    async def take() -> None:
        assert await outbox.take(100) is None
        done.set()

    nursery.start_soon(take)
    await wait_all_tasks_blocked()
    outbox.finish()
    await done.wait()
