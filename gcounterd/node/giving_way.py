"""Giving way: how a process ends that has a twin, without losing what it counted.

Theory. Of two processes with one node id one has to go (which one is decided in `twins`). What it
holds may be nowhere else: it counted while the two were apart, its disk kept what a process before
it counted, or somebody handed over to it. So it refuses increments at once, commits what waits, and
hands everything over (`node.handing_over`): on a bulk link of its own to whoever told it of the
twin, which takes columns from it as from any peer, and sums of forgotten ones by the rule of
members. When all is held it asks once more whether the twin is there. Told so, it ends; accepted
instead, because the twin has ended meanwhile, it goes on as if nothing had been. So counts are
never left behind on a disk that nobody starts again, and no lone process ends.

It asks until it is told. A hello that asks after a twin is first answered with "try again", or
with nothing where the network is bad, and nobody else may ever say it: a disk that was copied
before its node had met anybody names no members to dial.

This module refuses to know who has to give way.
"""

from __future__ import annotations

from gcounterd.counters.counters import Counters
from gcounterd.members.roster import Roster
from gcounterd.node.effects import Dial, Effect, Exit, Notice
from gcounterd.node.handing_over import HandingOver
from gcounterd.node.messages import Channel, Refusal
from gcounterd.node.peers import Link
from gcounterd.node.removal_messages import Held

EXIT_TWIN = 4
# How often the host is asked how far it has come, and whoever may know after the twin. Twice within
# the time that an answer is good for (`asking`): the first hello makes others ask, the second is
# told what they heard.
ASK_EVERY_S = 0.5


class GivingWay:
    """What a process does that has to go; one per node, idle in nearly all of them.

    since  when it began, `inf` if it does not give way
    """

    def __init__(self, counters: Counters, roster: Roster) -> None:
        self._counters = counters
        self._handing_over = HandingOver(counters, roster)
        self._twin: Refusal | None = None
        self._told_by = ""
        self._host: Link | None = None
        self._due = float("inf")
        self.since = float("inf")

    @property
    def active(self) -> bool:
        """Say whether this process gives way."""
        return self._twin is not None

    @property
    def reason(self) -> str:
        """Return why it refuses increments, in words."""
        assert self._twin is not None
        return (
            f"another process with this node's id answers at {self._twin.address}; this one "
            "hands over what it counted and ends"
        )

    def told(self, address: str, refusal: Refusal, now: float) -> list[Effect]:
        """Give way to the twin that `refusal` names, which came from `address`: begin, or end."""
        effects: list[Effect] = []
        if self._twin is None:
            self.since = self._due = now
            effects.append(Notice("gives_way", {"stays": refusal.address, "told_by": address}))
        self._twin, self._told_by = refusal, address
        if self._is_held():
            return [*effects, Exit(EXIT_TWIN, self._explain(refusal.address))]
        return [*effects, *([] if self._host else [Dial(address, Channel.BULK)])]

    def stop(self) -> list[Effect]:
        """Go on instead: the twin is gone."""
        self._twin, self.since, self._due = None, float("inf"), float("inf")
        return [Notice("goes_on", {})]

    # -- the host ---------------------------------------------------------------------------

    def opened(self, link: Link, now: float) -> list[Effect]:
        """Hand over on a link that was opened for it."""
        self._host = link
        return self._ask_host(now)

    def closed(self, link: int) -> None:
        """Take note that a link is gone; the next refusal finds another host."""
        if self._host is not None and self._host.id == link:
            self._host = None
            self._handing_over.closed(link)

    def heard(self, link: Link, held: Held, now: float) -> str:
        """Take note of how far the host holds what we have.

        Returns the address at which to ask after the twin again, "" for not yet.
        """
        if link is not self._host:
            return ""
        self._handing_over.heard(link, held, now)
        return (link.dialled or link.hello.address) if self._is_held() else ""

    def _is_held(self) -> bool:
        """Say whether all that this process holds is held elsewhere, or in a file there."""
        self._handing_over.offer()
        if not self._counters.writer.idle:
            return False
        if self._handing_over.columns == 0:
            return True
        return self._host is not None and self._handing_over.holds(self._host.peer)

    def _ask_host(self, now: float) -> list[Effect]:
        if self._host is None:
            return []
        self._due = now + ASK_EVERY_S
        self._handing_over.offer()
        return self._handing_over.ask([self._host], now, again=True)

    def _explain(self, address: str) -> str:
        host = self._host.hello.name if self._host is not None else ""
        columns, refused = self._handing_over.columns, len(self._handing_over.refused)
        held = f" What this node counted is held by {host}." if host and columns else ""
        lost = (
            f" {refused} of its columns were refused, since others have forgotten them: they are "
            f"in files under refused/ at {host}, to be looked at."
            if refused
            else ""
        )
        return (
            f"another process with this node's id runs at {address}: a data directory was copied, "
            f"or a node was moved without being stopped.{held}{lost} Run only one of the two; for "
            "one more node start on an empty --data-dir"
        )

    # -- time -------------------------------------------------------------------------------

    def wake(self, now: float) -> tuple[list[Effect], list[str]]:
        """Ask the host again, if that is due.

        Returns also the addresses at which to ask after the twin, which is where a host is found.
        """
        if self._twin is None or now < self._due:
            return [], []
        if self._host is not None:
            return self._ask_host(now), []
        self._due = now + ASK_EVERY_S
        return [], list(dict.fromkeys((self._told_by, self._twin.address)))

    def next_wake(self) -> float:
        """Return when to wake at the latest."""
        return self._due if self.active else float("inf")
