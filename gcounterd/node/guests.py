"""Guests: links on which a process that goes hands over what it holds, seen from both ends.

Theory. Who gives way to a twin (`node.twins`), or comes back after its removal (`node.returning`),
stands for no peer any more: it must not be probed, told or counted. So it hands over on bulk links
that are nobody's, and the other end, its host, does on them what is needed for that and nothing
else. It fetches what it lacks and says how far it is; it answers about its roster and takes in what
the guest knows of it. A node can be guest on some links and host on others.

What the guest has forgotten it has as a sum only. It says so when such a column is asked for, and
the two compare their lines and take each other's sums by the rule of members (`node.taking`); what
cannot be taken is kept in a file (`node.late`).

What has no business on such a link is passed over: each end may have begun while the other still
took it for an ordinary one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcounterd.node.effects import Drop, Effect, Send
from gcounterd.node.messages import Channel, Message, Part, RosterDigest, RosterList, Want
from gcounterd.node.messages import Roster as RosterMessage
from gcounterd.node.peers import Link
from gcounterd.node.removal_messages import HandOver, Held
from gcounterd.node.returning import Returning
from gcounterd.node.settled_messages import AskLines, Lines, Settled

if TYPE_CHECKING:
    from gcounterd.node.node import Node

# Links on which others hand over to us, at a time; more try again.
GUESTS_MAX = 16
# A guest asks several times a second while it lacks an answer; one that is silent for so long has
# what it wants, or is gone.
GUEST_SILENT_S = 10.0


class Guests:
    """Links of guests; one per node."""

    def __init__(self, node: Node, returning: Returning) -> None:
        self._roster = node.roster
        self._counters = node.counters
        self._peers = node.peers
        self._exchange = node.exchange
        self._settlement = node.settlement
        self._late = node.settlement.late
        self._membership = node.membership
        self._twins = node.twins
        self._returning = returning
        # When each is given up, unless it says something.
        self._silent_due: dict[int, float] = {}

    def is_guest(self, link: Link) -> bool:
        """Say whether a link that opens is for handing over only, on either side."""
        if link.channel is not Channel.BULK:
            return False
        if link.hello.yielding or link.hello.returning or self._returning.active:
            return True
        # Bulk is dialled where control is, or else by whoever gives way.
        return self._twins.yielding and self._peers.to(link.peer, Channel.CONTROL) is None

    def opened(self, link: Link, now: float) -> list[Effect]:
        """Begin to take over what a guest has, or to hand over as one.

        Drops among the effects are of links that the caller has to forget.
        """
        if self._returning.active and link.dialled is not None:
            return self._returning.opened(link, now)
        if not (link.hello.yielding or link.hello.returning):
            if self._returning.active:
                return [Drop(link.id, "removed")]
            return self._twins.opened_as_guest(link, now)
        if len(self._silent_due) >= GUESTS_MAX:
            return [Drop(link.id, "excess_guest")]
        self._silent_due[link.id] = now + GUEST_SILENT_S
        return []

    def handle(self, link: Link, message: Message, now: float) -> list[Effect]:
        """Handle a message on such a link."""
        is_host = link.id in self._silent_due
        if is_host:
            self._silent_due[link.id] = now + GUEST_SILENT_S
        match message:
            case HandOver() if is_host:
                return self.take_over(link, message, now)
            case Held() if self._returning.active:
                return self._returning.heard(link, message, now)
            case Held():
                return self._twins.heard_by_host(link, message, now)
            case Want():
                self._exchange.serving.serve(link, message, now)
                return self._settlement.wanted(link, message)
            case Settled() if is_host and not self._returning.active:
                return self._settlement.take_from_guest(link, message, now)
            case AskLines():
                return self._settlement.taking.answer(link, message)
            case Lines():
                return self._settlement.taking.take(link, message, now)
            case Part():
                effects = self._exchange.take_part(link, message, now)
                effects += self._settlement.taking.look(now)
                return [*effects, *self._late.look(now)]
            case RosterMessage() | RosterDigest() | RosterList():
                return self._membership.handle(link, message, now)
            case _:
                return []

    def take_over(self, link: Link, message: HandOver, now: float) -> list[Effect]:
        """Fetch what a peer that goes offers and we lack; say what we hold durably."""
        effects: list[Effect] = []
        if not self._returning.active:  # else nobody asks us for it, and we hand over ourselves
            for column, head in message.heads.items():
                if self._late.is_refused(column, head, link.peer):
                    effects += self._late.offer(link, column, head, now)
                else:
                    self._exchange.ahead(link, column, head)
        heads = message.heads.items()
        held = {column: self._counters.head(column) for column, _ in heads}
        # What we shall never count, and have in a file.
        written = self._late.is_written
        refused = [c for c, head in heads if head > held[c] and written(c, head)]
        answer = Held(message.number, held, self._roster.hash(), tuple(refused))
        effects += [*self._exchange.ask(now), *self._settlement.taking.look(now)]
        return [*effects, Send((link.id,), answer)]

    def closed(self, link: int) -> None:
        """Take note that a link is gone."""
        self._silent_due.pop(link, None)
        self._returning.closed(link)

    # -- time -------------------------------------------------------------------------------

    def wake(self, now: float) -> list[Effect]:
        """Do what is due. Drops among the effects are of links that the caller has to forget."""
        silent = [link for link, due in self._silent_due.items() if now >= due]
        return [Drop(link, "silent_guest") for link in silent]

    def next_wake(self) -> float:
        """Return when to wake at the latest (`inf` without a guest)."""
        return min(self._silent_due.values(), default=float("inf"))
