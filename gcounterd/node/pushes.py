"""Pushes: what was just committed here, sent to peers before they ask.

Theory. A push is the fast path; anti-entropy repairs what it misses, so a push may be lost, and no
one keeps account of who got it. The writer pushes to every peer that it is connected to, and what
it sent to everyone is not relayed. Commits of a hundredth of a second go out together: a peer then
pays one wake-up and one commit for all of them. What somebody waits for to be held by others goes
at once.

In a cluster too large for that, what is new goes along a tree (`node.tree`): the writer and whoever
takes something in pass it on along their eager links, but for the one it came from, in one frame
for all that came meanwhile. What was asked for is passed on as well, since whoever hangs below
may lack it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from random import Random

from gcounterd.counters.batches import Batch
from gcounterd.counters.counters import Counters
from gcounterd.ids import ColumnId, NodeId, node_of
from gcounterd.members.roster import Roster
from gcounterd.node.dialling import is_crowded
from gcounterd.node.effects import Effect, Send
from gcounterd.node.messages import Channel, Push
from gcounterd.node.peers import Link, Peers
from gcounterd.node.tree import Tree
from gcounterd.node.tree_messages import (
    PASSED_BATCHES_MAX,
    PASSED_BYTES_MAX,
    PASSED_OVERHEAD_BYTES,
    PassOn,
)

PUSH_EVERY_S = 0.01
# Batches on their way through a commit of which is known where they came from.
SOURCES_MAX = 4096


class Pushes:
    """Batches that wait to be pushed; one per node.

    urgent  what is being committed is pushed at once, since somebody waits for others to hold it
    """

    def __init__(
        self, counters: Counters, roster: Roster, peers: Peers, rng: Random, now: float
    ) -> None:
        self._counters = counters
        self._writer = counters.writer
        self._roster = roster
        self._peers = peers
        self.tree = Tree(peers, rng, now)
        self._waiting: list[Batch] = []
        # By version of a column, the link that it came along.
        self._sources: dict[tuple[ColumnId, int], int] = {}
        self._sent_at = now - PUSH_EVERY_S
        self._next_urgent = False
        self.urgent = False

    def hurry(self) -> None:
        """Let what waits for the next cut be pushed as soon as it is committed."""
        self._next_urgent = True

    def cut(self) -> None:
        """Take note that our own increments that waited are in the commit under way."""
        self.urgent, self._next_urgent = self._next_urgent, False

    def came(self, link: Link, batch: Batch) -> None:
        """Note along which link a batch came that waits for a commit now."""
        if is_crowded(self._roster) and len(self._sources) < SOURCES_MAX:
            self._sources[batch.column, batch.version] = link.id

    def queue(self, batches: Iterable[Batch]) -> None:
        """Queue what was committed, as far as it is ours to spread."""
        crowded = is_crowded(self._roster)
        for batch in batches:
            if (
                # A delta of several blocks is left to digests: it was asked for, so it is not news.
                len(batch.blocks) == 1
                and (batch.column == self._writer.own or crowded)
                # What was imported is fetched by whoever has its line, which names its source.
                and self._counters.settled.sources.get(node_of(batch.column)) is None
            ):
                self._waiting.append(batch)
            else:
                self._sources.pop((batch.column, batch.version), None)

    def send(self, now: float) -> list[Effect]:
        """Send what waits, if the last time is long enough ago or somebody waits for it."""
        if not self._waiting:
            return []
        if not self._peers.count(Channel.BULK):
            self._waiting, self.urgent = [], False  # nobody is there, so nothing comes due
            self._sources.clear()
            return []
        if now < self._sent_at + PUSH_EVERY_S and not self.urgent:
            return []
        urgent, self.urgent = self.urgent, False
        self._sent_at = now
        batches, self._waiting = self._waiting, []
        if not is_crowded(self._roster):
            links = self._peers.on(Channel.BULK)
            return [Send(_to(links, batch), Push(batch)) for batch in batches]
        return self._pass_on(batches, urgent=urgent)

    def _pass_on(self, batches: list[Batch], *, urgent: bool) -> list[Effect]:
        effects = self.tree.news()
        if urgent:  # whoever is asked about it next has it by then
            links = self._peers.on(Channel.BULK)
            own = [batch for batch in batches if batch.column == self._writer.own]
            batches = [batch for batch in batches if batch.column != self._writer.own]
            effects += [Send(_to(links, batch), Push(batch)) for batch in own]
        for link in self.tree.links:
            told = [batch for batch in batches if self._is_news(link, batch)]
            effects += [Send((link.id,), PassOn(run)) for run in _runs(told)]
        for batch in batches:
            self._sources.pop((batch.column, batch.version), None)
        return effects

    def _is_news(self, link: Link, batch: Batch) -> bool:
        came = self._sources.get((batch.column, batch.version))
        return link.peer != node_of(batch.column) and came != link.id

    def abandoned(self) -> None:
        """Take note that a commit failed: what it held comes again, from anywhere."""
        self._sources.clear()

    def wake(self, root: Callable[[], NodeId], now: float) -> list[Effect]:
        """Send what is due; `root` returns the living member of the smallest id."""
        effects = self.send(now)
        if is_crowded(self._roster):
            effects += self.tree.wake(self._writer.own, root, now)
        return effects

    def closed(self, link: Link) -> None:
        """Take note that a link is gone."""
        self.tree.closed(link)

    def next_wake(self) -> float:
        """Return when something may be sent (`inf` if nothing waits)."""
        due = self._sent_at + PUSH_EVERY_S if self._waiting else float("inf")
        return min(due, self.tree.next_wake()) if is_crowded(self._roster) else due


def _to(links: list[Link], batch: Batch) -> tuple[int, ...]:
    """Leave out whoever wrote a batch: it would have to take us for a liar."""
    writer = node_of(batch.column)
    return tuple([link.id for link in links if link.peer != writer])


def _runs(batches: list[Batch]) -> Iterator[tuple[Batch, ...]]:
    """Yield batches in as many runs as frames are needed."""
    start = size = 0
    for at, batch in enumerate(batches):
        cost = len(batch.blocks[0].encoded) + PASSED_OVERHEAD_BYTES
        if at > start and (size + cost > PASSED_BYTES_MAX or at - start == PASSED_BATCHES_MAX):
            yield tuple(batches[start:at])
            start, size = at, 0
        size += cost
    if start < len(batches):
        yield tuple(batches[start:])
