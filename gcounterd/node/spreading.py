"""Spreading: taking in entries that peers tell, and passing on what changed to those who lack it.

Theory. As with pushes, this is the fast path, and hashes repair what it misses. Where everyone is
connected to everyone, whoever learns something tells all peers at once, except those that said the
same. In a larger cluster that would be as many messages as there are links; there each node passes
what is new to it on to a few, once (Eugster et al. 2004: with a fan-out of 4, 98 % are reached),
and gathers for a moment what comes in between, since a storm of joins brings many at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from gcounterd.errors import PeerError
from gcounterd.ids import NodeId
from gcounterd.members.roster import MEMBERS_MAX, Entry, Roster
from gcounterd.node.dialling import is_crowded
from gcounterd.node.effects import Effect, Send
from gcounterd.node.intake import Intake
from gcounterd.node.messages import Channel
from gcounterd.node.messages import Roster as RosterMessage
from gcounterd.node.peers import Link, Peers

# Entries of one frame: 200 of at most 400 bytes.
ENTRIES_PER_FRAME = 200
# To how many peers of a large cluster what is new is passed on, and how long it is gathered.
FAN_OUT = 4
GATHER_S = 0.02
# While there is something new all the time, it is passed on no more often than this: else a hundred
# joins a second would be a message from each to each of its few peers for every single one.
TELL_EVERY_S = 0.2


class Spreading:
    """Entries that wait to be passed on, and who is known to know them; one per node."""

    def __init__(self, roster: Roster, intake: Intake, peers: Peers, rng: Random) -> None:
        self._roster = roster
        self._intake = intake
        self._peers = peers
        self._rng = rng
        self._waiting: dict[NodeId, None] = {}
        self._due = float("inf")
        self._told_at = -TELL_EVERY_S
        # By member, what links told us that we have not passed on yet.
        self._known: dict[NodeId, dict[int, Entry]] = {}

    def take(self, link: Link, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """Queue what is new in a peer's entries for the next commit, and return it.

        Raises `PeerError` where it would be too many members.
        """
        news = self._roster.news(entries)
        nodes = self._intake.members | {entry.node: None for entry in news}
        unknown = sum(node not in self._roster for node in nodes)
        if len(self._roster) + unknown > MEMBERS_MAX:
            raise PeerError("roster_full", f"more than {MEMBERS_MAX} members")
        theirs = {entry.node: entry for entry in entries}
        for entry in news:
            if entry == theirs[entry.node]:
                self._known.setdefault(entry.node, {})[link.id] = entry
        self._intake.take_entries(news)
        return news

    def merge(
        self, entries: tuple[Entry, ...], now: float
    ) -> tuple[tuple[Entry, ...], list[Effect]]:
        """Take in entries that are durable; return those that changed, and tell them on."""
        changed = self._roster.merge(entries)
        self._waiting |= {entry.node: None for entry in changed}
        for entry in entries:
            if entry.node not in self._waiting:
                self._known.pop(entry.node, None)
        return changed, self._pass_on(now)

    def _pass_on(self, now: float) -> list[Effect]:
        if not self._waiting:
            return []
        if not is_crowded(self._roster):
            return self._tell(self._peers.on(Channel.BULK))
        self._due = min(self._due, max(now + GATHER_S, self._told_at + TELL_EVERY_S))
        return []

    def wake(self, now: float) -> list[Effect]:
        """Tell what was gathered long enough."""
        if now < self._due:
            return []
        self._told_at = now
        links = self._peers.on(Channel.BULK)
        return self._tell(self._rng.sample(links, min(FAN_OUT, len(links))))

    def _tell(self, links: list[Link]) -> list[Effect]:
        waiting, self._waiting, self._due = self._waiting, {}, float("inf")
        told: dict[tuple[NodeId, ...], list[int]] = {}
        for link in links:
            nodes = tuple([node for node in waiting if not self._knows(link, node)])
            told.setdefault(nodes, []).append(link.id)
        for node in waiting:
            self._known.pop(node, None)
        return [
            effect
            for nodes, ids in told.items()
            for effect in tell(ids, [self._roster.get(node) for node in nodes])
        ]

    def _knows(self, link: Link, node: NodeId) -> bool:
        return self._known.get(node, {}).get(link.id) == self._roster.get(node)

    def next_wake(self) -> float:
        """Return when something is to be told (`inf` if nothing waits)."""
        return self._due


def tell(links: Iterable[int], entries: Iterable[Entry | None]) -> list[Effect]:
    """Return the messages that tell entries, in as many frames as it takes."""
    told = [entry for entry in entries if entry is not None]
    return [
        Send(tuple(links), RosterMessage(tuple(told[at : at + ENTRIES_PER_FRAME])))
        for at in range(0, len(told), ENTRIES_PER_FRAME)
    ]
