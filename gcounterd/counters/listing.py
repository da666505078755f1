"""Listings: keys in order, and the largest counters, in slices.

Theory. The key index is a hash table, so order has to be made. Names never change and rows only
grow, hence each run of 4,096 rows is sorted once, when it is full, and kept as a tuple, at which
the garbage collector looks only once; a query finds its place in every run by bisection and merges
them. A million counters are 245 runs: about a
millisecond per query, nothing per increment, and the sorting happens when somebody first asks.

Every method that may take long is a generator that yields between slices; what it returns comes
as the generator's return value.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Generator, Iterator, Sequence

import numpy as np

from gcounterd.counters.batches import Positions
from gcounterd.counters.counters import Counters

_RUN = 4096
# Runs whose place is found in one slice.
_RUNS_PER_SLICE = 128
_ROWS_PER_SLICE = 65_536
# Names merged out of all runs in one slice: some 3 us each of a million counters.
_NAMES_PER_SLICE = 256


class Listing:
    """Ordered views of the keys of `counters`."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._runs: list[tuple[bytes, ...]] = []

    def _sorted_runs(self) -> Generator[None, None, list[tuple[bytes, ...]]]:
        """Return the runs, the last of which is whatever does not fill one yet."""
        names = self._counters.keys.names
        while (len(self._runs) + 1) * _RUN <= len(names):
            start = len(self._runs) * _RUN
            self._runs.append(tuple(sorted(names.run(start, _RUN))))
            yield
        last = tuple(sorted(names.run(len(self._runs) * _RUN, _RUN)))
        yield
        return [*self._runs, last]

    def page(
        self, prefix: bytes, after: bytes, limit: int
    ) -> Generator[None, None, list[tuple[bytes, int]]]:
        """Return up to `limit` (key, value) whose key starts with `prefix` and is above `after`."""
        runs = yield from self._sorted_runs()
        start = max(prefix, after + b"\0") if after else prefix
        places = []
        for number, run in enumerate(runs):
            at = bisect_left(run, start)
            if at < len(run) and run[at].startswith(prefix):
                places.append(_from(run, at))
            if number % _RUNS_PER_SLICE == _RUNS_PER_SLICE - 1:
                yield
        yield
        found: list[tuple[bytes, int]] = []
        for number, name in enumerate(heapq.merge(*places), 1):
            if len(found) == limit or not name.startswith(prefix):
                break
            if number % _NAMES_PER_SLICE == 0:
                yield
            value = self._counters.value(name)
            if value:
                found.append((name, value))
        return found

    def walk(self, row: int, most: int) -> tuple[list[tuple[bytes, int]], int | None]:
        """Return the (key, value) of `most` rows from `row` on, without empty ones.

        With them the row to go on at, None if there is none yet: rows only grow.
        """
        names = self._counters.keys.names
        end = min(row + most, len(names))
        totals = self._counters.totals[row:end].tolist()
        found = [(names[at], total) for at, total in enumerate(totals, row) if total]
        return found, end if end < len(names) else None

    def top(self, limit: int, prefix: bytes) -> Generator[None, None, list[tuple[bytes, int]]]:
        """Return the `limit` largest counters whose key starts with `prefix`, largest first.

        Equal ones come in the order of their keys; which of several equal ones the limit cuts off
        is open.
        """
        best: list[tuple[int, bytes]] = []
        slices = self._rows_under(prefix) if prefix else self._all_rows()
        for rows in slices:
            totals = self._counters.totals[rows]
            keep = np.arange(len(rows))
            if len(rows) > limit:
                keep = np.argpartition(totals, -limit)[-limit:]
            names = self._counters.keys.names
            best += [(int(totals[i]), names[int(rows[i])]) for i in keep]
            best = heapq.nsmallest(limit, best, key=lambda pair: (-pair[0], pair[1]))
            yield
        return [(name, value) for value, name in best if value]

    def _all_rows(self) -> Iterator[Positions]:
        size = len(self._counters.keys)
        for start in range(0, size, _ROWS_PER_SLICE):
            yield np.arange(start, min(size, start + _ROWS_PER_SLICE), dtype=np.int64)

    def _rows_under(self, prefix: bytes) -> Iterator[Positions]:
        names = self._counters.keys.names
        for start in range(0, len(names), _RUN):
            rows = [
                row
                for row, name in enumerate(names.run(start, _RUN), start)
                if name.startswith(prefix)
            ]
            yield np.array(rows, np.int64)


def _from(run: Sequence[bytes], at: int) -> Iterator[bytes]:
    """Walk a run from a place without copying the rest of it."""
    for index in range(at, len(run)):
        yield run[index]
