"""Watched: counters that somebody looks at all the time, and what each node counted of them.

Theory. What a node counted of a key lies in the base, in one look-up, and in the open columns,
where it would have to be searched for: the rows of a column are in no order. But a position never
changes, so it is searched for once, for all watched keys together, and each later look is one
array access per open column. What a column has grown by since the last look is all that is
searched again.

Whether anything changed is asked of the totals: they rise with every count, so a key whose total is
what its parts added up to when it was last looked at has not changed. That also finds what an
apply under way had shown in part.

Counts are by *original* node: heirs are for display, and a sum that moved from one name to another
would count twice for a reader who keeps the largest count of each. This module refuses to know who
looks, and how often.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable

import attrs
import numpy as np

from gcounterd.counters.columns import Column
from gcounterd.counters.counters import Counters
from gcounterd.counters.reserves import reserve
from gcounterd.ids import ColumnId, NodeId, node_of

# Segments searched in one slice, some 0.3 ms each, and keys looked at, some 10 us each.
_SEGMENTS_PER_SLICE = 4
_KEYS_PER_SLICE = 64


@attrs.define(eq=False)
class _Look:
    """A watched key: where it lies, and what was seen of it.

    users   how many watch it
    places  its positions in open columns, as far as these have been searched
    seen    what its counts added up to when they were last looked at; -1: never
    closed  what the base held of it after so many changes (`mark`)
    """

    key: bytes
    row: int | None = None
    users: int = 0
    places: list[tuple[ColumnId, int]] = attrs.Factory(list)
    seen: int = -1
    mark: int = -1
    closed: dict[NodeId, int] = attrs.Factory(dict)


class Watched:
    """The watched keys of one node's counters. One caller at a time runs its generators."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._looks: dict[bytes, _Look] = {}
        self._rows: dict[int, _Look] = {}
        self._nameless: dict[bytes, _Look] = {}  # of keys that nobody has counted yet
        self._fresh: dict[int, _Look] = {}  # whose earlier positions have to be searched for
        self._searched: dict[ColumnId, int] = {}  # positions of each open column
        self._mask = np.zeros(0, np.bool_)  # by row: whether it is watched

    def __len__(self) -> int:
        return len(self._looks)

    def watch(self, key: bytes) -> None:
        """Watch a key, once more if it is watched already."""
        look = self._looks.get(key)
        if look is None:
            look = self._looks[key] = self._nameless[key] = _Look(key)
        look.users += 1

    def leave(self, key: bytes) -> None:
        """Watch a key once less."""
        look = self._looks[key]
        look.users -= 1
        if look.users:
            return
        del self._looks[key]
        self._nameless.pop(key, None)
        if look.row is not None:
            self._rows.pop(look.row, None)
            self._fresh.pop(look.row, None)
            self._mask[look.row] = False

    # -- where they lie ---------------------------------------------------------------------

    def search(self) -> Generator[None, None, None]:
        """Find where watched keys lie that are new, or in what columns have grown by."""
        ends = self._begin()
        fresh, self._fresh = self._fresh, {}
        slices = 0
        for column, start, end in ends:
            at = 0 if fresh else start
            while at < end:
                # Before `start` only those are searched for that are new, from there on all.
                looks, stop = (fresh, start) if at < start else (self._rows, end)
                at += self._search(column, at, stop, looks)
                slices += 1
                if slices % _SEGMENTS_PER_SLICE == 0:
                    yield
            self._searched[column.id] = end

    def _begin(self) -> list[tuple[Column, int, int]]:
        """Note which keys are known by now; return what to search of which columns.

        In one step: a position that comes after it is found by the next search.
        """
        for key, look in list(self._nameless.items()):
            row = self._counters.keys.find(key)
            if row is not None:
                look.row = row
                self._rows[row] = self._fresh[row] = look
                del self._nameless[key]
        if self._rows:
            self._mark(list(self._fresh))
        held = self._counters.columns
        ends = []
        for column in held.values():
            if not self._counters.is_closed(column.id):
                ends.append((column, self._searched.get(column.id, 0), column.size))
        if not self._rows:
            self._searched = {column.id: end for column, _, end in ends}
            return []
        if len(self._searched) > len(ends):
            self._searched = {column.id: start for column, start, _ in ends}
        return ends

    def _mark(self, rows: list[int]) -> None:
        size = len(self._counters.totals)
        if size > len(self._mask):  # at first, and where merged counters passed the limit
            self._mask = reserve(size, np.bool_)
            rows = list(self._rows)
        self._mask[rows] = True

    def _search(self, column: Column, start: int, stop: int, looks: dict[int, _Look]) -> int:
        """Note where `looks` lie from `start` on, within a segment; return how far was searched."""
        rows = column.rows_from(start, stop)
        for offset in np.flatnonzero(self._mask[rows]).tolist():
            look = looks.get(int(rows[offset]))
            if look is not None:
                look.places.append((column.id, start + offset))
        return len(rows)

    # -- what they are ----------------------------------------------------------------------

    def changed(self) -> list[bytes]:
        """Return the watched keys whose value is not what was last seen, or that are new."""
        totals = self._counters.totals
        looks = list(self._rows.values())
        found = [look.key for look in self._nameless.values() if look.seen < 0]
        if looks:
            rows = np.fromiter(self._rows, np.int64, len(looks))
            seen = np.fromiter([look.seen for look in looks], np.int64, len(looks))
            found += [looks[i].key for i in np.flatnonzero(totals[rows] != seen).tolist()]
        return found

    def look(self, keys: Iterable[bytes]) -> Generator[None, None, dict[bytes, dict[NodeId, int]]]:
        """Return what each node counted of watched keys; zeros are left out."""
        found: dict[bytes, dict[NodeId, int]] = {}
        for number, key in enumerate(keys, 1):
            look = self._looks.get(key)
            if look is not None:
                found[key] = counts = yield from self._look(look)
                look.seen = sum(counts.values())
            if number % _KEYS_PER_SLICE == 0:
                yield
        return found

    def _look(self, look: _Look) -> Generator[None, None, dict[NodeId, int]]:
        row = look.row
        if row is None:
            return {}
        base = self._counters.base
        while look.mark != base.changes:  # else some counts came to be in the base meanwhile
            mark = base.changes
            look.closed = {}
            for found in base.of_row(row):
                if found is None:
                    yield
                else:
                    look.closed[found[0]] = found[1]
            look.mark = mark
        counts, gone = dict(look.closed), False
        for column_id, position in look.places:
            column = self._counters.columns.get(column_id)
            if column is None or self._counters.is_closed(column_id):
                gone = True
            elif not column.in_base(position):
                node = node_of(column_id)
                counts[node] = counts.get(node, 0) + column.count_at(position)
        if gone:
            look.places = [p for p in look.places if self._counters.is_open(p[0])]
        return {node: count for node, count in counts.items() if count}
