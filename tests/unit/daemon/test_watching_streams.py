"""Watching: streams are told what rose, and that they should go when this node is not well."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing

from gcounterd.api.feeds import Tidings, Wish
from gcounterd.counters.counters import Counters
from gcounterd.daemon import watching
from gcounterd.daemon.watching import Watching
from gcounterd.errors import ClientError
from gcounterd.ids import Epoch, NodeId, column_id, show
from gcounterd.members.roster import Entry, Roster, State

NODE = NodeId(b"a" * 16)


@attrs.define(eq=False)
class Stand:
    """Counters of one node, and streams of them."""

    counters: Counters
    watching: Watching
    nursery: trio.Nursery
    events: Counter[str]
    reasons: list[str]
    readers: list[Reader] = attrs.Factory(list)

    def count(self, **amounts: int) -> None:
        self.counters.add_all({key.encode(): amount for key, amount in amounts.items()})
        for batch in self.counters.cut():
            self.counters.apply(batch)
        self.counters.writer.settle()
        self.watching.note()

    async def open(self, wish: Wish, seen: bytes = b"", *, fresh: bool = False) -> Reader:
        listener = await self.watching.follow(wish, seen, fresh=fresh)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)

        async def run() -> None:
            with ours:
                await listener.run(ours)
            listener.close()

        self.nursery.start_soon(run)
        reader = Reader(trio.SocketStream(trio.socket.from_stdlib_socket(theirs)))
        self.readers.append(reader)
        return reader


@attrs.define(eq=False)
class Reader:
    """The other end of a stream."""

    stream: trio.SocketStream
    rest: bytes = b""

    async def next(self) -> tuple[str, dict[str, object]]:
        """Return kind and data of the next event that says something."""
        while True:
            while b"\n\n" not in self.rest:
                piece = await self.stream.receive_some()
                if not piece:
                    return "end", {}
                self.rest += piece
            event, _, self.rest = self.rest.partition(b"\n\n")
            fields = dict(line.split(": ", 1) for line in event.decode().splitlines())
            if fields.get("event", "beat") != "beat":
                return fields["event"], json.loads(fields["data"]) | {"id": fields.get("id")}

    async def counters(self) -> object:
        return (await self.next())[1]["counters"]


@asynccontextmanager
async def standing(streams_max: int = 100) -> AsyncIterator[Stand]:
    counters = Counters(column_id(NODE, Epoch(b"\1" * 16)), 1000)
    roster = Roster([Entry(NODE, Epoch(b"\1" * 16), 1, "n1", "127.0.0.1:1", State.ACTIVE)])
    events: Counter[str] = Counter()
    reasons: list[str] = []
    async with trio.open_nursery() as nursery:
        watch = Watching(
            counters,
            roster,
            "local",
            lambda: tuple(reasons),
            lambda event: events.update([event]),
            streams_max=streams_max,
        )
        nursery.start_soon(watch.run)
        stand = Stand(counters, watch, nursery, events, reasons)
        try:
            yield stand
        finally:
            nursery.cancel_scope.cancel()
            for reader in stand.readers:
                reader.stream.socket.close()


async def test_a_stream_shows_the_state_and_then_what_rose() -> None:
    async with standing() as stand:
        stand.count(x=3, other=1)
        reader = await stand.open(Wish((b"x", b"new")))
        kind, told = await reader.next()
        assert (kind, told["cluster"], told["nodes"]) == ("state", "local", {show(NODE): "n1"})
        assert told["counters"] == {"x": {show(NODE): "3"}, "new": {}}
        stand.count(new=1, other=5)
        assert await reader.counters() == {"new": {show(NODE): "1"}}
        stand.count(x=1)
        assert await reader.counters() == {"x": {show(NODE): "4"}}


async def test_many_commits_between_two_looks_are_one_change(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with standing() as stand:
        reader = await stand.open(Wish((b"x",)))
        await reader.next()
        for _ in range(50):
            stand.count(x=1)
            await trio.testing.wait_all_tasks_blocked()
        stand.count(x=1)
        seen = [await reader.counters()]
        while seen[-1] != {"x": {show(NODE): "51"}}:
            seen.append(await reader.counters())
        assert len(seen) <= 2


async def test_who_asks_for_what_is_committed_now_does_not_begin_with_less(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with standing() as stand:
        first = await stand.open(Wish((b"x",)))
        await first.next()
        stand.count(x=7)
        reader = await stand.open(Wish((b"x",)), fresh=True)
        assert await reader.counters() == {"x": {show(NODE): "7"}}


async def test_who_has_seen_the_state_is_not_sent_it_again(autojump_clock: trio.abc.Clock) -> None:
    async with standing() as stand:
        stand.count(x=1)
        first = await stand.open(Wish((b"x",)))
        _, told = await first.next()
        again = await stand.open(Wish((b"x",)), str(told["id"]).encode())
        stand.count(x=1)
        assert (await again.next())[0] == "change"


async def test_the_largest_counters_are_shown_and_others_when_they_are_larger(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with standing() as stand:
        stand.count(a=5, b=3, c=1)
        reader = await stand.open(Wish((), top=2))
        assert list(await reader.counters()) == ["a", "b"]  # type: ignore[call-overload]
        stand.count(c=9)
        kind, told = await reader.next()
        assert (kind, list(told["counters"])) == ("state", ["c", "a"])  # type: ignore[call-overload]
        stand.count(a=1)
        assert (await reader.next())[0] == "change"


async def test_a_node_that_is_not_ready_any_more_ends_its_streams_and_says_why(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with standing() as stand:
        reader = await stand.open(Wish((b"x",)))
        await reader.next()
        stand.reasons.append("draining: an operator asked for it")
        assert await reader.next() == (
            "leave",
            {"reasons": ["draining: an operator asked for it"], "id": None},
        )
        assert await reader.next() == ("end", {})
        with pytest.raises(ClientError) as refused:
            await stand.watching.follow(Wish((b"x",)), b"", fresh=False)
        assert (refused.value.status, refused.value.code) == (503, "not_ready")
        stand.reasons.clear()
        assert (await (await stand.open(Wish((b"x",)))).next())[0] == "state"


async def test_a_process_that_stops_ends_its_streams_and_begins_none() -> None:
    async with standing() as stand:
        reader = await stand.open(Wish((b"x",)))
        await reader.next()
        stand.watching.end()
        assert (await reader.next())[0] == "leave"
        with pytest.raises(ClientError, match="stopping"):
            await stand.watching.follow(Wish((b"y",)), b"", fresh=False)


async def test_one_stream_too_many_is_refused_until_another_has_gone(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with standing(streams_max=1) as stand:
        reader = await stand.open(Wish((b"x",)))
        await reader.next()
        with pytest.raises(ClientError, match="1 streams") as refused:
            await stand.watching.follow(Wish((b"x",)), b"", fresh=False)
        assert (refused.value.status, refused.value.code) == (503, "busy")
        await reader.stream.aclose()
        stand.count(x=1)
        await trio.sleep(1)
        assert (await (await stand.open(Wish((b"x",)))).next())[0] == "state"
        assert stand.events == {"stream_opened": 2, "stream_refused": 1}


async def test_more_counters_than_can_be_watched_are_refused(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.abc.Clock
) -> None:
    monkeypatch.setattr(watching, "WATCHED_MAX", 3)
    async with standing() as stand:
        reader = await stand.open(Wish((b"x", b"y")))
        await reader.next()
        with pytest.raises(ClientError, match="3 counters"):
            await stand.watching.follow(Wish((b"x", b"p", b"q")), b"", fresh=False)
        await reader.stream.aclose()
        stand.count(x=1)
        await trio.sleep(2)  # what nobody watches any more makes room
        assert (await (await stand.open(Wish((b"x", b"p", b"q")))).next())[0] == "state"


async def test_an_operators_stream_goes_on_where_the_node_is_not_ready(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with standing() as stand:
        news = [b'{"at":1}']

        async def overview() -> list[Tidings]:
            return [Tidings("pulse", b'{"whole":1}', news.pop() if news else b"")]

        stand.watching.overview = overview
        stand.reasons.append("draining: an operator asked for it")
        stand.count(a=5)
        reader = await stand.open(Wish((), top=2, cluster=True))
        assert (await reader.next())[0] == "state"
        assert await reader.next() == ("pulse", {"whole": 1, "id": None})
        news.append(b'{"at":2}')
        assert await reader.next() == ("pulse", {"at": 2, "id": None})
        news.append(b'{"at":3}')
        stand.watching.happened()
        assert await reader.next() == ("pulse", {"at": 3, "id": None})
        stand.watching.end()
        assert (await reader.next())[0] == "leave"
