"""Acknowledging: waiting until enough members hold what was counted here.

Theory. A column at a version is the same everywhere, so "who holds this increment?" is "who holds
version v of my column?", and members answer that with a head (`node.keeping`). The question goes
out behind the push of the same commit, and again on a new link: an answer is about the disk of the
process that gave it. Whether enough hold it is worked out anew from the roster as it is at that
moment, so a member that is removed does not count any more, and one that joined does. Nothing is
decided by time: at its deadline a wait ends with the names of those that are known to hold it. That
is no failure: it was counted when this node held it.

All requests of one commit ask the same, so they share one wait: they are told by one effect.

This module refuses to know who waits, and how members come to hold anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from heapq import heappop, heappush

import attrs

from gcounterd.counters.counters import Counters
from gcounterd.ids import ColumnId, NodeId
from gcounterd.members.roster import Roster
from gcounterd.node.effects import AckDone, Effect, Send
from gcounterd.node.kept_messages import AskKept, Kept
from gcounterd.node.levels import Level, Mark
from gcounterd.node.messages import Channel
from gcounterd.node.peers import Link, Peers

# Waits under way at once, each of all requests of a commit. One more ends at once, with what is
# known: at a commit each millisecond that is half a second of commits of which none is held.
WAITS_MAX = 512
# Deadlines are rounded up to this, so that the requests of a commit have the same.
TICK_S = 0.02
# How often members are asked again that have not answered: a push or a question may be lost.
ASK_AGAIN_S = 0.5
# Columns in one question: what one message may name.
COLUMNS_PER_FRAME = 1024

# A mark, a level, a deadline in ticks, and how many others at the least.
_Key = tuple[Mark, Level, int, int]


@attrs.define(eq=False)
class _Wait:
    """What somebody waits for."""

    number: int
    key: _Key

    @property
    def mark(self) -> Mark:
        return self.key[0]

    @property
    def level(self) -> Level:
        return self.key[1]

    @property
    def others(self) -> int:
        return self.key[3]


@attrs.define(eq=False)
class _Told:
    """What is known of one column of ours.

    kept   by member, up to which version it holds it
    asked  by link, up to which version its peer was asked
    """

    kept: dict[NodeId, int] = attrs.Factory(dict)
    asked: dict[int, int] = attrs.Factory(dict)


class Acknowledging:
    """The waits of one node, and what members said."""

    def __init__(self, own: NodeId, counters: Counters, roster: Roster, peers: Peers) -> None:
        self._own = own
        self._counters = counters
        self._roster = roster
        self._peers = peers
        self._told: dict[ColumnId, _Told] = {}
        self._waits: dict[_Key, _Wait] = {}
        self._deadlines: list[tuple[int, int, _Key]] = []
        self._number = 0
        self._ask_due = math.inf

    def __len__(self) -> int:
        return len(self._waits)

    # -- waiting ----------------------------------------------------------------------------

    def wait(
        self, mark: Mark, level: Level, now: float, seconds: float, others: int = 0
    ) -> tuple[int, list[Effect]]:
        """Wait until members hold all of `mark`; it ends in one `AckDone` of the number returned.

        Enough do where `level` is reached and so many `others` are among them. Calls that ask the
        same before that get the same number.
        """
        key = (mark, level, math.ceil((now + seconds) / TICK_S), others)
        known = self._waits.get(key)
        if known is not None:
            return known.number, []
        self._number += 1
        wait = _Wait(self._number, key)
        if len(self._waits) >= WAITS_MAX or self._enough(wait) or seconds <= 0:
            return wait.number, [self._end(wait)]
        self._waits[key] = wait
        heappush(self._deadlines, (key[2], wait.number, key))
        if self._ask_due == math.inf:
            self._ask_due = now + ASK_AGAIN_S
        return wait.number, self._ask(dict(mark))

    def _reached(self, mark: Mark) -> Level:
        """Return the highest level at which `mark` is held, as far as is known."""
        members, holders = self._roster.size, len(self._holders(mark))
        if holders == members > 0:
            return Level.ALL
        return Level.MAJORITY if 2 * holders > members else Level.LOCAL

    def _enough(self, wait: _Wait) -> bool:
        if self._reached(wait.mark) < wait.level:
            return False
        if not wait.others:
            return True
        return sum(node != self._own for node in self._holders(wait.mark)) >= wait.others

    def _holders(self, mark: Mark) -> list[NodeId]:
        """Return the members not removed that are known to hold all of `mark`."""
        kept = [
            (told.kept if (told := self._told.get(column)) else {}, version)
            for column, version in mark
        ]
        members = (entry.node for entry in self._roster.belonging())
        return [
            node
            for node in members
            if node == self._own or all(by.get(node, 0) >= version for by, version in kept)
        ]

    def _end(self, wait: _Wait) -> AckDone:
        self._waits.pop(wait.key, None)
        labels = sorted(self._roster.label(node) for node in self._holders(wait.mark))
        return AckDone(wait.number, self._reached(wait.mark), tuple(labels))

    def _look(self, waits: Iterable[_Wait]) -> list[Effect]:
        """End those of some waits that have what they need."""
        ended = [wait for wait in waits if self._enough(wait)]
        return [self._end(wait) for wait in ended]

    # -- asking -----------------------------------------------------------------------------

    def committed(self, column: ColumnId) -> list[Effect]:
        """Ask for a commit of ours at once, since somebody will wait: it was pushed just now."""
        head = self._counters.head(column)
        return self._ask({column: head}) if head else []

    def _ask(self, heads: dict[ColumnId, int]) -> list[Effect]:
        """Ask members for these columns, as far as they are not known to hold them."""
        effects: list[Effect] = []
        questions: dict[Mark, list[int]] = {}
        for link in self._peers.on(Channel.BULK):
            wanted = self._wanted(link, heads)
            if wanted:
                questions.setdefault(wanted, []).append(link.id)
        for question, links in questions.items():
            for at in range(0, len(question), COLUMNS_PER_FRAME):
                named = dict(question[at : at + COLUMNS_PER_FRAME])
                effects.append(Send(tuple(links), AskKept(named)))
        return effects

    def _wanted(self, link: Link, heads: dict[ColumnId, int]) -> Mark:
        """Return what the peer of a link is to be asked for, and note that it is."""
        wanted = []
        for column, version in heads.items():
            told = self._told.setdefault(column, _Told())
            known = max(told.kept.get(link.peer, 0), told.asked.get(link.id, 0))
            if known < version:
                told.asked[link.id] = version
                wanted.append((column, version))
        return tuple(wanted)

    def _awaited(self) -> dict[ColumnId, int]:
        """Return the columns that are waited for, up to their highest versions."""
        heads: dict[ColumnId, int] = {}
        for wait in self._waits.values():
            for column, version in wait.mark:
                heads[column] = max(version, heads.get(column, 0))
        return heads

    def unlinked(self) -> list[NodeId]:
        """Return the members that are waited for and that no link leads to."""
        awaited = self._awaited()
        return [
            entry.node
            for entry in (self._roster.belonging() if awaited else ())
            if entry.node != self._own
            and self._peers.to(entry.node, Channel.BULK) is None
            and self._lacks(entry.node, awaited)
        ]

    def uses(self, node: NodeId) -> bool:
        """Say whether an answer is expected on the link to a member."""
        return bool(self._waits) and self._lacks(node, self._awaited())

    def _lacks(self, node: NodeId, heads: dict[ColumnId, int]) -> bool:
        return any(
            column not in self._told or self._told[column].kept.get(node, 0) < version
            for column, version in heads.items()
        )

    # -- what comes in ----------------------------------------------------------------------

    def take(self, link: Link, message: Kept) -> list[Effect]:
        """Take a member's answer in, as far as it was asked."""
        risen: dict[ColumnId, tuple[int, int]] = {}
        for column, version in message.heads.items():
            told = self._told.get(column)
            if told is None or link.id not in told.asked:
                continue
            if column == self._counters.writer.own and version > self._counters.head(column):
                continue  # it holds what another process wrote as us
            before = told.kept.get(link.peer, 0)
            if version > before:
                told.kept[link.peer] = version
                risen[column] = before, version
        return self._look([wait for wait in self._waits.values() if _concerns(wait, risen)])

    def opened(self, link: Link) -> list[Effect]:
        """Ask anew on a new link: what was said before may be lost with a disk."""
        for told in self._told.values():
            told.kept.pop(link.peer, None)
        return self._ask(self._awaited())

    def closed(self, link: int) -> None:
        """Take note that a link is gone."""
        for told in self._told.values():
            told.asked.pop(link, None)

    def merged(self) -> list[Effect]:
        """Take note that the roster changed."""
        return self._look(self._waits.values())

    def give_up(self) -> list[Effect]:
        """End all waits: nobody answers this node any more."""
        return [self._end(wait) for wait in list(self._waits.values())]

    # -- time -------------------------------------------------------------------------------

    def wake(self, now: float) -> list[Effect]:
        """End the waits whose time is over, and ask those again that did not answer."""
        effects: list[Effect] = []
        while self._deadlines and self._deadlines[0][0] * TICK_S <= now:
            _, number, key = heappop(self._deadlines)
            wait = self._waits.get(key)
            if wait is not None and wait.number == number:
                effects.append(self._end(wait))
        if now >= self._ask_due:
            effects += self._ask_again(now)
        return effects

    def _ask_again(self, now: float) -> list[Effect]:
        awaited = self._awaited()
        for column in list(self._told):
            if column in awaited:
                self._told[column].asked.clear()
            elif column != self._counters.writer.own:
                del self._told[column]
        self._ask_due = now + ASK_AGAIN_S if awaited else math.inf
        return self._ask(awaited)

    def next_wake(self) -> float:
        """Return when to wake at the latest (`inf` if nothing is waited for)."""
        while self._deadlines:
            due, number, key = self._deadlines[0]
            wait = self._waits.get(key)
            if wait is not None and wait.number == number:
                return min(due * TICK_S, self._ask_due)
            heappop(self._deadlines)
        return self._ask_due


def _concerns(wait: _Wait, risen: dict[ColumnId, tuple[int, int]]) -> bool:
    """Say whether a member that now holds more of some columns may be what a wait lacked."""
    for column, version in wait.mark:
        before, after = risen.get(column, (0, 0))
        if before < version <= after:
            return True
    return False
