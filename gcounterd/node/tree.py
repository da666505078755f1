"""The tree: along which links a crowd passes on what is new.

Theory. Where not everyone is connected to everyone, whoever takes in something new passes it on.
Told to a few peers at random, everybody would hear everything several times, and some would not
hear it at all. So each link is *eager*, news go along it both ways, or *lazy*, it waits for
digests, and the eager ones are to be a tree (Leitão, Pereira, Rodrigues: Epidemic Broadcast Trees,
2007). There duplicates of any message prune links; with many writers at once that cuts a cycle in
two places. Here only *beacons* shape the tree. While there are news, the living member of the
smallest id sends one every few seconds along its eager links and to some others, and so does
everyone who hears it first. Whoever hears it twice along eager links is on a cycle, and *prunes*
the second: the first to bring it stays, so nothing is cut off. Whoever hears it along a lazy link
only has been cut off, and *grafts* that link.

An eager link that closes is replaced by a random one until the next beacon. No number depends on
any of this: what the tree does not bring is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import attrs

from gcounterd.ids import ColumnId, NodeId, node_of
from gcounterd.node.effects import Effect, Send
from gcounterd.node.messages import Channel
from gcounterd.node.peers import Link, Peers
from gcounterd.node.tree_messages import Beacon, Graft, Prune

# Eager links with which a node of a crowd begins, and lazy ones to which it tells a beacon.
FIRST_LINKS = 3
BEACON_FAN_OUT = 3
# Between two beacons; a root that sends none for so many of them counts no more.
BEACON_EVERY_S = 5.0
BEACONS_MISSED_MAX = 3
# How much later along the tree than beside it a beacon may come.
GRACE_S = 1.0


@attrs.frozen(eq=False)
class _Candidate:
    """A beacon that came along a lazy link, and until when it may come along an eager one."""

    link: Link
    beacon: Beacon
    until: float


class Tree:
    """The eager links of one node in a crowd."""

    def __init__(self, peers: Peers, rng: Random, now: float) -> None:
        self._peers = peers
        self._rng = rng
        self._lacking = FIRST_LINKS
        self._heard: Beacon | None = None
        self._heard_at = now
        self._candidate: _Candidate | None = None
        self._beacon_due = now
        self._number = 0  # of our last beacon; what others say of us does not change it
        self._has_news = False

    @property
    def links(self) -> list[Link]:
        """Return the eager links."""
        return [link for link in self._peers.on(Channel.BULK) if link.eager]

    def news(self) -> list[Effect]:
        """Take note that something is about to be passed on; see to it that there are links."""
        self._has_news = True
        return self._grow()

    def _grow(self) -> list[Effect]:
        """Make links eager in place of those that closed, as far as there are any."""
        if not self._lacking:
            return []
        lazy = [link for link in self._peers.on(Channel.BULK) if not link.eager]
        chosen = self._rng.sample(lazy, min(self._lacking, len(lazy)))
        self._lacking -= len(chosen)
        return [effect for link in chosen for effect in self._graft(link)]

    def _graft(self, link: Link) -> list[Effect]:
        link.eager = True
        return [Send((link.id,), Graft())]

    def take(self, link: Link, message: Beacon | Prune | Graft, now: float) -> list[Effect]:
        """Do as a peer asks."""
        if isinstance(message, Beacon):
            return self._hear(link, message, now)
        link.eager = isinstance(message, Graft)
        if not self.links:
            self._lacking = max(1, self._lacking)
        return []

    def _hear(self, link: Link, beacon: Beacon, now: float) -> list[Effect]:
        if beacon == self._heard:
            if not link.eager:
                return []
            link.eager = False
            return [Send((link.id,), Prune())]
        if not self._is_newer(beacon, now):
            return []
        if link.eager:
            return self._adopt(beacon, link, now)
        if self._candidate is None or beacon != self._candidate.beacon:
            self._candidate = _Candidate(link, beacon, now + GRACE_S)
        return []

    def _adopt(self, beacon: Beacon, source: Link | None, now: float) -> list[Effect]:
        """Take a beacon in that came along an eager link, or is ours; tell it."""
        self._heard, self._heard_at, self._candidate = beacon, now, None
        links = [link for link in self._peers.on(Channel.BULK) if link is not source]
        lazy = [link for link in links if not link.eager]
        some = self._rng.sample(lazy, min(BEACON_FAN_OUT, len(lazy)))
        told = [link.id for link in links if link.eager] + [link.id for link in some]
        return [Send(tuple(told), beacon)] if told else []

    def _is_newer(self, beacon: Beacon, now: float) -> bool:
        """Say whether a beacon counts: of the smallest root that is heard of late, and later."""
        heard = self._heard
        if heard is None or now > self._heard_at + BEACONS_MISSED_MAX * BEACON_EVERY_S:
            return True
        if node_of(beacon.root) != node_of(heard.root):
            return beacon.root < heard.root
        return (beacon.root, beacon.number) > (heard.root, heard.number)

    def wake(self, own: ColumnId, root: Callable[[], NodeId], now: float) -> list[Effect]:
        """Graft where a beacon did not come along the tree; send one if it is ours to send.

        `root` returns the living member of the smallest id.
        """
        effects = self._graft_candidate(now)
        if not self._has_news or now < self._beacon_due:
            return effects
        self._has_news = False
        self._beacon_due = now + BEACON_EVERY_S
        beacon = Beacon(own, self._number + 1)
        if root() != node_of(own) or not self._is_newer(beacon, now):
            return effects
        self._number = beacon.number
        return effects + self._adopt(beacon, None, now)

    def _graft_candidate(self, now: float) -> list[Effect]:
        candidate = self._candidate
        if candidate is None or now < candidate.until:
            return []
        self._candidate = None
        link = candidate.link
        if self._peers.get(link.id) is not link:
            return []
        return [*self._graft(link), *self._adopt(candidate.beacon, link, now)]

    def closed(self, link: Link) -> None:
        """Take note that a link is gone."""
        if link.eager:
            self._lacking += 1

    def next_wake(self) -> float:
        """Return when to wake at the latest (`inf` if nothing presses)."""
        due = self._beacon_due if self._has_news else float("inf")
        return min(due, self._candidate.until) if self._candidate is not None else due
