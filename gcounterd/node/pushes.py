"""Pushes: what was just committed here, sent to peers before they ask.

Theory. A push is the fast path; anti-entropy repairs what it misses, so a push may be lost, and no
one keeps account of who got it. The writer pushes to every peer that it is connected to, and what
it sent to everyone is not relayed. In a cluster too large for that, whoever takes in something new
passes it on to a few. Commits of a hundredth of a second go out together: a peer then pays one
wake-up and one commit for all of them. What somebody waits for to be held by others goes at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from gcounterd.counters.batches import Batch
from gcounterd.counters.counters import Counters
from gcounterd.ids import node_of
from gcounterd.members.roster import Roster
from gcounterd.node.dialling import is_crowded
from gcounterd.node.effects import Effect, Send
from gcounterd.node.messages import Channel, Push
from gcounterd.node.peers import Link, Peers

PUSH_EVERY_S = 0.01
# To how many peers what is new is passed on where not everyone is connected to its writer.
FAN_OUT = 3


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
        self._rng = rng
        self._waiting: list[Batch] = []
        self._sent_at = now - PUSH_EVERY_S
        self._next_urgent = False
        self.urgent = False

    def hurry(self) -> None:
        """Let what waits for the next cut be pushed as soon as it is committed."""
        self._next_urgent = True

    def cut(self) -> None:
        """Take note that our own increments that waited are in the commit under way."""
        self.urgent, self._next_urgent = self._next_urgent, False

    def queue(self, batches: Iterable[Batch]) -> None:
        """Queue what was committed, as far as it is ours to spread."""
        crowded = is_crowded(self._roster)
        self._waiting += [
            batch
            for batch in batches
            # A delta of several blocks is left to digests: it was asked for, so it is not news.
            if len(batch.blocks) == 1
            and (batch.column == self._writer.own or crowded)
            # What was imported is fetched by whoever has its line, which names its source.
            and self._counters.settled.sources.get(node_of(batch.column)) is None
        ]

    def send(self, now: float) -> list[Effect]:
        """Send what waits, if the last time is long enough ago or somebody waits for it."""
        if not self._waiting or (now < self._sent_at + PUSH_EVERY_S and not self.urgent):
            return []
        self.urgent = False
        self._sent_at = now
        batches, self._waiting = self._waiting, []
        links = self._peers.on(Channel.BULK)
        some = self._rng.sample(links, min(FAN_OUT, len(links)))
        return [
            Send(self._to(links if batch.column == self._writer.own else some, batch), Push(batch))
            for batch in batches
        ]

    def _to(self, links: list[Link], batch: Batch) -> tuple[int, ...]:
        """Leave out whoever wrote a batch: it would have to take us for a liar."""
        writer = node_of(batch.column)
        return tuple([link.id for link in links if link.peer != writer])

    def next_wake(self) -> float:
        """Return when something may be sent (`inf` if nothing waits)."""
        return self._sent_at + PUSH_EVERY_S if self._waiting else float("inf")
