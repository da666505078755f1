"""A checkpoint round: which images to write, one at a time, so that the journal can be trimmed.

Theory. A round notes, at one moment between commits, the heads and sizes of all columns and which
segments are dirty. Then images are made one by one with commits in between; each is at least as
new as that moment. When all are on disk, the heads noted at the start are written and every
journal row up to that moment is superfluous. A crash in between leaves newer images beside older
heads; replaying the journal over them changes nothing twice, since writing only raises counts.
"""

from __future__ import annotations

from collections.abc import Iterator

from gcounterd.counters.columns import Column, Segment
from gcounterd.counters.counters import Counters
from gcounterd.counters.images import Image
from gcounterd.counters.keys import NAMES_PER_IMAGE
from gcounterd.counters.states import ColumnState, state_image
from gcounterd.ids import ColumnId, node_of


class Checkpoint:
    """One round over `counters`, to be begun between commits.

    `names_written` is the number of names that lie on disk already.
    """

    def __init__(self, counters: Counters, names_written: int) -> None:
        self._counters = counters
        self._columns: list[Column] = list(counters.columns.values())
        self._states = {column.id: self._state(column.id) for column in self._columns}
        # Of a settled column a line may have changed that has no segment to be written.
        dirty = list(counters.settled.dirty)
        self._forgotten = {c: counters.settled.get(c) for c in dirty if counters.is_forgotten(c)}
        kept = [column for column in dirty if column not in self._forgotten]
        self._states |= {column: self._state(column) for column in kept}
        nodes = dict.fromkeys(node_of(column) for column in self._forgotten)
        self._residues = [counters.residues.image(node, counters.settled) for node in nodes]
        self.names = len(counters.keys)
        self._names_written = names_written
        self._cleaned: list[Segment] = []

    def _state(self, column: ColumnId) -> ColumnState:
        line = self._counters.settled.get(column)
        head, size = self._counters.head(column), self._counters.size(column)
        if line is None:
            return ColumnState(head, size)
        return ColumnState(head, size, closed=True, final=line.final, source=line.source)

    def images(self) -> Iterator[Image]:
        """Yield an image at a time; each is made when asked for, and between commits."""
        yield from name_images(self._counters, self._names_written, self.names)
        yield from self.segments()

    def segments(self) -> Iterator[Image]:
        """Yield the images that follow those of names; see `name_numbers`."""
        for column in self._columns:
            for number, segment in enumerate(column.segments):
                if segment.dirty:
                    self._cleaned.append(segment)
                    yield column.image(number)

    def columns(self) -> list[Image]:
        """Return the columns' images, to be written last, with the trimming of the journal."""
        states = [state_image(column, state) for column, state in self._states.items()]
        return [*states, *self._residues]

    def done(self) -> None:
        """Take note that all of it is on disk."""
        for column, state in self._states.items():
            if state.closed and state == self._state(column):
                self._counters.settled.dirty.pop(column, None)
        for column, line in self._forgotten.items():
            if line == self._counters.settled.get(column):
                self._counters.settled.dirty.pop(column, None)

    def undo(self) -> None:
        """Take the round back: an image could not be written, so nothing counts as clean."""
        for segment in self._cleaned:
            segment.dirty = True


def name_images(counters: Counters, written: int, names: int) -> Iterator[Image]:
    """Yield images of the first `names` names of which `written` are on disk."""
    for number in name_numbers(written, names):
        yield counters.keys.image(number)


def name_numbers(written: int, names: int) -> range:
    """Return the numbers of the images of names to be written.

    They may be made while a commit is applied (`KeyIndex.imaging`): a name keeps its row.
    """
    first = written // NAMES_PER_IMAGE
    return range(first, -(-names // NAMES_PER_IMAGE) if names > written else first)
