"""Holding: how a newcomer is confirmed by members that it is not connected to.

Theory. In a cluster too large for a full mesh a newcomer can ask only a few, but needs a majority.
Members that know of the same members, by one hash over who belongs, hold the entry of every
newcomer among them; so "these members have shown this hash" is a fact that may be passed on by
anyone. Each keeps, for its own hash, the set of members known to have shown it, a bit for each in
the order of their ids, which the hash fixes too. Sets are united pairwise at random, which takes
about log2 N rounds (Karp et al. 2000, push and pull). A newcomer with that hash is confirmed by all
of them: they hold its entry, and know nobody that it does not know, as if each had said so itself.

It is a rumour and ends like one: rounds are made while somebody joins, and until a few of them in
a row brought nothing new. A member that learns of the newcomer later has a bit to add, and begins
anew. Where two meet whose hashes differ, they compare rosters (`node.checks`), so a storm of joins
is spread by the same rounds.
"""

from __future__ import annotations

from random import Random

from gcounterd.ids import NodeId
from gcounterd.members.roster import Roster
from gcounterd.node.checks import Checks
from gcounterd.node.config import Config
from gcounterd.node.dialling import is_crowded
from gcounterd.node.effects import Effect, Send
from gcounterd.node.joining import Joining
from gcounterd.node.messages import Channel, Holders
from gcounterd.node.peers import Link, Peers

# A round goes to one random peer; after so many without news there are no more.
ROUND_S = 0.2
QUIET_ROUNDS = 8


class Holding:
    """Who is known to know the same members as we; one per node."""

    def __init__(
        self,
        config: Config,
        roster: Roster,
        peers: Peers,
        joining: Joining,
        checks: Checks,
        rng: Random,
    ) -> None:
        self._own = config.node
        self._roster = roster
        self._peers = peers
        self._joining = joining
        self._checks = checks
        self._rng = rng
        self._members = b""
        self._nodes: tuple[NodeId, ...] = ()
        self._holders = 0
        self._rounds = 0
        self._due = float("inf")

    def merged(self, now: float) -> None:
        """Take note that the roster changed durably; begin anew if other members belong now."""
        if self._roster.members_hash() == self._members:
            return
        self._members = self._roster.members_hash()
        self._nodes = tuple([entry.node for entry in self._roster])
        self._holders = 0
        if self._own in self._roster:
            self._holders = 1 << self._nodes.index(self._own)
        self._go_on(now)

    def _go_on(self, now: float) -> None:
        """Make rounds from now on, if they are of use to anybody."""
        if is_crowded(self._roster) and self._roster.joining and self._holders:
            self._rounds = QUIET_ROUNDS
            self._due = min(self._due, now + ROUND_S * self._rng.random())

    def take(self, link: Link, message: Holders, now: float) -> list[Effect]:
        """Unite a peer's set with ours, or compare rosters if it knows other members."""
        if message.members != self._members:
            return self._checks.suspect(link, now) if message.asks else []
        mine, theirs = self._holders, message.holders % (1 << len(self._nodes))
        if theirs & ~mine:
            self._holders = mine | theirs
            self._confirm(theirs & ~mine)
            self._go_on(now)
        if message.asks and mine & ~theirs:
            return [Send((link.id,), Holders(self._members, self._holders, asks=False))]
        return []

    def _confirm(self, holders: int) -> None:
        if not self._joining.is_joining:
            return
        for number, node in enumerate(self._nodes):
            if holders >> number & 1:
                self._joining.confirm(node)

    def wake(self, now: float) -> list[Effect]:
        """Make a round if it is time."""
        if now < self._due:
            return []
        self._rounds -= 1
        more = self._rounds > 0 and self._roster.joining
        self._due = now + ROUND_S * self._rng.uniform(0.8, 1.2) if more else float("inf")
        links = self._peers.on(Channel.BULK)
        if not links:
            return []
        message = Holders(self._members, self._holders, asks=True)
        return [Send((self._rng.choice(links).id,), message)]

    def next_wake(self) -> float:
        """Return when the next round is due (`inf` if there is none)."""
        return self._due
