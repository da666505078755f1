"""Feeds: written once, newest state only, and nobody is waited for."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from gcounterd.api import feeds
from gcounterd.api.feeds import Feed, Listener, Shown, Tidings, Wish

LABELS = {"b1": "n2", "a0": "n1"}


class Desk:
    """A feed of some counters, and what is shown of them."""

    def __init__(self, *keys: bytes) -> None:
        self.events: Counter[str] = Counter()
        self.feed = Feed(Wish(keys), lambda event: self.events.update([event]))
        self.feed.shown = [Shown(key) for key in keys]
        self.set(**{key.decode(): {"a0": 1} for key in keys})

    def set(self, **counts: dict[str, int]) -> bytes:
        """Show these counts, and return the event that says so."""
        changed = [s for s in self.feed.shown if s.update(counts.get(s.key.decode(), {}))]
        renamed = self.feed.show("local", LABELS)
        return self.feed.change(changed, renamed=renamed)

    def publish(self, **counts: dict[str, int]) -> bytes:
        event = self.set(**counts)
        for listener in list(self.feed.listeners):
            listener.give(event)
        return event


def read(event: bytes) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in event.decode().splitlines() if line)


def data_of(event: bytes) -> dict[str, object]:
    found: dict[str, object] = json.loads(read(event)["data"])
    return found


Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        yield ours, theirs


def received(sock: socket.socket) -> bytes:
    found = b""
    while True:
        try:
            piece = sock.recv(1 << 20)
        except BlockingIOError:
            return found
        if not piece:
            return found
        found += piece


def test_a_state_says_all_and_a_change_says_what_is_different() -> None:
    desk = Desk(b"x", b"y/z")
    assert data_of(desk.feed.state()) == {
        "cluster": "local",
        "nodes": {"a0": "n1", "b1": "n2"},
        "counters": {"x": {"a0": "1"}, "y/z": {"a0": "1"}},
    }
    change = desk.set(x={"a0": 1, "b1": 2**60})
    assert read(change)["event"] == "change"
    assert data_of(change) == {"counters": {"x": {"b1": str(2**60)}}}
    assert data_of(desk.feed.state())["counters"] == {
        "x": {"a0": "1", "b1": str(2**60)},
        "y/z": {"a0": "1"},
    }
    assert read(change)["id"] == read(desk.feed.state())["id"]


def test_equal_states_of_two_nodes_have_one_id_however_they_came_to_be() -> None:
    one, other = Desk(b"x"), Desk(b"x")
    one.set(x={"a0": 5})
    one.set(x={"a0": 5, "b1": 2})
    other.set(x={"b1": 2, "a0": 5})
    assert one.feed.state() == other.feed.state()
    seen = read(one.feed.state())["id"].encode()
    assert other.feed.opening(seen) == b"retry: 2000\n\n"
    other.set(x={"a0": 6})
    assert other.feed.opening(seen) == other.feed.state()


async def test_a_stream_begins_with_the_state_and_goes_on_with_changes(pair: Pair) -> None:
    desk, (ours, theirs) = Desk(b"x"), pair
    listener = Listener(desk.feed)
    begun = desk.feed.state()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listener.run, ours)
        await trio.testing.wait_all_tasks_blocked()
        change = desk.publish(x={"a0": 2})
        listener.beat()
        listener.end(b"event: leave\ndata: {}\n\n")
    assert received(theirs) == (
        begun + change + b"event: beat\ndata: {}\n\n" + b"event: leave\ndata: {}\n\n"
    )
    listener.close()
    assert desk.feed.listeners == {}


async def test_a_reader_that_is_behind_gets_the_newest_state_and_nothing_in_between(
    pair: Pair,
) -> None:
    keys = [b"k%d" % number for number in range(2000)]
    desk, (ours, theirs) = Desk(*keys), pair
    listener = Listener(desk.feed)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listener.run, ours)
        await trio.testing.wait_all_tasks_blocked()
        for number in range(2, 500):  # more than any socket holds: the first state does not fit
            desk.publish(k1={"a0": number})
        text = b""
        while b'"499"' not in text or not text.endswith(b"\n\n"):
            text += received(theirs)
            await trio.testing.wait_all_tasks_blocked()
        listener.end(b"event: leave\ndata: {}\n\n")
    text += received(theirs)
    events = [event for event in text.split(b"\n\n") if event]
    assert [read(event)["event"] for event in events] == ["state", "state", "leave"]
    assert data_of(events[1])["counters"]["k1"] == {"a0": "499"}  # type: ignore[index]


async def test_a_reader_that_takes_nothing_is_dropped(
    pair: Pair, autojump_clock: trio.abc.Clock
) -> None:
    desk, (ours, _theirs) = Desk(*[b"k%d" % number for number in range(2000)]), pair
    listener = Listener(desk.feed)
    began = trio.current_time()
    await listener.run(ours)
    assert trio.current_time() - began == pytest.approx(feeds.STALLED_S)
    assert desk.events == {"stream_stalled": 1}


async def test_a_reader_that_is_gone_ends_its_stream(pair: Pair) -> None:
    desk, (ours, theirs) = Desk(b"x"), pair
    listener = Listener(desk.feed)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listener.run, ours)
        await trio.testing.wait_all_tasks_blocked()
        theirs.close()
        listener.beat()


async def test_the_end_does_not_wait_for_a_reader_that_is_behind(pair: Pair) -> None:
    desk, (ours, _theirs) = Desk(*[b"k%d" % number for number in range(2000)]), pair
    listener = Listener(desk.feed)
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await listener.run(ours)

        nursery.start_soon(run)
        await trio.testing.wait_all_tasks_blocked()
        listener.end(b"event: leave\ndata: {}\n\n")


async def test_changes_while_the_head_is_on_its_way_are_in_the_state_that_follows(
    pair: Pair,
) -> None:
    desk, (ours, theirs) = Desk(b"x"), pair
    listener = Listener(desk.feed)
    desk.publish(x={"a0": 9})
    listener.end(b"event: leave\ndata: {}\n\n")
    await listener.run(ours)
    assert data_of(received(theirs).split(b"\n\n")[0])["counters"] == {"x": {"a0": "9"}}


async def test_what_is_told_beside_counters_is_the_newest_of_each_kind(pair: Pair) -> None:
    desk, (ours, theirs) = Desk(b"x"), pair
    first = desk.feed.tell(Tidings("pulse", b'{"n":1}', b'{"n":1}'))
    assert first == b'event: pulse\ndata: {"n":1}\n\n'
    desk.feed.tell(Tidings("events", b'{"all":9}', b'{"new":1}'))
    desk.feed.tell(Tidings("pulse", b'{"n":2}', b""))
    told = b'event: pulse\ndata: {"n":2}\n\nevent: events\ndata: {"all":9}\n\n'
    assert desk.feed.state() == desk.feed.counters() + told
    seen = read(desk.feed.counters())["id"].encode()
    listener = Listener(desk.feed, seen)
    listener.end(b"event: leave\ndata: {}\n\n")
    await listener.run(ours)
    assert received(theirs).removesuffix(b"event: leave\ndata: {}\n\n") == (
        b"retry: 2000\n\n" + told
    )
