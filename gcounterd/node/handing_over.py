"""Handing over: how a process that goes makes sure that others hold all that it holds.

Theory. It names its columns with their versions, whatever became of them, and asks each receiver
how far it holds them. A receiver fetches what it lacks, as from anybody, and answers with what it
holds durably; so the question is repeated until the answer is "all". What was held once stays held,
so only what is lacking is asked about again. Of a column that had to be set aside meanwhile, since
the receiver has forgotten it lower, no more is asked than is left.

All receivers share one list of what is offered; each has its place in it, and a bounded number of
columns that it was asked about and does not hold yet. What rises meanwhile is put at the end of the
list. So memory follows the number of columns and not that of columns times receivers.

This module refuses to know why the process goes, and who has to hold what.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import attrs

from gcounterd.counters.counters import Counters
from gcounterd.ids import ColumnId, NodeId
from gcounterd.members.roster import Roster
from gcounterd.node.effects import Effect, Send
from gcounterd.node.peers import Link
from gcounterd.node.removal_messages import HandOver, Held
from gcounterd.node.settled_messages import LINES_MAX, Settled

# Columns in one question: as many as a message may name.
COLUMNS_PER_FRAME = 1024
# Columns of which one receiver is asked at a time; the next are named when it holds these.
LACKING_MAX = 4 * COLUMNS_PER_FRAME
# How often a receiver is asked again that was still fetching.
ASK_AGAIN_S = 0.25


@attrs.define(eq=False)
class _Receiver:
    """link     on which it was asked; another one is another process, or its disk's next life
    next     its place in the list of what is offered
    lacking  what it was asked about and does not hold
    roster   the hash of the roster that it showed last
    asked    number of the last question, and `due` when the next one is
    """

    link: int
    next: int = 0
    lacking: dict[ColumnId, None] = attrs.Factory(dict)
    roster: bytes = b""
    asked: int = 0
    due: float = 0.0


class HandingOver:
    """What is offered, and who holds how much of it."""

    def __init__(self, counters: Counters, roster: Roster) -> None:
        self._counters = counters
        self._roster = roster
        self._offered: dict[ColumnId, int] = {}
        self._order: list[ColumnId] = []
        self._receivers: dict[NodeId, _Receiver] = {}
        self._number = 0
        # What receivers will never take in, and who said so.
        self.refused: dict[ColumnId, NodeId] = {}

    @property
    def columns(self) -> int:
        """Return how many columns are offered."""
        return len(self._offered)

    def offer(self) -> None:
        """Offer what is held now, as far as that is more than before."""
        for column, head in self._counters.all_heads().items():
            self._offer(column, head)

    def offer_some(self, columns: Iterable[ColumnId]) -> None:
        """Offer these columns at the versions held now."""
        for column in columns:
            self._offer(column, self._counters.head(column))

    def _offer(self, column: ColumnId, head: int) -> None:
        if head > self._offered.get(column, 0):
            self._offered[column] = head
            self._order.append(column)

    # -- receivers --------------------------------------------------------------------------

    def ask(self, links: Iterable[Link], now: float, *, again: bool = False) -> list[Effect]:
        """Ask the peers of these links that may lack something, where that is due.

        `again` asks those as well that hold everything: to hear that they are still there.
        """
        effects: list[Effect] = []
        for link in links:
            receiver = self._receiver(link)
            if now >= receiver.due and (again or not self.is_done(link.peer)):
                effects += self._ask(link, receiver, now)
        return effects

    def _receiver(self, link: Link) -> _Receiver:
        receiver = self._receivers.get(link.peer)
        if receiver is None or receiver.link != link.id:
            receiver = self._receivers[link.peer] = _Receiver(link.id)
        return receiver

    def _ask(self, link: Link, receiver: _Receiver, now: float) -> list[Effect]:
        room = LACKING_MAX - len(receiver.lacking)
        more = self._order[receiver.next : receiver.next + room]
        receiver.next += len(more)
        receiver.lacking |= dict.fromkeys(more)
        receiver.due = now + ASK_AGAIN_S
        columns = list(receiver.lacking)
        effects = self._name(link, more)
        # An empty question still asks for the roster.
        for at in range(0, max(1, len(columns)), COLUMNS_PER_FRAME):
            self._number += 1
            heads = {c: self._offered[c] for c in columns[at : at + COLUMNS_PER_FRAME]}
            effects.append(Send((link.id,), HandOver(self._number, heads)))
        receiver.asked = self._number
        return effects

    def _name(self, link: Link, columns: list[ColumnId]) -> list[Effect]:
        """Tell what no column says itself: what is final, and the sources of what was imported."""
        lines = {column: self._counters.settled.get(column) for column in columns}
        named = {
            column: line for column, line in lines.items() if line and (line.final or line.source)
        }
        starts = range(0, len(named), LINES_MAX)
        pages = [dict(itertools.islice(named.items(), at, at + LINES_MAX)) for at in starts]
        return [Send((link.id,), Settled(b"", b"", page, asks=False)) for page in pages]

    def heard(self, link: Link, held: Held, now: float) -> None:
        """Take a receiver's answer in."""
        receiver = self._receivers.get(link.peer)
        if receiver is None or receiver.link != link.id:
            return
        before = len(receiver.lacking)
        for column, head in held.heads.items():
            least = min(self._offered.get(column, 0), self._counters.head(column))
            if column in receiver.lacking and head >= least:
                del receiver.lacking[column]
        for column in held.refused:
            if column in receiver.lacking:
                del receiver.lacking[column]
                self.refused[column] = link.peer
        receiver.roster = held.roster
        if len(receiver.lacking) < before and held.number == receiver.asked:
            receiver.due = now

    def closed(self, link: int) -> None:
        """Take note that a link is gone."""
        gone = [node for node, receiver in self._receivers.items() if receiver.link == link]
        for node in gone:
            del self._receivers[node]

    def holds(self, node: NodeId) -> bool:
        """Say whether a receiver holds all that is offered."""
        receiver = self._receivers.get(node)
        return receiver is not None and receiver.next == len(self._order) and not receiver.lacking

    def agrees(self, node: NodeId) -> bool:
        """Say whether the roster that a receiver showed last is ours."""
        receiver = self._receivers.get(node)
        return receiver is not None and receiver.roster == self._roster.hash()

    def has_answered(self, node: NodeId) -> bool:
        """Say whether a receiver has shown its roster on the present link."""
        receiver = self._receivers.get(node)
        return receiver is not None and bool(receiver.roster)

    def is_done(self, node: NodeId) -> bool:
        """Say whether a receiver holds everything and has our roster."""
        return self.holds(node) and self.agrees(node)

    def lacks(self, node: NodeId) -> int:
        """Return how many columns a receiver has not confirmed."""
        receiver = self._receivers.get(node)
        if receiver is None:
            return len(self._order)
        return len(self._order) - receiver.next + len(receiver.lacking)

    # -- time -------------------------------------------------------------------------------

    def next_wake(self) -> float:
        """Return when the next question is due (`inf` if nobody lacks anything)."""
        return min(
            [each.due for node, each in self._receivers.items() if not self.is_done(node)],
            default=float("inf"),
        )
