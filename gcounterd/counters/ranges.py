"""Ranges: columns in order, each with a number, and sums of the numbers over any range of columns.

Theory. Two nodes that hold nearly the same find what differs by comparing sums over ranges: where
a sum is equal the lines are, where it is not the range is cut further. So a range's sum must not
cost a look at all that lies in it. Columns lie in blocks of at most 1,024, each with the sum of
its numbers: what is asked of a million columns are a thousand additions or two.

This module refuses to know what a number stands for.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import islice

import attrs

from gcounterd.ids import ColumnId

# A block that is larger is split into two.
_BLOCK_COLUMNS = 1024
# Sums are taken modulo 2 to this; as many bits as go over the wire.
SUM_BYTES = 8
_MASK = (1 << 8 * SUM_BYTES) - 1


@attrs.define(eq=False)
class _Block:
    """Some neighbours: columns in order, their numbers, and the sum of these (not reduced)."""

    columns: list[ColumnId]
    numbers: list[int]
    total: int


class Ranges:
    """Columns with their numbers; `after` and `upto` name a range, the latter belongs to it."""

    def __init__(self) -> None:
        self._blocks = [_Block([], [], 0)]
        # From which column on a block holds them; what sorts before all is the first block's.
        self._firsts = [ColumnId(b"")]
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[ColumnId]:
        """Yield the columns in order."""
        for block in self._blocks:
            yield from block.columns

    def put(self, column: ColumnId, number: int) -> None:
        """Add a column, or replace its number; numbers are not negative."""
        index = bisect_right(self._firsts, column) - 1
        block = self._blocks[index]
        at = bisect_left(block.columns, column)
        block.total += number
        if at < len(block.columns) and block.columns[at] == column:
            block.total -= block.numbers[at]
            block.numbers[at] = number
            return
        block.columns.insert(at, column)
        block.numbers.insert(at, number)
        self._size += 1
        if len(block.columns) > _BLOCK_COLUMNS:
            self._split(index)

    def _split(self, index: int) -> None:
        block = self._blocks[index]
        half = len(block.columns) // 2
        upper = _Block(block.columns[half:], block.numbers[half:], sum(block.numbers[half:]))
        del block.columns[half:], block.numbers[half:]
        block.total -= upper.total
        self._blocks.insert(index + 1, upper)
        self._firsts.insert(index + 1, upper.columns[0])

    def _slices(self, after: bytes, upto: bytes) -> Iterator[tuple[_Block, int, int]]:
        """Yield the blocks of a range, each with where in it the range begins and ends."""
        first = bisect_right(self._firsts, ColumnId(after)) - 1
        last = max(first, bisect_right(self._firsts, ColumnId(upto)) - 1)
        for index in range(first, last + 1):
            block = self._blocks[index]
            begin = bisect_right(block.columns, ColumnId(after)) if index == first else 0
            end = len(block.columns)
            if index == last:
                end = bisect_right(block.columns, ColumnId(upto))
            if begin < end:
                yield block, begin, end

    def count(self, after: bytes, upto: bytes) -> int:
        """Return how many columns lie in a range."""
        return sum(end - begin for _, begin, end in self._slices(after, upto))

    def sum(self, after: bytes, upto: bytes) -> int:
        """Return the sum of the numbers in a range, of SUM_BYTES."""
        found = 0
        for block, begin, end in self._slices(after, upto):
            whole = end - begin == len(block.columns)
            found += block.total if whole else sum(block.numbers[begin:end])
        return found & _MASK

    def first(self, after: bytes, upto: bytes, most: int) -> list[ColumnId]:
        """Return the first columns of a range, so many at most."""
        slices = self._slices(after, upto)
        columns = (c for block, begin, end in slices for c in islice(block.columns, begin, end))
        return list(islice(columns, most))

    def cut(self, after: bytes, upto: bytes, parts: int) -> list[ColumnId]:
        """Return where the parts of a range end that hold about as many columns each.

        There are at most `parts` of them, at least one, and the last ends with the range.
        """
        size = max(1, -(-self.count(after, upto) // parts))
        ends: list[ColumnId] = []
        seen = 0
        for block, begin, end in self._slices(after, upto):
            ends += block.columns[begin + size - 1 - seen % size : end : size]
            seen += end - begin
        if ends and ends[-1] == upto:
            ends.pop()
        return [*ends[: parts - 1], ColumnId(upto)]
