"""Settling: making the lines of settled columns equal on all nodes.

Theory. Whoever learns that a column is closed closes its own copy at the version it has, and what
it lacks comes later by the same deltas as for open columns. So a line says two things that merge by
taking the larger: the version that its sender holds, which we then ask for, and the last version
there will ever be, where it is known. Nothing is told that the teller does not hold itself.

News goes to a random peer each second, with the heads. What that misses is found by hash
(`checks`): then the side that asked walks through all lines, in the order of columns. It cuts them
into a few ranges and tells the sums over these; the other says which differ, and only those are
cut further, until few lines are left of a range: these it tells, and the other answers with what
it has more of there. So a comparison costs what differs and not all that there is. Where much
differs next to each other, it is told in pages of 256.

This module refuses to know why a column is closed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import attrs

from gcounterd.counters.counters import Counters
from gcounterd.counters.ranges import SUM_BYTES
from gcounterd.counters.settled import LAST_COLUMN, Closing, Line
from gcounterd.errors import PeerError
from gcounterd.ids import ColumnId
from gcounterd.node.effects import Effect, Send
from gcounterd.node.exchange import Exchange
from gcounterd.node.intake import Intake
from gcounterd.node.joining import Joining
from gcounterd.node.peers import Link
from gcounterd.node.settled_messages import LINES_MAX, Settled, SettledDiffer, SettledSums

# A line takes some 300 bytes of memory for ever; a peer that tells of more columns is wrong.
SETTLED_MAX = 1 << 20


# A range of so few lines is told, one with more is cut, into so many parts: of a thousand lines
# two cuts leave some sixteen, which together take less than a kilobyte.
FEW_LINES = 16
PARTS = 8


@attrs.frozen
class _Span:
    """The lines after one column and up to another; `listed`: to be told, however many."""

    after: bytes
    upto: bytes
    listed: bool = False


# Behind everything. That it is asked for says that a walk has come to its end.
_END = _Span(LAST_COLUMN, LAST_COLUMN, listed=True)


@attrs.define(eq=False)
class _Walk:
    """A walk through all lines with the peer of a link.

    ahead  what is still to be compared, the next one last
    asked  what was asked about
    ends   where the parts of that end whose sums were told; none where its lines were
    waits  the next one has not been asked about: too much is to be fetched already
    """

    link: Link
    ahead: list[_Span]
    asked: _Span = _END
    ends: tuple[ColumnId, ...] = ()
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

    def opened(self, link: Link) -> None:
        """Take note of a link, over which hashes of all lines are compared first."""
        self._told[link.id] = self._change

    def level(self, link: Link) -> None:
        """Note that a peer has just our lines."""
        self._told[link.id] = self._change
        self._joining.hear_settled(link.peer)

    def begin(self, link: Link) -> list[Effect]:
        """Walk through all lines with a peer whose hash of them differs."""
        self._told[link.id] = self._change
        walk = self._walks[link.id] = _Walk(link, [_Span(b"", LAST_COLUMN)])
        return self._ask_next(walk)

    def _ask_next(self, walk: _Walk) -> list[Effect]:
        span = walk.ahead.pop()
        walk.asked, walk.ends, walk.waits = span, (), False
        settled, after, upto = self._settled, span.after, span.upto
        if not span.listed and settled.count(after, upto) > FEW_LINES:
            walk.ends = settled.cut(after, upto, PARTS)
            sums = SettledSums(after, walk.ends, settled.sums(after, walk.ends))
            return [Send((walk.link.id,), sums)]
        upto, lines = settled.page(after, LINES_MAX, upto)
        walk.asked = _Span(after, upto, listed=True)
        if upto != span.upto:
            walk.ahead.append(_Span(upto, span.upto, listed=True))
        return [Send((walk.link.id,), Settled(after, upto, lines, asks=True))]

    def differ(self, link: Link, message: SettledSums) -> list[Effect]:
        """Answer a peer's sums with the ranges in which ours are others."""
        ends, size = message.ends, SUM_BYTES
        mine, theirs = self._settled.sums(message.after, ends), message.sums
        differ = 0
        for number in range(len(ends)):
            at = number * size
            differ |= (mine[at : at + size] != theirs[at : at + size]) << number
        if not (differ or message.after) and ends[-1] == LAST_COLUMN:
            self._joining.hear_settled(link.peer)  # we hold all that it has
        return [Send((link.id,), SettledDiffer(message.after, ends[-1], differ))]

    def narrow(self, link: Link, message: SettledDiffer) -> list[Effect]:
        """Go on with the ranges that differ."""
        walk = self._walks.get(link.id)
        if walk is None or walk.waits or not walk.ends:
            return []
        if (message.after, message.upto) != (walk.asked.after, walk.ends[-1]):
            return []
        walk.ahead += reversed(self._choose(walk, message.differ))
        return self._go_on_later(walk)

    def _choose(self, walk: _Walk, differ: int) -> list[_Span]:
        """Return the parts that differ; neighbours are told together if one page holds them."""
        chosen: list[_Span] = []
        after = walk.asked.after
        for number, upto in enumerate(walk.ends):
            if differ >> number & 1:
                first = chosen[-1].after if chosen and chosen[-1].upto == after else None
                if first is not None and self._settled.count(first, upto) <= LINES_MAX:
                    chosen[-1] = _Span(first, upto, listed=True)
                else:
                    chosen.append(_Span(after, upto))
            after = upto
        return chosen

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
        if walk is None or walk.waits or walk.ends:
            return []
        asked = walk.asked
        if asked.after != message.after or message.upto > asked.upto:
            return []
        if message.upto == LAST_COLUMN:
            del self._walks[link.id]
            self._joining.hear_settled(link.peer)
            return []
        if message.upto <= message.after:
            return []  # it goes no further, and would not the next time
        if message.upto < asked.upto:
            walk.ahead.append(_Span(message.upto, asked.upto, listed=True))
        return self._go_on_later(walk)

    def _go_on_later(self, walk: _Walk) -> list[Effect]:
        if not walk.ahead:
            walk.ahead.append(_END)
        walk.waits = True
        return self.walk_on()

    def walk_on(self) -> list[Effect]:
        """Go on with walks that waited, as soon as what they have found is nearly fetched."""
        if self._exchange.is_behind:
            return []
        waiting = [walk for walk in self._walks.values() if walk.waits]
        return [effect for walk in waiting for effect in self._ask_next(walk)]

    def closed(self, link: int) -> None:
        """Take note that a link is gone."""
        self._told.pop(link, None)
        self._walks.pop(link, None)


def _is_more(mine: Line, theirs: Line | None) -> bool:
    return theirs is None or mine.version > theirs.version or _says_more(mine, theirs)


def _says_more(line: Line, other: Line) -> bool:
    return line.final > other.final or bool(line.source and not other.source)
