"""Visits: links to members of a crowd that are opened to ask them, and let go of later.

Theory. A consistent read asks every member, and who waits for others to hold what it counted asks
many, but in a large cluster links do not go to everyone. So the members that are lacking are
dialled, a few at a time, on bulk alone: probes and rumours need no link to each. Questions come in
streams, and a link costs more than one, so it is kept for a while after it was last needed; how
many are kept is bounded, and where there is no room those that nobody needs go first. What is an
ordinary link by then, because its peer came to be probed over one of its own, stays.

This module refuses to know why somebody asks: it is told whom it lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gcounterd.ids import NodeId
from gcounterd.members.roster import Roster
from gcounterd.node.dialling import Dialler, Target, is_crowded
from gcounterd.node.messages import Channel
from gcounterd.node.peers import Link, Peers

# Dials of visits under way at a time: what a host answers in some 50 ms.
VISITS_DIALLING_MAX = 32
# Links kept for reads beside the ordinary ones, a descriptor each; in a larger cluster a read takes
# its members in turns.
VISITS_MAX = 512
# How long a link is kept after it was last needed: a client that reads now and then finds it.
VISIT_KEPT_S = 10.0
# How often links are looked at.
LOOK_EVERY_S = 1.0


class Visits:
    """The links of one node that were opened for reads."""

    def __init__(self, roster: Roster, peers: Peers, dialler: Dialler) -> None:
        self._roster = roster
        self._peers = peers
        self._dialler = dialler
        # Until when each link is kept, and which addresses were dialled for none yet.
        self._links: dict[int, float] = {}
        self._dialled: dict[str, None] = {}
        self._due = float("inf")

    def dials(self, lacking: Iterable[NodeId], now: float) -> list[Target]:
        """Return which of the members that reads lack to dial now; none but in a crowd."""
        if not is_crowded(self._roster):
            return []
        entries = [entry for node in lacking if (entry := self._roster.get(node)) is not None]
        self._dialled = {each: None for each in self._dialled if self._is_under_way(each)}
        room = min(VISITS_DIALLING_MAX, VISITS_MAX - len(self._links)) - len(self._dialled)
        wanted = [entry.address for entry in entries if not self._is_under_way(entry.address)]
        targets = self._dialler.visit(wanted, now, max(0, room))
        self._dialled |= {address: None for address, _ in targets}
        if len(targets) < len(wanted) and self._links:
            self._due = min(self._due, now + LOOK_EVERY_S)
        return targets

    def _is_under_way(self, address: str) -> bool:
        return self._dialler.is_dialling((address, Channel.BULK))

    def opened(self, link: Link, now: float) -> None:
        """Take note of a bulk link: it may be one that was dialled for a read."""
        if link.dialled is not None and link.dialled in self._dialled:
            del self._dialled[link.dialled]
            self._links[link.id] = now + VISIT_KEPT_S
            self._due = min(self._due, now + LOOK_EVERY_S)

    def over(self, uses: Callable[[NodeId], bool], now: float) -> list[Link]:
        """Return the links to let go of; `uses` says whether a read needs that to a member."""
        if now < self._due:
            return []
        full = len(self._links) >= VISITS_MAX
        over: list[Link] = []
        for number, until in list(self._links.items()):
            link = self._peers.get(number)
            if link is None or self._is_ordinary(link):
                del self._links[number]
            elif uses(link.peer):
                self._links[number] = now + VISIT_KEPT_S
            elif full or until <= now:
                del self._links[number]
                over.append(link)
        self._due = now + LOOK_EVERY_S if self._links else float("inf")
        return over

    def _is_ordinary(self, link: Link) -> bool:
        """Say whether a link would be there without reads."""
        control = self._peers.to(link.peer, Channel.CONTROL)
        return control is not None and not self._dialler.is_passing(control)

    def next_wake(self) -> float:
        """Return when to look at links (`inf` if there are none)."""
        return self._due
