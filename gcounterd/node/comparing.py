"""Comparing: how far other members are with what this node holds, for those who watch.

Theory. A column at a version is the same everywhere, so "are we equal?" is asked by heads. While
somebody watches, this node notes its own heads each second (a *mark*) and asks the members that it
is linked to whether they hold them, by the question that writers ask anyway (`node.keeping`). A
member that holds the newest mark is level with it; one that does not has been behind since the
oldest mark that it lacks. So what is shown is never newer than the last question, and a member that
cannot be asked is not called equal.

Only open columns are asked about: closed ones change when something comes late, and are compared by
their hash (`node.checks`). Nothing follows from what is told here but what people see.
"""

from __future__ import annotations

from collections import deque

import attrs

from gcounterd.counters.counters import Counters
from gcounterd.ids import ColumnId, NodeId
from gcounterd.node.effects import Effect, Send
from gcounterd.node.kept_messages import AskKept, Kept
from gcounterd.node.messages import Channel
from gcounterd.node.peers import Link, Peers

# Marks kept: at one a second, what a member that is behind for longer lacks is said by the oldest,
# which stays.
MARKS_MAX = 64
# Open columns that are compared: each is a word of a question to every peer, each second. With more
# nobody is called equal.
COLUMNS_MAX = 256


@attrs.frozen(eq=False)
class _Mark:
    """What this node held at a moment; later marks hold at least that."""

    at: float
    heads: dict[ColumnId, int]


@attrs.define(eq=False)
class _Told:
    """What a peer said that it holds, and how many marks from the oldest on that covers."""

    kept: dict[ColumnId, int] = attrs.Factory(dict)
    marks: int = 0


@attrs.frozen
class Compared:
    """How far a member is with what this node held when it asked last.

    behind  seconds since this node has held something that the member lacks, 0.0 for nothing
    ahead   it holds something that this node lacks
    """

    behind: float
    ahead: bool


class Comparing:
    """What members hold, as far as they were asked; one per node."""

    def __init__(self, counters: Counters, peers: Peers) -> None:
        self._counters = counters
        self._peers = peers
        self._marks: deque[_Mark] = deque()
        self._told: dict[NodeId, _Told] = {}

    @property
    def is_possible(self) -> bool:
        """Say whether there are few enough columns to compare."""
        return not self._marks or len(self._marks[-1].heads) <= COLUMNS_MAX

    @property
    def is_moving(self) -> bool:
        """Say whether this node holds more than when it asked last."""
        return not self._marks or self._marks[-1].heads != self._counters.heads()

    def ask(self, now: float) -> list[Effect]:
        """Note what this node holds now, and ask its peers whether they do."""
        self._tidy()
        heads = self._counters.heads()
        if not self._marks or self._marks[-1].heads != heads:
            self._marks.append(_Mark(now, heads))
        if len(self._marks) > MARKS_MAX:
            del self._marks[1]
            for told in self._told.values():
                told.marks = max(0, told.marks - 1)
        if not self.is_possible:
            return []
        effects: list[Effect] = []
        for link in self._peers.on(Channel.BULK):
            kept = self._told.setdefault(link.peer, _Told()).kept
            lacking = {c: head for c, head in heads.items() if kept.get(c, 0) < head}
            if lacking:
                effects.append(Send((link.id,), AskKept(lacking)))
        return effects

    def _tidy(self) -> None:
        """Let go of peers that no link leads to, and of marks that all the others hold."""
        linked = {link.peer: None for link in self._peers.on(Channel.BULK)}
        self._told = {peer: told for peer, told in self._told.items() if peer in linked}
        least = min((self._count(told) for told in self._told.values()), default=len(self._marks))
        for _ in range(min(least, len(self._marks) - 1)):
            self._marks.popleft()
            for told in self._told.values():
                told.marks -= 1

    def _count(self, told: _Told) -> int:
        """Return how many marks a peer holds, from the oldest on."""
        while told.marks < len(self._marks) and self._holds(told, self._marks[told.marks]):
            told.marks += 1
        return told.marks

    def _holds(self, told: _Told, mark: _Mark) -> bool:
        is_open = self._counters.is_open
        return all(told.kept.get(c, 0) >= head or not is_open(c) for c, head in mark.heads.items())

    def take(self, link: Link, message: Kept) -> None:
        """Take note of what a peer holds of the columns that were asked about."""
        told = self._told.get(link.peer)
        if told is None or not self._marks:
            return
        asked = self._marks[-1].heads
        for column, version in message.heads.items():
            if column in asked and version > told.kept.get(column, 0):
                told.kept[column] = version

    def closed(self, link: Link) -> None:
        """Forget what a peer said: it may have lost it with its disk when it comes back."""
        if link.channel is Channel.BULK:
            self._told.pop(link.peer, None)

    def look(self, node: NodeId, now: float) -> Compared | None:
        """Say how far a member is, None if it was not asked or cannot be."""
        told = self._told.get(node)
        if told is None or not self._marks or not self.is_possible:
            return None
        held = self._count(told)
        behind = now - self._marks[held].at if held < len(self._marks) else 0.0
        head = self._counters.head
        return Compared(behind, any(kept > head(c) for c, kept in told.kept.items()))
