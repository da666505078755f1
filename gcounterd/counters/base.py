"""The base: what closed columns add up to, by the node that counted it.

Theory. The totals already hold every column exactly once, so the base decides no value. It says
whose counts they are where their columns are no longer in memory: one sum for each node and row.
It is never stored nor sent, but built anew at each start from the columns themselves, so replaying
a journal cannot add to it twice.

What was imported is there under a node of its own for each source. Of those there may be many with
a few counters each, and one with millions, and none of them ever changes, so theirs are *sparse*:
runs of rows with their counts, and not an array as long as the key index.

This module refuses to know which columns are closed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gcounterd.counters.reserves import reserve
from gcounterd.ids import NodeId

# Rows made ready in one slice: 16,384 may lie on so many pages that nobody has touched, and each
# takes some microseconds to clear.
_ROWS_PER_SLICE = 16_384
# Nodes looked up in one slice, up to 3 us each.
_SUMS_PER_SLICE = 256


class Changes:
    """How often anything was added to any of the sums: whoever keeps some looks again then."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0


class Sums:
    """Sums by row of one node's closed columns.

    segments  how many segments of columns have become part of them in this process
    risen     by how much columns rose in this process when they were closed already
    """

    def __init__(self, max_counters: int, changes: Changes) -> None:
        self._array = reserve(max_counters, np.int64)
        self._changes = changes
        self.segments = 0
        self.risen = 0

    def add(self, rows: npt.NDArray[np.uint32], rises: npt.NDArray[np.int64]) -> None:
        """Add `rises` at `rows`; a row may stand twice."""
        if len(rows) and int(rows.max()) >= len(self._array):
            self._lengthen(int(rows.max()) + 1)
        np.add.at(self._array, rows, rises)
        self._changes.number += 1

    def adding(self, rows: npt.NDArray[np.uint32], rises: npt.NDArray[np.int64]) -> Iterator[None]:
        """Do as `add` in the last step, and make that one short in those before."""
        if len(rows) and int(rows.max()) >= len(self._array):
            self._lengthen(int(rows.max()) + 1)
        for at in range(0, len(rows), _ROWS_PER_SLICE):
            self._array[rows[at : at + _ROWS_PER_SLICE]] += 0
            yield
        self.add(rows, rises)

    def rise(self, rows: npt.NDArray[np.uint32], rises: npt.NDArray[np.int64]) -> None:
        """Add what came late for a column: `rises` at `rows`; a row may stand twice."""
        self.add(rows, rises)
        self.risen += int(rises.sum())

    def rise_one(self, row: int, rise: int) -> None:
        """Add a late rise at a row."""
        if row >= len(self._array):
            self._lengthen(row + 1)
        self._array[row] += rise
        self.risen += rise
        self._changes.number += 1

    def rise_run(self, first: int, rises: npt.NDArray[np.int64]) -> None:
        """Add late rises to all rows from `first` on; where something was set aside, falls."""
        self.risen += int(rises.sum())
        end = first + len(rises)
        if end > len(self._array):
            self._lengthen(end)
        self._array[first:end] += rises
        self._changes.number += 1

    def _lengthen(self, needed: int) -> None:
        """Make room where merged counters took the index beyond its limit."""
        more = max(needed - len(self._array), len(self._array))
        self._array = np.concatenate([self._array, np.zeros(more, np.int64)])

    def add_to(self, total: npt.NDArray[np.int64]) -> None:
        """Add these sums to others, which are as long at least."""
        total[: len(self._array)] += self._array

    def at(self, row: int) -> int:
        """Return the sum of a row."""
        return self._array.item(row) if row < len(self._array) else 0

    def total(self) -> int:
        """Return the sum over all rows."""
        return int(self._array.sum())

    def parts(self, size: int) -> Iterator[npt.NDArray[np.int64]]:
        """Yield the sums of the rows below `size`, some thousands at a time."""
        for at in range(0, min(size, len(self._array)), _ROWS_PER_SLICE):
            yield self._array[at : min(size, at + _ROWS_PER_SLICE)]


class SparseSums:
    """Sums by row of columns that are hardly ever added to, as runs of ascending rows.

    segments, risen  as in `Sums`
    """

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._runs: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
        self.segments = 0
        self.risen = 0

    def add(self, rows: npt.NDArray[np.uint32], rises: npt.NDArray[np.int64]) -> None:
        """Add `rises` at `rows`; a row may stand twice."""
        if len(rows):
            self._runs.append(_in_order(rows, rises))
        self._changes.number += 1

    def adding(self, rows: npt.NDArray[np.uint32], rises: npt.NDArray[np.int64]) -> Iterator[None]:
        """Do as `add` in the last step, and make that one short in those before."""
        runs = []
        for at in range(0, len(rows), _ROWS_PER_SLICE):
            end = at + _ROWS_PER_SLICE
            runs.append(_in_order(rows[at:end], rises[at:end]))
            yield
        self._runs += runs
        self._changes.number += 1

    def rise(self, rows: npt.NDArray[np.uint32], rises: npt.NDArray[np.int64]) -> None:
        """Add what came late for a column: `rises` at `rows`; a row may stand twice."""
        self.add(rows, rises)
        self.risen += int(rises.sum())

    def rise_one(self, row: int, rise: int) -> None:
        """Add a late rise at a row."""
        self.risen += rise
        self._changes.number += 1
        self._runs.append((np.array([row], np.int64), np.array([rise], np.int64)))

    def rise_run(self, first: int, rises: npt.NDArray[np.int64]) -> None:
        """Add late rises to all rows from `first` on."""
        self.risen += int(rises.sum())
        where = np.flatnonzero(rises)
        if len(where):
            self._runs.append((where + first, rises[where]))
        self._changes.number += 1

    def add_to(self, total: npt.NDArray[np.int64]) -> None:
        """Add these sums to others, which are as long at least."""
        for rows, rises in self._runs:
            np.add.at(total, rows, rises)

    def at(self, row: int) -> int:
        """Return the sum of a row."""
        found = 0
        for rows, rises in self._runs:
            first, end = np.searchsorted(rows, [row, row + 1]).tolist()
            found += int(rises[first:end].sum())
        return found

    def total(self) -> int:
        """Return the sum over all rows."""
        return sum(int(rises.sum()) for _, rises in self._runs)

    def parts(self, size: int) -> Iterator[npt.NDArray[np.int64]]:
        """Yield what all runs hold, each of some thousands at a time."""
        for _, rises in list(self._runs):
            for at in range(0, len(rises), _ROWS_PER_SLICE):
                yield rises[at : at + _ROWS_PER_SLICE]


def _in_order(
    rows: npt.NDArray[np.uint32], rises: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    order = np.argsort(rows, kind="stable")
    return rows[order].astype(np.int64), rises[order].astype(np.int64)


AnySums = Sums | SparseSums


class Base:
    """The sums of all nodes that have closed columns here."""

    def __init__(self, max_counters: int) -> None:
        self._max_counters = max_counters
        self._sums: dict[NodeId, AnySums] = {}
        self._changes = Changes()

    def of(self, node: NodeId, *, sparse: bool = False) -> AnySums:
        """Return the sums of a node, made if it has none yet: `sparse` of a source of imports."""
        sums = self._sums.get(node)
        if sums is None:
            sums = self._make(sparse)
            self._sums[node] = sums
        return sums

    def _make(self, sparse: bool) -> AnySums:
        return SparseSums(self._changes) if sparse else Sums(self._max_counters, self._changes)

    def risen(self, node: NodeId) -> int:
        """Return by how much a node's closed columns rose in this process, late."""
        sums = self._sums.get(node)
        return 0 if sums is None else sums.risen

    def at(self, node: NodeId, row: int) -> int:
        """Return what a node's closed columns hold of a row."""
        sums = self._sums.get(node)
        return 0 if sums is None else sums.at(row)

    @property
    def segments(self) -> int:
        """Return how many segments have become part of it in this process.

        Whoever adds what is in the base to what is not, with pauses, begins again where it rose.
        """
        return sum(sums.segments for sums in self._sums.values())

    @property
    def changes(self) -> int:
        """Return how often anything was added to it."""
        return self._changes.number

    def total(self, size: int) -> npt.NDArray[np.int64]:
        """Return the sums of all nodes together, by row; int64[size]."""
        total = np.zeros(size, np.int64)
        for sums in self._sums.values():
            sums.add_to(total)
        return total

    def parts(self, size: int) -> Iterator[tuple[NodeId, Iterator[npt.NDArray[np.int64]]]]:
        """Yield (node, its sums piece by piece) for the rows below `size`."""
        for node, sums in list(self._sums.items()):
            yield node, sums.parts(size)

    def of_row(self, row: int) -> Iterator[tuple[NodeId, int] | None]:
        """Yield (node, sum) where a node's closed columns hold something of a row, None to pause.

        There are as many of them as sources were imported.
        """
        for number, (node, sums) in enumerate(list(self._sums.items()), 1):
            count = sums.at(row)
            if count:
                yield node, count
            elif number % _SUMS_PER_SLICE == 0:
                yield None
