"""Deltas: a column's changes gathered in parts by the sender, staged by the receiver.

Theory. A delta may be far larger than a frame, and the column goes on changing while it is
gathered. A *gathering* therefore sends segment by segment what it finds, and then a last part
that repeats everything stamped since the gathering began, made in one step: its version is the
head at that moment, and with it the parts are exactly the column at that version. While the last
part would be large another round is gathered first. The receiver *stages* the parts, never mixes
those of two gatherings, and takes them in when all are there.

The receiver pulls: it asks for part n. So a lost connection costs the parts in flight, back
pressure needs no signal, and a part asked for twice is simply gathered again. If that falls in
the last part, the whole last part is repeated under new numbers: it is complete by itself, and
what was staged before it is only older content of the same column.

This module refuses to know peers, clocks and frames.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np

from gcounterd.counters.batches import (
    ENTRY_BYTES_MAX,
    Batch,
    Block,
    Counts,
    Positions,
    make_block,
    split_blocks,
)
from gcounterd.counters.columns import SEGMENT_BITS, SEGMENT_SIZE, Column
from gcounterd.errors import PeerError
from gcounterd.ids import ColumnId

# The last part is made in one step, so it is bounded by what a step may cost (about 2 ms).
LAST_PART_BYTES_MAX = 1024 * 1024
# Entries and bytes of names taken by one part before the last.
_PART_ENTRIES = 16_384
_PART_NAMES = 4096
_PART_NAME_BYTES = 120 * 1024
# What a receiver stages of one column at most: 16 M counters with names of 20 bytes.
STAGED_BYTES_MAX = 512 * 1024 * 1024
_NOTHING: Positions = np.empty(0, np.int64)


@attrs.frozen
class _Round:
    """Where a gathering stands before a part: positions from `at` to `end`, stamped after
    `since`; names up to `named` are sent; `began` is the head when this round began."""

    since: int
    began: int
    at: int
    end: int
    named: int


@attrs.frozen(eq=False)
class Piece:
    """One part as the sender made it; `version` is not 0 in the last only."""

    number: int
    version: int
    block: Block


class Gathering:
    """The sender's side: what `column` has above `since`, for a receiver that knows `size`."""

    def __init__(self, column: Column, since: int, size: int, name: Callable[[int], bytes]) -> None:
        """`name` gives the key of a row."""
        self._column = column
        self._name = name
        self.since = since
        # It starts at the end of an empty round: if all fits a last part, that is all there is.
        self._rounds = [_Round(since, since, 0, 0, size)]

    @property
    def next(self) -> int:
        """Return the number of the next part."""
        return len(self._rounds) - 1

    def pieces(self, number: int) -> list[Piece]:
        """Return part `number`; if it is in the last part, all of that. The caller sees to it
        that the column is not busy. Raises `PeerError` for a part beyond the next one."""
        if not 0 <= number < len(self._rounds):
            raise PeerError("bad_part", "a part beyond the next one")
        here = self._rounds[number]
        del self._rounds[number + 1 :]
        while True:
            if here.at < here.end:
                block, after = self._take(here)
                if block is None:
                    here = after
                    continue
                self._rounds.append(after)
                return [Piece(number, 0, block)]
            if self._rest_is_small(here):
                return self._last(number, here)
            here = _Round(here.began, self._column.head, 0, self._column.size, here.named)

    def _rest_is_small(self, here: _Round) -> bool:
        new = self._column.size - here.named
        if new * ENTRY_BYTES_MAX > LAST_PART_BYTES_MAX:
            return False
        changed = 0
        for segment in self._column.segments:
            if segment.highest > here.began:
                changed += int(np.count_nonzero(segment.stamps[: segment.size] > here.began))
        size = changed * ENTRY_BYTES_MAX
        for row in self._rows(here.named, self._column.size):
            size += len(self._name(row))
            if size > LAST_PART_BYTES_MAX:
                return False
        return size <= LAST_PART_BYTES_MAX

    def _rows(self, first: int, end: int) -> list[int]:
        rows: list[int] = []
        while first < end:
            number, offset = divmod(first, SEGMENT_SIZE)
            upto = min(SEGMENT_SIZE, offset + end - first)
            rows += self._column.segments[number].rows[offset:upto].tolist()
            first += upto - offset
        return rows

    def _last(self, number: int, here: _Round) -> list[Piece]:
        column = self._column
        positions, counts = [], []
        for index, segment in enumerate(column.segments):
            changed = segment.changed(here.began)
            if len(changed):
                positions.append(changed + (index << SEGMENT_BITS))
                counts.append(segment.counts[changed])
        names = [self._name(row) for row in self._rows(here.named, column.size)]
        blocks = split_blocks(here.named, names, _join(positions), _join(counts))
        if not blocks:  # nothing is left to say but the version
            blocks = [make_block(here.named, (), _NOTHING, _NOTHING)]
        # Every number of the last part leads back to its beginning.
        self._rounds += [here] * (len(blocks) - 1)
        end = number + len(blocks) - 1
        return [
            Piece(n, column.head if n == end else 0, block)
            for n, block in enumerate(blocks, number)
        ]

    def _take(self, here: _Round) -> tuple[Block | None, _Round]:
        """Gather from one segment, as far as a part may go."""
        number, offset = divmod(here.at, SEGMENT_SIZE)
        segment = self._column.segments[number]
        stop = min(here.end - (number << SEGMENT_BITS), SEGMENT_SIZE)
        changed = segment.changed(here.since)
        changed = changed[(changed >= offset) & (changed < stop)]
        base = number << SEGMENT_BITS
        known = changed[changed < here.named - base][:_PART_ENTRIES]
        if len(known):
            (block,) = split_blocks(here.named, (), known + base, segment.counts[known])
            return block, attrs.evolve(here, at=base + int(known[-1]) + 1)
        if not len(changed):
            return None, attrs.evolve(here, at=base + stop)
        names = self._names_for(segment.rows[changed[:_PART_NAMES]].tolist())
        taken = changed[: len(names)]
        (block,) = split_blocks(here.named, names, taken + base, segment.counts[taken])
        after = base + int(taken[-1]) + 1
        return block, attrs.evolve(here, at=after, named=after)

    def _names_for(self, rows: list[int]) -> list[bytes]:
        names: list[bytes] = []
        size = 0
        for row in rows:
            name = self._name(row)
            size += len(name)
            if names and size > _PART_NAME_BYTES:
                break
            names.append(name)
        return names


def _join(arrays: list[Positions] | list[Counts]) -> Positions:
    return np.concatenate(arrays) if arrays else _NOTHING


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
