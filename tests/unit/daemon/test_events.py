"""The history: numbered events, readers that wait, readers that are too late."""

from __future__ import annotations

from itertools import count

import pytest
import trio
import trio.testing

from gcounterd.daemon.events import EVENTS_KEPT_MAX, MEMBERSHIP, WATCHERS_MAX, History
from gcounterd.errors import ClientError
from gcounterd.members.actions import EVENTS
from gcounterd.node.effects import Notice

LIFE = "01" * 16
OTHER = "02" * 16
ALL = EVENTS_KEPT_MAX


def history(events: int = 0) -> History:
    seconds = count(1_700_000_000)
    kept = History(LIFE, lambda: next(seconds) + 0.25)
    for number in range(events):
        kept.keep(Notice("joined", {"member": f"n{number}", "id": "ab"}))
    return kept


# What the detector does not know of: the roster, and processes that share a node id.
NODE_EVENTS = (
    "member",
    "twin",
    "gives_way",
    "goes_on",
    "removal_started",
    "removed",
    "left_for_good",
    "returned",
    "removing",
    "returns",
)


def numbers(page: dict[str, object]) -> list[int]:
    events = page["events"]
    assert isinstance(events, list)
    return [event["number"] for event in events]


def test_all_that_the_detector_tells_is_kept_and_what_the_node_adds() -> None:
    assert sorted([*EVENTS, *NODE_EVENTS]) == sorted(MEMBERSHIP)


async def test_an_event_is_shown_with_its_number_its_time_and_its_fields() -> None:
    kept = history()
    kept.keep(Notice("dead", {"member": "n3", "id": "ab", "by": "n2", "why": "refused"}))
    assert await kept.read(0, LIFE, ALL, 0) == {
        "life": LIFE,
        "events": [
            {
                "number": 1,
                "time": "2023-11-14T22:13:20.250Z",
                "event": "dead",
                "member": "n3",
                "id": "ab",
                "by": "n2",
                "why": "refused",
            }
        ],
        "next": 1,
    }


async def test_what_is_no_membership_event_is_not_kept() -> None:
    kept = history()
    kept.keep(Notice("peer_error", {"peer": "n2"}))
    assert await kept.read(0, "", ALL, 0) == {"life": LIFE, "events": [], "next": 0}


async def test_a_reader_that_goes_on_where_it_was_sees_every_event_once() -> None:
    kept = history(10)
    seen: list[int] = []
    after = 0
    for _ in range(4):
        page = await kept.read(after, LIFE, 3, 0)
        seen += numbers(page)
        after = int(str(page["next"]))
    assert seen == list(range(1, 11))
    assert await kept.read(after, LIFE, 3, 0) == {"life": LIFE, "events": [], "next": 10}


async def test_a_reader_that_is_too_late_is_told_how_many_it_missed() -> None:
    kept = history(EVENTS_KEPT_MAX + 5)
    page = await kept.read(2, LIFE, 2, 0)
    assert (page["lost"], numbers(page), page["next"]) == (3, [6, 7], 7)
    assert "lost" not in await kept.read(5, LIFE, 2, 0)
    assert numbers(await kept.read(0, LIFE, ALL, 0))[-1] == EVENTS_KEPT_MAX + 5


async def test_a_reader_of_an_earlier_life_begins_anew() -> None:
    kept = history(3)
    page = await kept.read(2, OTHER, ALL, 60)
    assert (page["life"], numbers(page)) == (LIFE, [1, 2, 3])


async def test_a_reader_ahead_of_this_life_is_set_right_at_once() -> None:
    kept = history(3)
    assert (await kept.read(99, LIFE, ALL, 60))["next"] == 3


async def test_readers_wait_until_something_happens(autojump_clock: trio.abc.Clock) -> None:
    kept = history(1)
    pages: list[dict[str, object]] = []

    async def read() -> None:
        pages.append(await kept.read(1, LIFE, ALL, 60))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        kept.keep(Notice("peer_error", {}))  # nothing that they wait for
        await trio.testing.wait_all_tasks_blocked()
        assert pages == []
        kept.keep(Notice("left", {"member": "n2", "id": "cd"}))
    assert [numbers(page) for page in pages] == [[2], [2]]
    assert trio.current_time() == pytest.approx(0, abs=1)


async def test_a_reader_is_sent_away_when_its_time_is_up(autojump_clock: trio.abc.Clock) -> None:
    kept = history(1)
    began = trio.current_time()
    page = await kept.read(1, LIFE, ALL, 7.5)
    assert (numbers(page), page["next"]) == ([], 1)
    assert trio.current_time() - began == pytest.approx(7.5)


async def test_nobody_is_kept_waiting_by_a_process_that_stops() -> None:
    kept = history(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(kept.read, 1, LIFE, ALL, 60)
        await trio.testing.wait_all_tasks_blocked()
        kept.end()
    assert numbers(await kept.read(1, LIFE, ALL, 60)) == []


async def test_one_reader_too_many_is_refused_until_another_has_gone() -> None:
    kept = history(1)
    async with trio.open_nursery() as nursery:
        for _ in range(WATCHERS_MAX):
            nursery.start_soon(kept.read, 1, LIFE, ALL, 60)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(ClientError, match="readers wait") as refused:
            await kept.read(1, LIFE, ALL, 60)
        assert (refused.value.status, refused.value.code) == (503, "busy")
        # Whoever does not have to wait is answered all the same.
        assert numbers(await kept.read(0, LIFE, ALL, 60)) == [1]
        nursery.cancel_scope.cancel()
    with trio.move_on_after(0) as waited:
        await kept.read(1, LIFE, ALL, 60)
    assert waited.cancelled_caught
