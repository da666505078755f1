"""Sums: what each node counted in all counters together.

Theory. The sum of a column is the sum of its segments, and a segment that was not written since the
last look has the sum that it had: its highest stamp says so. What is closed is summed in the base,
which hardly changes. So a look costs what was counted since the one before, and not what there is.

Sums of many counters may pass 2^63, where arrays wrap around; Python's numbers do not.

This module refuses to know who looks, and how often.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import numpy.typing as npt

from gcounterd.counters.columns import SEGMENT_SIZE, Column
from gcounterd.counters.counters import Counters
from gcounterd.ids import ColumnId, NodeId, node_of

# Segments summed in one slice, some 30 us each.
_SEGMENTS_PER_SLICE = 16
# Below this no sum of a segment's numbers passes 2^63.
_SMALL = 2**63 // SEGMENT_SIZE


class NodeSums:
    """The sums of one node's counters, by original node. One caller at a time runs `look`."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        # By column and segment: size and highest stamp at the last look, and the sum then.
        self._segments: dict[ColumnId, dict[int, tuple[int, int, int]]] = {}
        self._base: dict[NodeId, int] = {}
        self._base_at = -1
        self._summed = 0

    def look(self) -> Generator[None, None, dict[NodeId, int]]:
        """Return the sums; nodes that counted nothing are left out."""
        while True:
            closed = self._counters.base.segments
            sums = dict((yield from self._look_at_base()))
            for column in list(self._counters.columns.values()):
                total = yield from self._look_at(column)
                if total:
                    node = node_of(column.id)
                    sums[node] = sums.get(node, 0) + total
            if closed == self._counters.base.segments:
                held = self._counters.columns
                self._segments = {c: known for c, known in self._segments.items() if c in held}
                return sums  # else some counts came to be in the base meanwhile

    def _look_at_base(self) -> Generator[None, None, dict[NodeId, int]]:
        base = self._counters.base
        if self._base_at != base.changes:
            self._base_at, sums = base.changes, {}
            for node, parts in base.parts(len(self._counters.keys)):
                total = 0
                for part in parts:
                    total += add_up(part)
                    yield
                if total:
                    sums[node] = total
            self._base = sums
        return self._base

    def _look_at(self, column: Column) -> Generator[None, None, int]:
        known = self._segments.setdefault(column.id, {})
        total = 0
        for number, segment in enumerate(column.segments):
            if segment.base is not None:
                continue  # it is summed there
            size, highest = segment.size, segment.highest
            seen = known.get(number)
            if seen is None or seen[:2] != (size, highest) or column.busy:
                seen = (size, highest, add_up(segment.counts[:size]))
                if not column.busy:  # else its counts may rise further under the same stamp
                    known[number] = seen
                self._summed += 1
                if self._summed % _SEGMENTS_PER_SLICE == 0:
                    yield
            total += seen[2]
        return total


def add_up(counts: npt.NDArray[np.int64]) -> int:
    """Return the exact sum of at most 65,536 numbers."""
    if not len(counts):
        return 0
    if int(counts.max()) < _SMALL and int(counts.min()) > -_SMALL:
        return int(counts.sum())
    return int((counts & 0xFFFFFFFF).sum()) + (int((counts >> 32).sum()) << 32)
