"""Settling: making the lines of settled columns equal on all nodes.

Theory. Whoever learns that a column is closed closes its own copy at the version it has, and what
it lacks comes later by the same deltas as for open columns. So a line says two things that merge by
taking the larger: the version that its sender holds, which we then ask for, and the last version
there will ever be, where it is known. Nothing is told that the teller does not hold itself.

News goes to a random peer each second, with the heads. What that misses is found by hash
(`checks`): then the side that asked walks through all lines in pages of 256, in the order of
columns, and the other answers each page with what it has more of there.

This module refuses to know why a column is closed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import attrs

from gcounterd.counters.counters import Counters
from gcounterd.counters.settled import LAST_COLUMN, Closing, Line
from gcounterd.errors import PeerError
from gcounterd.ids import ColumnId
from gcounterd.node.effects import Effect, Send
from gcounterd.node.exchange import Exchange
from gcounterd.node.intake import Intake
from gcounterd.node.joining import Joining
from gcounterd.node.messages import LINES_MAX, Settled
from gcounterd.node.peers import Link

# A line takes some 300 bytes of memory for ever; a peer that tells of more columns is wrong.
SETTLED_MAX = 1 << 20


@attrs.define(eq=False)
class _Walk:
    """A walk through all lines with the peer of a link.

    after, upto  the page that was asked for
    waits        the page after it has not been asked for: too much is to be fetched already
    """

    link: Link
    after: bytes
    upto: bytes
    waits: bool = False


class Settling:
    """What is told and asked of settled columns; one per node."""

    def __init__(
        self, counters: Counters, intake: Intake, exchange: Exchange, joining: Joining
    ) -> None:
        self._counters = counters
        self._settled = counters.settled
        self._intake = intake
        self._exchange = exchange
        self._joining = joining
        self._changes: dict[ColumnId, int] = {}
        self._change = 0
        # By link: up to which change its peer was told, and up to which column a walk has come.
        self._told: dict[int, int] = {}
        self._walks: dict[int, _Walk] = {}

    def changed(self, columns: Iterable[ColumnId]) -> None:
        """Note that lines of these columns were written."""
        self._change += 1
        for column in columns:
            self._changes.pop(column, None)
            self._changes[column] = self._change

    def hash(self) -> bytes:
        """Return 16 bytes that are equal where all lines are."""
        return self._settled.hash()

    # -- telling ----------------------------------------------------------------------------

    def tell(self, links: Iterable[Link], columns: Iterable[ColumnId]) -> list[Effect]:
        """Tell peers some lines at once."""
        found = list(columns)
        ids = tuple([link.id for link in links])
        pages = [found[at : at + LINES_MAX] for at in range(0, len(found), LINES_MAX)]
        return [Send(ids, Settled(b"", b"", self._lines(page), asks=False)) for page in pages]

    def _lines(self, columns: Iterable[ColumnId]) -> dict[ColumnId, Line]:
        lines = {column: self._settled.get(column) for column in columns}
        return {column: line for column, line in lines.items() if line is not None}

    def tell_changes(self, link: Link) -> list[Effect]:
        """Tell a peer the lines that changed since it was last told; the rest comes by hash."""
        told = self._told.get(link.id, 0)
        self._told[link.id] = self._change
        columns: list[ColumnId] = []
        for column, change in reversed(self._changes.items()):
            if change <= told or len(columns) == LINES_MAX:
                break
            columns.append(column)
        return self.tell([link], columns)

    # -- comparing --------------------------------------------------------------------------

    def level(self, link: Link) -> None:
        """Note that a peer has just our lines."""
        self._told[link.id] = self._change
        self._joining.hear_settled(link.peer)

    def begin(self, link: Link) -> list[Effect]:
        """Walk through all lines with a peer whose hash of them differs."""
        self._told[link.id] = self._change
        return self._page(link, b"")

    def _page(self, link: Link, after: bytes) -> list[Effect]:
        upto, lines = self._settled.page(after, LINES_MAX)
        self._walks[link.id] = _Walk(link, after, upto)
        return [Send((link.id,), Settled(after, upto, lines, asks=True))]

    def take(self, link: Link, message: Settled, now: float) -> list[Effect]:
        """Take lines in, answer what a page asks for, and go on with a walk."""
        self.learn(message.lines)
        for column, line in message.lines.items():
            if not line.forgotten:
                self._exchange.ahead(link, column, line.version)
        told = {c: line.version for c, line in message.lines.items()}
        self._joining.hear(link.peer, told)
        effects: list[Effect] = []
        if message.asks:
            effects = self._answer(link, message)
        elif message.upto:
            effects = self._go_on(link, message)
        return [*effects, *self._exchange.ask(now)]

    def learn(self, lines: dict[ColumnId, Line]) -> None:
        """Close what a peer has closed, and note what is final."""
        news = []
        for column, line in lines.items():
            mine = self._settled.get(column)
            if mine is None or _says_more(line, mine):
                news.append(Closing(column, line.final, line.source))
        if len(self._settled) + len(news) > SETTLED_MAX:
            raise PeerError("too_many_columns", f"more than {SETTLED_MAX} settled columns")
        self._intake.take_closings(tuple(news))

    def _answer(self, link: Link, message: Settled) -> list[Effect]:
        """Answer a page with what we have more of in its range, or in the beginning of it."""
        upto, held = self._settled.page(message.after, len(message.lines) + LINES_MAX, message.upto)
        more = {c: line for c, line in held.items() if _is_more(line, message.lines.get(c))}
        if len(more) > LINES_MAX:
            more = dict(itertools.islice(more.items(), LINES_MAX))
            upto = next(reversed(more))
        if upto == LAST_COLUMN:
            self._joining.hear_settled(link.peer)  # with all it has; what is asked comes later
        return [Send((link.id,), Settled(message.after, upto, more, asks=False))]

    def _go_on(self, link: Link, message: Settled) -> list[Effect]:
        """Go on with a walk after the answer to its last page, which may be to a part of it."""
        walk = self._walks.get(link.id)
        if walk is None or walk.after != message.after or message.upto > walk.upto:
            return []
        if message.upto == LAST_COLUMN:
            del self._walks[link.id]
            self._joining.hear_settled(link.peer)
            return []
        walk.upto, walk.waits = message.upto, True
        return self.walk_on()

    def walk_on(self) -> list[Effect]:
        """Go on with walks that waited, as soon as what they have found is nearly fetched."""
        if self._exchange.is_behind:
            return []
        waiting = [walk for walk in self._walks.values() if walk.waits]
        return [effect for walk in waiting for effect in self._page(walk.link, walk.upto)]

    def closed(self, link: int) -> None:
        """Take note that a link is gone."""
        self._told.pop(link, None)
        self._walks.pop(link, None)


def _is_more(mine: Line, theirs: Line | None) -> bool:
    return theirs is None or mine.version > theirs.version or _says_more(mine, theirs)


def _says_more(line: Line, other: Line) -> bool:
    return line.final > other.final or bool(line.source and not other.source)
