"""Ones: increments of one, gathered by row; the way that most increments go.

Theory. What a busy node does all day is to add one to a counter that it knows. Such an increment
is its row and nothing else: its key is looked up once, for the check, the cut and the answer. Rows
are kept in the order in which they came and are counted by sorting when a batch is cut, which for
thousands costs less than a dict that is kept up to date. NumPy does it for many and a scalar loop
for few, since a dozen array operations have a fixed cost.

This module refuses to know names, and what may be counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import attrs
import numpy as np

from gcounterd.counters.batches import Counts, Positions
from gcounterd.counters.columns import Rows as Places
from gcounterd.counters.columns import Totals

# Up to about this many, looking up one by one beats array operations, which in a busy process are
# dear: each of them is code that the processor has just forgotten.
FEW = 48
# The same for rows alone, of which less is asked.
_MANY = 32


@attrs.frozen(eq=False)
class Rows:
    """Rows of some keys, in their order; -1 for a key that has none. Not empty.

    many     the same as an array, if they are many
    lacking  places of those that have none
    """

    each: list[int]
    many: Positions | None
    lacking: list[int]

    @classmethod
    def of(cls, rows: list[int]) -> Rows:
        """Make the array if it is worth it."""
        many = np.array(rows, np.int64) if len(rows) > _MANY else None
        if min(rows) >= 0:
            return cls(rows, many, [])
        return cls(rows, many, [place for place, row in enumerate(rows) if row < 0])

    def known(self) -> Rows | None:
        """Return those that are rows, None if none is."""
        if not self.lacking:
            return self
        known = [row for row in self.each if row >= 0]
        return Rows.of(known) if known else None

    def __len__(self) -> int:
        return len(self.each)

    def highest(self, totals: Totals) -> int:
        """Return the largest of their totals; all of them have a row."""
        if self.many is None:
            return max(map(totals.item, self.each))
        return int(totals[self.many].max())

    def look_up(self, totals: Totals) -> list[int]:
        """Return the total of each; any number where there is no row."""
        if self.many is None:
            return list(map(totals.item, self.each))
        found: list[int] = totals[self.many].tolist()
        return found


class Ones:
    """Increments of one that wait for the next cut, or are in flight."""

    __slots__ = ("_few", "_many", "_number")

    def __init__(self) -> None:
        self._few: list[int] = []
        self._many: list[Positions] = []
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def gather(self, rows: Rows) -> None:
        """Gather one for each row."""
        if rows.many is None:
            self._few += rows.each
        else:
            self._many.append(rows.many)
        self._number += len(rows)

    def waiting(self, row: int | None) -> int:
        """Return how many there are of a row."""
        if row is None:
            return 0
        return self._few.count(row) + sum(int(np.count_nonzero(m == row)) for m in self._many)

    def by_row(self) -> Iterable[tuple[int, int]]:
        """Return each row once, in the order of their coming, and how many there are of it."""
        rows = Counter(self._few)
        for many in self._many:
            rows.update(many.tolist())
        return rows.items()

    def by_place(self, places: Places) -> tuple[Positions, Counts] | None:
        """Return positions, ascending, and how many there are of each.

        `places` are positions + 1 by row; None where a row has no position yet.
        """
        if self._number <= FEW:
            few = [*self._few, *(row for many in self._many for row in many.tolist())]
            if max(few) >= len(places):
                return None
            taken = sorted(map(places.item, few))
            found = dict.fromkeys(taken, 1)
            if not taken[0]:
                return None
            if len(found) < len(taken):
                found = Counter(taken)
            positions = np.array(list(found), np.int64)
            positions -= 1
            return positions, np.array(list(found.values()), np.int64)
        rows = np.concatenate([*self._many, np.array(self._few, np.int64)])
        if int(rows.max()) >= len(places):
            return None
        sorted_places = np.sort(places[rows])
        starts = np.flatnonzero(np.diff(sorted_places, prepend=-1))
        if not sorted_places[0]:
            return None
        ends = np.append(starts[1:], len(sorted_places))
        return sorted_places[starts].astype(np.int64) - 1, ends - starts
