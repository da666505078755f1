"""Columns: the counts of one process life, by position, in segments.

Theory. A position is the place at which a key first changed in this column; the writer gives them
out in order, so they are the same on every replica, while rows (positions of the node's own key
index) are not. A stamp is the version at which a replica last saw a count change: everything
stamped after `since` is what a delta from `since` must hold. A replica's stamps may be later than
the writer's (one delta stamps all it changed with its own version), never earlier, so a delta may
repeat but cannot miss.

Segments of 65,536 positions bound the work of one step, let a column grow without copying what it
has, and are the unit of checkpoints. This module refuses to know names, totals' meaning, disks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgpack
import numpy as np
import numpy.typing as npt

from gcounterd.counters.base import AnySums
from gcounterd.counters.batches import Counts, Positions
from gcounterd.counters.images import Image, Kind
from gcounterd.errors import StorageError
from gcounterd.ids import ColumnId

SEGMENT_BITS = 16
SEGMENT_SIZE = 1 << SEGMENT_BITS
_OFFSET_MASK = SEGMENT_SIZE - 1
_FIRST_CAPACITY = 64
# Up to about so many changes a scalar loop beats the fixed cost of a dozen array operations: some
# 10 us, where a change takes 1 us, and a look at a count a third of that.
_SCALAR_MAX = 8
_LOOKED_UP_MAX = 32

Rows = npt.NDArray[np.uint32]
Totals = npt.NDArray[np.int64]
_Number = TypeVar("_Number", bound=np.generic)


class Segment:
    """Rows, counts and stamps of up to 65,536 positions.

    highest  the highest stamp in it
    dirty    it changed since its last image
    base     the sums that its counts are part of, once its column is closed
    """

    __slots__ = ("base", "counts", "dirty", "highest", "rows", "size", "stamps")

    def __init__(self, capacity: int = _FIRST_CAPACITY, base: AnySums | None = None) -> None:
        self.size = 0
        self.highest = 0
        self.dirty = True
        self.base = base
        self.rows: Rows = np.zeros(capacity, np.uint32)
        self.counts: Counts = np.zeros(capacity, np.int64)
        self.stamps: npt.NDArray[np.int64] = np.zeros(capacity, np.int64)

    def extend(self, rows: Sequence[int]) -> None:
        """Add positions for `rows`; they must fit."""
        end = self.size + len(rows)
        if end > len(self.rows):
            self._grow(end)
        self.rows[self.size : end] = rows
        self.size = end
        self.dirty = True

    def _grow(self, needed: int) -> None:
        assert needed <= SEGMENT_SIZE
        capacity = min(SEGMENT_SIZE, max(needed, 2 * len(self.rows)))
        self.rows = _lengthen(self.rows, self.size, capacity)
        self.counts = _lengthen(self.counts, self.size, capacity)
        self.stamps = _lengthen(self.stamps, self.size, capacity)

    def changed(self, since: int) -> Positions:
        """Return the offsets stamped after `since`."""
        if self.highest <= since:
            return np.empty(0, np.int64)
        return np.flatnonzero(self.stamps[: self.size] > since)


def _lengthen(array: npt.NDArray[_Number], size: int, capacity: int) -> npt.NDArray[_Number]:
    """Copy what is used; the rest stays zeros that nobody has touched, and costs nothing."""
    longer = np.zeros(capacity, array.dtype)
    longer[:size] = array[:size]
    return longer


class Column:
    """One column as this replica holds it; `head` is the newest version taken in whole.

    busy  an apply is under way: its counts are ahead of its head, so no delta or image of it
          may be made (a torn one would break "content is fixed by version")
    base  where its counts are summed by node, once it is closed
    """

    __slots__ = ("base", "busy", "head", "id", "segments", "size")

    def __init__(self, column: ColumnId) -> None:
        self.id = column
        self.head = 0
        self.size = 0
        self.busy = False
        self.base: AnySums | None = None
        self.segments: list[Segment] = []

    @property
    def clean(self) -> bool:
        """Say whether its segments are on disk as they are."""
        return not any(segment.dirty for segment in self.segments)

    def closing(self, base: AnySums) -> Iterator[None]:
        """Add its counts to `base`, now and from now on, yielding between slices.

        A segment is part of it in one step.
        """
        self.base = base
        for segment in self.segments:
            yield from base.adding(segment.rows[: segment.size], segment.counts[: segment.size])
            segment.base = base
            base.segments += 1
            yield

    def extend(self, rows: Sequence[int]) -> None:
        """Give the next positions to `rows`."""
        while rows:
            if not self.segments or self.segments[-1].size == SEGMENT_SIZE:
                self.segments.append(Segment(base=self.base))
            segment = self.segments[-1]
            taken = rows[: SEGMENT_SIZE - segment.size]
            segment.extend(taken)
            self.size += len(taken)
            rows = rows[len(taken) :]

    def write(self, positions: Positions, counts: Counts, version: int, totals: Totals) -> None:
        """Raise counts to `counts` at ascending `positions`, stamp them, add to `totals` by row.

        Counts that are already higher stay, so writing is idempotent and order is free.
        """
        if len(positions) <= _SCALAR_MAX:
            self._write_each(positions, counts, version, totals)
            return
        first, last = int(positions[0]) >> SEGMENT_BITS, int(positions[-1]) >> SEGMENT_BITS
        if first == last:
            _write_run(self.segments[first], positions & _OFFSET_MASK, counts, version, totals)
            return
        starts = np.arange(first, last + 2, dtype=np.int64) << SEGMENT_BITS
        bounds = np.searchsorted(positions, starts).tolist()
        offsets = positions & _OFFSET_MASK
        for number in range(first, last + 1):
            a, b = bounds[number - first], bounds[number - first + 1]
            if a < b:
                _write_run(self.segments[number], offsets[a:b], counts[a:b], version, totals)

    def _write_each(
        self, positions: Positions, counts: Counts, version: int, totals: Totals
    ) -> None:
        for position, count in zip(positions.tolist(), counts.tolist(), strict=True):
            segment = self.segments[position >> SEGMENT_BITS]
            offset = position & _OFFSET_MASK
            rise = count - segment.counts.item(offset)
            if rise > 0:
                segment.counts[offset] = count
                totals[segment.rows.item(offset)] += rise
                if segment.base is not None:
                    segment.base.rise_one(segment.rows.item(offset), rise)
            segment.stamps[offset] = version
            segment.highest = max(segment.highest, version)
            segment.dirty = True

    def counts_at(self, positions: Positions) -> Counts:
        """Return the counts at `positions` (any order)."""
        if len(positions) <= _LOOKED_UP_MAX:
            return np.array(list(map(self.count_at, positions.tolist())), np.int64)
        numbers = positions >> SEGMENT_BITS
        counts = np.zeros(len(positions), np.int64)
        # Not `np.unique`: its first call imports `numpy.ma`, 10 ms and more of the loop.
        for number in np.flatnonzero(np.bincount(numbers)).tolist():
            where = numbers == number
            counts[where] = self.segments[number].counts[positions[where] & _OFFSET_MASK]
        return counts

    def count_at(self, position: int) -> int:
        """Return the count at one position."""
        return self.segments[position >> SEGMENT_BITS].counts.item(position & _OFFSET_MASK)

    def in_base(self, position: int) -> bool:
        """Say whether the count at a position is part of the base."""
        return self.segments[position >> SEGMENT_BITS].base is not None

    def rows_from(self, position: int, end: int) -> Rows:
        """Return the rows of positions from one on, up to `end` or the end of its segment."""
        segment, offset = self.segments[position >> SEGMENT_BITS], position & _OFFSET_MASK
        return segment.rows[offset : min(segment.size, offset + end - position)]

    def count_of_row(self, row: int, number: int) -> int:
        """Return the count of `row` if it lies in segment `number`, else 0."""
        segment = self.segments[number]
        found = np.flatnonzero(segment.rows[: segment.size] == row)
        return int(segment.counts[found].sum())

    def image(self, number: int) -> Image:
        """Encode segment `number` and mark it clean."""
        assert not self.busy
        segment = self.segments[number]
        n = segment.size
        base = int(segment.stamps[:n].min()) if n else 0
        body = msgpack.packb(
            [
                n,
                segment.rows[:n].astype("<u4").tobytes(),
                _pack(segment.counts[:n]),
                base,
                _pack(segment.stamps[:n] - base),
            ]
        )
        segment.dirty = False
        return Image(Kind.SEGMENT, self.id, number, body)

    def load(self, image: Image, totals: Totals | None, *, upto: int, rows_max: int) -> None:
        """Take in the next segment's image, but no position at or above `upto`.

        Its counts are added to `totals` and to the base; without `totals` they are part of both
        already. What an image holds beyond the size that the column had when its head was recorded
        lies in the journal too, and is replayed from there.
        """
        n, rows, counts, stamps = _read_segment(image)
        keep = min(n, upto - self.size)
        if image.number != len(self.segments) or (keep < SEGMENT_SIZE and self.size + keep < upto):
            raise StorageError(f"segment {image.number} of a column does not follow those before")
        if keep and int(rows[:keep].max()) >= rows_max:
            raise StorageError(f"segment {image.number} of a column names unknown rows")
        segment = Segment(min(SEGMENT_SIZE, max(_FIRST_CAPACITY, keep)), self.base)
        segment.size = keep
        segment.rows[:keep] = rows[:keep]
        segment.counts[:keep] = counts[:keep]
        segment.stamps[:keep] = stamps[:keep]
        segment.highest = int(stamps[:keep].max()) if keep else 0
        segment.dirty = False
        self.segments.append(segment)
        self.size += keep
        if totals is not None:
            np.add.at(totals, segment.rows[:keep], segment.counts[:keep])
            if self.base is not None:
                self.base.add(segment.rows[:keep], segment.counts[:keep])


def _write_run(
    segment: Segment, offsets: Positions, counts: Counts, version: int, totals: Totals
) -> None:
    old = segment.counts[offsets]
    new = np.maximum(old, counts)
    segment.counts[offsets] = new
    segment.stamps[offsets] = version
    segment.highest = max(segment.highest, version)
    segment.dirty = True
    # `add.at`, not `totals[rows] += …`: should a peer ever name one key at two positions, both
    # still count, and the total stays the sum of the columns.
    np.add.at(totals, segment.rows[offsets], new - old)
    if segment.base is not None:
        segment.base.rise(segment.rows[offsets], new - old)


def _pack(values: npt.NDArray[np.int64]) -> bytes:
    top = int(values.max()) if len(values) else 0
    for kind in ("<u1", "<u2", "<u4"):
        if top < 1 << (8 * np.dtype(kind).itemsize):
            return values.astype(kind).tobytes()
    return values.astype("<i8").tobytes()


def _unpack(n: int, data: bytes) -> npt.NDArray[np.int64]:
    width = len(data) // n if n else 1
    kind = {1: "<u1", 2: "<u2", 4: "<u4", 8: "<i8"}.get(width)
    if kind is None or len(data) != n * width:
        raise StorageError("an array of a segment's image has the wrong length")
    return np.frombuffer(data, kind).astype(np.int64)


def _read_segment(image: Image) -> tuple[int, Rows, Counts, npt.NDArray[np.int64]]:
    try:
        n, rows, counts, base, stamps = msgpack.unpackb(image.body, raw=True)
        if len(rows) != 4 * n or not 0 <= n <= SEGMENT_SIZE:
            raise ValueError("wrong size")
        return n, np.frombuffer(rows, "<u4"), _unpack(n, counts), _unpack(n, stamps) + base
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise StorageError(f"segment image {image.number} is malformed: {error}") from None
