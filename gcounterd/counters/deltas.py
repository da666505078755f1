"""Deltas: a column's changes gathered in parts by the sender, staged by the receiver.

Theory. A delta may be far larger than a frame, and the column goes on changing while it is
gathered. A *gathering* therefore goes in rounds. A round notes the head at which it began, and its
parts hold what was stamped up to there, after the beginning of the round before; what changes
meanwhile is left to the next round. The last round is small enough to be made in one step: its
version is the head at that moment, and with it the parts are exactly the column at that version.
The receiver *stages* the parts, never mixes those of two gatherings, and takes them in when all
are there.

The receiver pulls: it asks for part n. So a lost connection costs the parts in flight, and back
pressure needs no signal. A part is a *span* of positions in a round, noted when it is first made
and never changed; asked for again, it is gathered again from the same span. It may then hold less
(what changed since belongs to a later round), so it always fits, and parts of several makings go
together: whatever is missing in one comes later. For the same reason a last round of which some
was lost becomes a round like any other, and another last one follows.

This module refuses to know peers, clocks and frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs
import numpy as np

from gcounterd.counters.batches import (
    ENTRY_BYTES_MAX,
    Batch,
    Block,
    Positions,
    make_block,
)
from gcounterd.counters.columns import SEGMENT_SIZE, Column
from gcounterd.errors import PeerError
from gcounterd.ids import ColumnId

# The last round is made in one step, so it is bounded by what a step may cost (about 2 ms).
LAST_PART_BYTES_MAX = 1024 * 1024
# Names are dearer: nearly a microsecond each where they lie all over the memory.
LAST_PART_NAMES_MAX = 4096
# What one part holds at most: entries; names among them; bytes, below a block's limit.
_PART_ENTRIES = 16_384
_PART_NAMES = 2048
_PART_BYTES = 200 * 1024
_NAME_HEADER_BYTES = 3
# What a receiver stages of one column at most: 16 M counters with names of 20 bytes.
STAGED_BYTES_MAX = 512 * 1024 * 1024


@attrs.frozen
class _Round:
    """What is stamped after `since` and up to `began`, at positions below `end`.

    Positions from `named` on are new to the receiver: they go with names, whatever their stamps.
    """

    since: int
    began: int
    end: int
    named: int


@attrs.frozen
class _Span:
    """Positions from `at` to `to` of a round: what one part is about."""

    round: _Round
    at: int
    to: int


@attrs.frozen(eq=False)
class Piece:
    """One part as the sender made it; `version` is not 0 in the last only."""

    number: int
    version: int
    block: Block


class Gathering:
    """The sender's side: what `column` has above `since`, for a receiver that knows `size`."""

    def __init__(
        self, column: Column, since: int, size: int, names: Callable[[list[int]], list[bytes]]
    ) -> None:
        """`names` gives the keys of rows."""
        self._column = column
        self._names_at = names
        self.since = since
        # It starts at the end of an empty round: if all fits a last round, that is all there is.
        self._round = _Round(since, since, 0, size)
        self._at = 0
        self._spans: list[_Span] = []
        self._at_hand: tuple[int, list[bytes]] = (0, [])
        self._last: int | None = None  # the first part of the last round, once it is made

    @property
    def next(self) -> int:
        """Return the number of the next part."""
        return len(self._spans)

    def pieces(self, number: int) -> list[Piece]:
        """Return part `number`, or all parts to the end if it is in the last round.

        The caller sees to it that the column is not busy. Raises `PeerError` for a part beyond
        the next one.
        """
        if not 0 <= number <= len(self._spans):
            raise PeerError("bad_part", "a part beyond the next one")
        pieces = self._repeat(number) if number < len(self._spans) else self._make(number)
        self._at_hand = (0, [])  # a list of names is work for the collector
        return pieces

    def _make(self, number: int) -> list[Piece]:
        while True:
            span = self._advance()
            if span is not None:
                self._spans.append(span)
                return [Piece(number, 0, self._gather(span))]
            if self._rest_is_small():
                return self._finish(number)
            self._begin_round()

    def _repeat(self, number: int) -> list[Piece]:
        if self._last is None or number < self._last or not self._rest_is_small():
            return [Piece(number, 0, self._gather(self._spans[number]))]
        again = enumerate(self._spans[number:], number)
        repeated = [Piece(n, 0, self._gather(span)) for n, span in again]
        return [*repeated, *self._finish(len(self._spans))]

    def _begin_round(self) -> None:
        before, column = self._round, self._column
        self._last = None
        known = max(before.named, before.end)
        self._round = _Round(before.began, column.head, column.size, known)
        self._at = 0

    def _finish(self, number: int) -> list[Piece]:
        """Make the last round in one step."""
        self._begin_round()
        self._last = number
        spans = []
        while (span := self._advance()) is not None:
            spans.append(span)
        # If nothing is left to say but the version, an empty part says it.
        spans = spans or [_Span(self._round, self._round.end, self._round.end)]
        self._spans += spans
        end = number + len(spans) - 1
        return [
            Piece(n, self._column.head if n == end else 0, self._gather(span))
            for n, span in enumerate(spans, number)
        ]

    def _rest_is_small(self) -> bool:
        known = max(self._round.named, self._round.end)
        new = self._column.size - known
        if new > LAST_PART_NAMES_MAX or new * ENTRY_BYTES_MAX > LAST_PART_BYTES_MAX:
            return False
        size = 0
        for segment in self._column.segments:
            size += len(segment.changed(self._round.began)) * ENTRY_BYTES_MAX
            if size > LAST_PART_BYTES_MAX:
                return False
        size += sum(map(len, self._names(known, self._column.size)))
        return size <= LAST_PART_BYTES_MAX

    # -- spans ------------------------------------------------------------------------------

    def _advance(self) -> _Span | None:
        """Return the next span, as much as a part may hold, or None at the round's end."""
        here, start = self._round, self._at
        known_end = min(here.named, here.end)
        at, room = start, _PART_ENTRIES
        while at < known_end and room:
            segment_end = min(known_end, (at | (SEGMENT_SIZE - 1)) + 1)
            found = self._changed(here, at, segment_end)
            at = segment_end if len(found) <= room else int(found[room - 1]) + 1
            room -= min(room, len(found))
        new = self._fitting(at, room) if known_end <= at < here.end and room else 0
        self._at = at + new
        return _Span(here, start, self._at) if new or room < _PART_ENTRIES else None

    def _changed(self, here: _Round, at: int, to: int) -> Positions:
        """Return the known positions of a round from `at` to `to`, within one segment."""
        number, offset = divmod(at, SEGMENT_SIZE)
        segment = self._column.segments[number]
        if segment.highest <= here.since:
            return np.empty(0, np.int64)
        stamps = segment.stamps[offset : offset + to - at]
        return np.flatnonzero((stamps > here.since) & (stamps <= here.began)) + at

    def _fitting(self, at: int, room: int) -> int:
        """Return how many names from position `at` on fit beside what a part holds already."""
        most = min(room, _PART_NAMES, self._round.end - at)
        names = self._names(at, at + most)
        size = (_PART_ENTRIES - room) * ENTRY_BYTES_MAX
        each = _NAME_HEADER_BYTES + ENTRY_BYTES_MAX
        if size + sum(map(len, names)) + most * each <= _PART_BYTES:
            return most
        for number, name in enumerate(names):
            size += len(name) + each
            if size > _PART_BYTES and (number or room < _PART_ENTRIES):
                return number
        return most

    def _names(self, first: int, end: int) -> list[bytes]:
        """Return the names of these positions; those asked for last are at hand.

        To look thousands up takes as long as to write them.
        """
        start, found = self._at_hand
        if not start <= first <= end <= start + len(found):
            found = self._names_at(self._rows(first, end))
            start = first
            self._at_hand = start, found
        return found[first - start : end - start]

    def _rows(self, first: int, end: int) -> list[int]:
        rows: list[int] = []
        while first < end:
            number, offset = divmod(first, SEGMENT_SIZE)
            upto = min(SEGMENT_SIZE, offset + end - first)
            rows += self._column.segments[number].rows[offset:upto].tolist()
            first += upto - offset
        return rows

    def _gather(self, span: _Span) -> Block:
        """Make the block of a span, from what the column holds now."""
        named = max(span.at, span.round.named)
        found = [*self._known(span), np.arange(named, max(named, span.to), dtype=np.int64)]
        positions = np.concatenate(found)
        names = self._names(named, max(named, span.to))
        first = named if names else span.round.named
        return make_block(first, names, positions, self._column.counts_at(positions))

    def _known(self, span: _Span) -> Iterator[Positions]:
        at, end = span.at, min(span.to, span.round.named)
        while at < end:
            upto = min(end, (at | (SEGMENT_SIZE - 1)) + 1)
            yield self._changed(span.round, at, upto)
            at = upto


class Stage:
    """The receiver's side: parts of one gathering, kept until the last is there."""

    def __init__(self, gathering: bytes, since: int) -> None:
        self.gathering = gathering
        self.since = since
        self.size_bytes = 0
        self.blocks: list[Block] = []

    @property
    def next(self) -> int:
        """Return the number of the part that is missing."""
        return len(self.blocks)

    def take(self, column: ColumnId, number: int, version: int, block: Block) -> Batch | None:
        """Stage a part; return the whole as a batch when it was the last.

        Only the next part is taken: others are repeated, or one before them was lost and will
        be asked for again. Raises `PeerError` if the stage would pass its limit.
        """
        if number != self.next:
            return None
        self.size_bytes += len(block.encoded)
        if self.size_bytes > STAGED_BYTES_MAX:
            raise PeerError("delta_too_large", "staged parts pass the limit")
        self.blocks.append(block)
        if not version:
            return None
        return Batch(column, self.since, version, tuple(self.blocks))
