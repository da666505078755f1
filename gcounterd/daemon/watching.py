"""Watching: what streams show of this node's counters, kept up to date by one task.

Theory. Commits come by the hundred a second, and people see a few states a second. So nothing is
done at a commit but to note that there was one; a few times a second the task looks which watched
counters changed (`counters.watched`), writes each once, and hands the bytes to all streams that
want them (`api.feeds`). A node without streams does nothing, one with streams and without
increments looks at its own readiness and nothing else.

Who watches is to be shown numbers of a node that is well: when readiness ends every stream ends
too, with an event that says so, and its reader goes to another node. A stream that tells of
the cluster as well (`daemon.overview`) is for operators, and goes on.

This module refuses to know sockets, and the form of events.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Generator, Sequence

import trio

from gcounterd.api.feeds import HEARTBEAT_S, Feed, Listener, Shown, Tidings, Wish
from gcounterd.api.responses import dump
from gcounterd.counters.counters import Counters
from gcounterd.counters.imports import show_source
from gcounterd.counters.listing import Listing
from gcounterd.counters.watched import Watched
from gcounterd.daemon.slicing import sliced
from gcounterd.errors import ClientError
from gcounterd.ids import NodeId, show
from gcounterd.members.roster import Roster

# Streams of one node; some 10 KB each. One more is answered `busy`, and so is one that would take
# more than half of the connections, which are there for increments as well.
STREAMS_MAX = 4096
# Counters of all different wishes of a node's streams, each as often as it is wished for: some
# 10 us each when all change at a time, and the bytes of their counts.
WATCHED_MAX = 16_384
# How long the newest state may wait until it is shown: four times a second is more than people
# see. A stream that begins does not wait for that, but for the other.
LOOK_S = 0.25
FIRST_LOOK_S = 0.02
# The largest counters are found by a look at all of them: at most so often, and at most a
# twentieth of the time.
TOP_S = 1.0
_TOP_SHARE = 20
# What stands beside counters is looked at so often, and at once when something happened.
CLUSTER_S = 1.0
# Readiness is worked out when asked, so it has no event.
_READY_S = 1.0
# Streams written to before others may run, and counts of nodes written, with what a counter and a
# feed take beside them: about a millisecond each.
_SENDS_PER_SLICE = 64
_WRITTEN_PER_SLICE = 512
_KEY_WORK = 8
_FEED_WORK = 16


class Watching:
    """The streams of one node."""

    def __init__(
        self,
        counters: Counters,
        roster: Roster,
        cluster: str,
        reasons: Callable[[], tuple[str, ...]],
        count: Callable[[str], None],
        streams_max: int = STREAMS_MAX,
    ) -> None:
        """`reasons` says why this node is not ready; `count` is told of events for metrics."""
        self._counters = counters
        self._roster = roster
        self._cluster = cluster
        self._reasons = reasons
        self.count = count
        self._streams_max = min(streams_max, STREAMS_MAX)
        self._watched = Watched(counters)
        self._listing = Listing(counters)
        self._feeds: dict[Wish, Feed] = {}
        self._shown: dict[bytes, Shown] = {}
        self._users: dict[bytes, int] = {}
        self._members: dict[str, str] = {}
        self._members_of = b""
        self._news = trio.Event()
        self._hurry = trio.Event()
        self._looked = trio.Event()
        self._ended = False
        self._unranked = False  # values have risen since the largest ones were looked for
        self._beat_at = self._top_at = self._cluster_at = -math.inf
        # What is told of the cluster, made anew by each call.
        self.overview: Callable[[], Awaitable[Sequence[Tidings]]] | None = None

    def __len__(self) -> int:
        return sum(len(feed.listeners) for feed in self._feeds.values())

    # -- what others tell -------------------------------------------------------------------

    def note(self) -> None:
        """Take note that values may have risen."""
        self._news.set()

    def happened(self) -> None:
        """Take note that something happened in the cluster."""
        if any(feed.wish.cluster for feed in self._feeds.values()):
            self._cluster_at = -math.inf
            self._news.set()

    def end(self) -> None:
        """End all streams: the process stops."""
        self._ended = True
        self._leave(("stopping",), list(self._feeds.values()))
        self._looked.set()

    # -- streams ----------------------------------------------------------------------------

    async def follow(self, wish: Wish, seen: bytes, *, fresh: bool) -> Listener:
        """Return a new stream, as soon as what it shows is known; the caller closes it.

        `fresh`: it begins with what is committed now, not with what others have been shown.
        Raises `ClientError` 503 `busy` where there are too many, 503 `not_ready`.
        """
        self._check(wish)
        feed = self._feeds.get(wish) or self._open(wish)
        feed.awaited += 1
        try:
            while fresh or not feed.ready.is_set():
                fresh, looked = False, self._looked
                self._news.set()
                self._hurry.set()
                await looked.wait()
                self._check(wish)
        finally:
            feed.awaited -= 1
        self.count("stream_opened")
        return Listener(feed, seen)

    def _check(self, wish: Wish) -> None:
        reasons = ("stopping",) if self._ended else () if wish.cluster else self._reasons()
        if reasons:
            text = f"this node is not ready ({'; '.join(reasons)}); another one may be"
            raise ClientError(503, "not_ready", text, details={"reasons": list(reasons)})
        if len(self) >= self._streams_max:
            self.count("stream_refused")
            raise ClientError(503, "busy", f"{self._streams_max} streams are open already")

    def _open(self, wish: Wish) -> Feed:
        wished = sum(max(len(each.keys), each.top) for each in self._feeds)
        if wished + max(len(wish.keys), wish.top) > WATCHED_MAX:
            self.count("stream_refused")
            raise ClientError(503, "busy", f"{WATCHED_MAX:,} counters are watched already")
        feed = self._feeds[wish] = Feed(wish, self.count)
        self._set_keys(feed, wish.keys)
        self._top_at = -math.inf if wish.top else self._top_at
        self._cluster_at = -math.inf if wish.cluster else self._cluster_at
        return feed

    def _set_keys(self, feed: Feed, keys: tuple[bytes, ...]) -> None:
        for key in keys:
            if key not in self._users:
                self._shown[key] = Shown(key)
                self._watched.watch(key)
            self._users[key] = self._users.get(key, 0) + 1
        old, feed.shown = feed.shown, tuple(self._shown[key] for key in keys)
        for shown in old:
            self._users[shown.key] -= 1
            if not self._users[shown.key]:
                del self._users[shown.key], self._shown[shown.key]
                self._watched.leave(shown.key)

    # -- the task ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep all streams up to date until cancelled."""
        began = -math.inf
        while True:
            if not self._feeds:
                await self._hurry.wait()
            with trio.move_on_after(_READY_S):
                await self._news.wait()
            with trio.move_on_at(began + LOOK_S):
                await self._hurry.wait()
            await trio.sleep_until(began + FIRST_LOOK_S)
            began = trio.current_time()
            await self._look()

    async def _look(self) -> None:
        """Show every stream what is new."""
        rose, self._news = self._news.is_set(), trio.Event()
        looked, self._looked = self._looked, trio.Event()
        self._hurry = trio.Event()
        reasons = self._reasons()
        if reasons:
            self._leave(reasons, [f for f in self._feeds.values() if not f.wish.cluster])
        await self._tell_of_cluster()
        if rose or self._unranked:
            await self._rank()
            await sliced(self._watched.search())
            found = await sliced(self._watched.look(self._watched.changed()))
            await self._publish(await sliced(self._update(found)))
        looked.set()
        await self._beat()
        for wish, feed in list(self._feeds.items()):
            if not feed.listeners and not feed.awaited:
                self._set_keys(feed, ())
                del self._feeds[wish]

    def _update(
        self, found: dict[bytes, dict[NodeId, int]]
    ) -> Generator[None, None, dict[bytes, None]]:
        """Take newer counts of counters, in slices; return those that are different."""
        changed: dict[bytes, None] = {}
        written = 0
        for key, counts in found.items():
            shown = self._shown.get(key)
            if shown is not None and shown.update({show(n): c for n, c in counts.items()}):
                changed[key] = None
                written += _KEY_WORK + len(shown.counts)
            if written > _WRITTEN_PER_SLICE:
                written = 0
                yield
        return changed

    async def _publish(self, changed: dict[bytes, None]) -> None:
        labels = self._labels()
        written = 0
        for feed in list(self._feeds.values()):
            new = [shown for shown in feed.shown if shown.key in changed]
            written += _FEED_WORK + len(feed.shown)
            if new or not feed.ready.is_set():
                await self._send(feed, new, labels)
                written += sum(len(shown.counts) for shown in feed.shown)
            if written > _WRITTEN_PER_SLICE:
                written = 0
                await trio.lowlevel.checkpoint()

    async def _send(self, feed: Feed, new: list[Shown], members: dict[str, str]) -> None:
        if not all(shown.whole for shown in feed.shown):
            return  # it was opened since the look began, and comes with the next
        labels = {**members, **{n: self._label(n) for n in feed.nodes if n not in members}}
        began = feed.ready.is_set()
        renamed = feed.show(self._cluster, labels)
        event = feed.change(new, renamed=renamed) if began else feed.counters()
        await self._give(feed, event)

    async def _give(self, feed: Feed, event: bytes) -> None:
        for number, listener in enumerate(list(feed.listeners), 1):
            listener.give(event)
            if number % _SENDS_PER_SLICE == 0:
                await trio.lowlevel.checkpoint()

    async def _tell_of_cluster(self) -> None:
        """Tell who wants it what is new of the cluster, if it is time to."""
        feeds = [feed for feed in self._feeds.values() if feed.wish.cluster]
        now = trio.current_time()
        if not feeds or self.overview is None or now < self._cluster_at:
            return
        self._cluster_at = now + CLUSTER_S
        all_tidings = await self.overview()
        for feed in feeds:
            told = [(feed.tell(tidings), tidings.news) for tidings in all_tidings]
            events = b"".join([event for event, is_new in told if is_new])
            if events:
                await self._give(feed, events)

    async def _rank(self) -> None:
        """Find the largest counters, if a stream wants them and it is time to."""
        began = trio.current_time()
        most = max((feed.wish.top for feed in self._feeds.values()), default=0)
        self._unranked = most > 0 and began < self._top_at
        if not most or self._unranked:
            return
        best = [key for key, _ in await sliced(self._listing.top(most, b""))]
        for feed in self._feeds.values():
            keys = tuple(best[: feed.wish.top])
            if feed.wish.top and keys != tuple(shown.key for shown in feed.shown):
                self._set_keys(feed, keys)
                feed.renew()
        now = trio.current_time()
        self._top_at = now + max(TOP_S, _TOP_SHARE * (now - began))

    def _labels(self) -> dict[str, str]:
        """Return the names of all members, by node id in hex."""
        if self._members_of != self._roster.hash():
            self._members_of = self._roster.hash()
            entries = self._roster.belonging()
            self._members = {show(e.node): self._roster.label(e.node) for e in entries}
        return self._members

    def _label(self, node: str) -> str:
        """Return the name of a node that is no member: one that was removed, or a source."""
        known = NodeId(bytes.fromhex(node))
        source = self._counters.settled.sources.get(known)
        return self._roster.label(known) if source is None else show_source(source)

    async def _beat(self) -> None:
        now = trio.current_time()
        if now < self._beat_at:
            return
        self._beat_at = now + HEARTBEAT_S
        listeners = [each for feed in self._feeds.values() for each in feed.listeners]
        for number, listener in enumerate(listeners, 1):
            listener.beat()
            if number % _SENDS_PER_SLICE == 0:
                await trio.lowlevel.checkpoint()

    def _leave(self, reasons: tuple[str, ...], feeds: list[Feed]) -> None:
        """End streams; their readers are told why, and to go to another node."""
        event = b"event: leave\ndata: %b\n\n" % dump({"reasons": list(reasons)})
        for feed in feeds:
            for listener in list(feed.listeners):
                listener.end(event)
