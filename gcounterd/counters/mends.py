"""Mends: a copy on disk that is damaged, replaced by what a peer gave of the same column.

Theory. A column at a version has one content for ever, and a sum of forgotten columns likewise. So
a peer's copy at the version that is held here may be written in the place of ours, and changes
nothing but the bytes: no total, no base, no line. A copy at any other version cannot: what is
counted already is then unknown, until a start counts everything afresh.

It is carried out as a turn is (`counters.turns`), and has the same steps. This module refuses to
know peers and disks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from gcounterd.counters.batches import Batch
from gcounterd.counters.columns import Column
from gcounterd.counters.counters import Counters
from gcounterd.counters.images import Image
from gcounterd.counters.turns import Turn
from gcounterd.ids import ColumnId, NodeId, node_of

# Names that get rows in one slice, as in `counters.turns`; nearly all have theirs.
_NAMES_PER_SLICE = 512


class Mend:
    """One cold column, or sum, whose images are written anew.

    aside  nothing is set aside
    """

    def __init__(self, counters: Counters, batch: Batch) -> None:
        """`batch` is the whole content of a column that is cold here."""
        self.aside: dict[ColumnId, int] = {}
        self._counters = counters
        self._batch = batch
        self._version = counters.head(batch.column)
        self._column = Column(batch.column)
        self._column.head = batch.version

    @property
    def node(self) -> NodeId:
        """Return the node whose column it is."""
        return node_of(self._batch.column)

    @property
    def column(self) -> ColumnId:
        """Return the column."""
        return self._batch.column

    def place(self) -> Iterator[None]:
        """Look up the rows of the names, yielding between slices."""
        for block in self._batch.blocks:
            names = block.names[max(0, self._column.size - block.first) :]
            for at in range(0, len(names), _NAMES_PER_SLICE):
                self._column.extend(self._counters.keys.rows(names[at : at + _NAMES_PER_SLICE]))
                self._counters.reserve()
                yield

    def lacking(self) -> list[tuple[ColumnId, int]]:
        """Return what has to be read: nothing."""
        return []

    def build(self, images: Mapping[ColumnId, list[Image]]) -> None:
        """Put the counts in their places; may run in another thread."""
        nowhere = np.zeros(len(self._counters.keys), np.int64)
        for block in self._batch.blocks:
            if len(block.positions):
                version = self._batch.version
                self._column.write(block.positions, block.counts, version, nowhere)

    def staged(self) -> Iterator[Image]:
        """Yield the images, one at a time: each is as good in its place as the one before."""
        if self.is_current():
            for number in range(len(self._column.segments)):
                yield self._column.image(number)

    def is_current(self) -> bool:
        """Say whether the copy on disk should be just this: same version, same size, still cold."""
        column, counters = self._batch.column, self._counters
        same = counters.head(column) == self._version == self._batch.version
        return same and counters.is_cold(column) and counters.size(column) == self._column.size

    def flip(self) -> tuple[list[Image], list[ColumnId]]:
        """Return what else is written and deleted: nothing."""
        return [], []

    def applying(self) -> Iterator[None]:
        """Show what changed: nothing."""
        return iter(())

    def set_aside(self) -> Iterator[tuple[ColumnId, bytes, int]]:
        """Yield what is set aside: nothing."""
        return iter(())

    def counted(self, column: ColumnId) -> int:
        """Return up to which version a column is counted afterwards."""
        return self._counters.head(column)

    def counts(self) -> dict[str, int]:
        """Return how many columns what became of."""
        return {"mended": 1}


AnyTurn = Turn | Mend
