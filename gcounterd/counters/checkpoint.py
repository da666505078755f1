"""A checkpoint round: which images to write, one at a time, so that the journal can be trimmed.

Theory. A round notes, at one moment between commits, the heads and sizes of all columns and which
segments are dirty. Then images are made one by one with commits in between; each is at least as
new as that moment. When all are on disk, the heads noted at the start are written and every
journal row up to that moment is superfluous. A crash in between leaves newer images beside older
heads; replaying the journal over them changes nothing twice, since writing only raises counts.
"""

from __future__ import annotations

from collections.abc import Iterator

from gcounterd.counters.columns import Segment
from gcounterd.counters.counters import Counters, column_image
from gcounterd.counters.images import Image
from gcounterd.counters.keys import NAMES_PER_IMAGE


class Checkpoint:
    """One round over `counters`, to be begun between commits.

    `names_written` is the number of names that lie on disk already.
    """

    def __init__(self, counters: Counters, names_written: int) -> None:
        self._counters = counters
        self._heads = [(column, column.head, column.size) for column in counters.columns.values()]
        self._first_names = names_written // NAMES_PER_IMAGE
        self.names = len(counters.keys)
        self._names_written = names_written
        self._cleaned: list[Segment] = []

    def images(self) -> Iterator[Image]:
        """Yield an image at a time; each is made when asked for, and between commits."""
        if self.names > self._names_written:
            for number in range(self._first_names, -(-self.names // NAMES_PER_IMAGE)):
                yield self._counters.keys.image(number)
        for column, _, _ in self._heads:
            for number, segment in enumerate(column.segments):
                if segment.dirty:
                    self._cleaned.append(segment)
                    yield column.image(number)

    def columns(self) -> list[Image]:
        """Return the columns' images, to be written last, with the trimming of the journal."""
        return [column_image(column, head, size) for column, head, size in self._heads]

    def undo(self) -> None:
        """Take the round back: an image could not be written, so nothing counts as clean."""
        for segment in self._cleaned:
            segment.dirty = True
