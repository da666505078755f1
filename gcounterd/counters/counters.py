"""Counters: all columns of a node, and the values that they add up to.

Theory. A counter's value is the sum, over all columns that ever were, of the newest version of
each that this node has taken in. Columns are only raised, by `apply`, and every rise is added to
the totals in the same step, so a value is one array look-up and never goes down. The class keeps
that sum and nothing else: it refuses to know who sent a batch, whether it is on disk, and when.

Applying goes in slices between which readers may run: they see part of a batch early, which is
harmless since counts only rise; head, deltas and images see all of it at once, after the last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import msgpack
import numpy as np

from gcounterd.counters.batches import Batch
from gcounterd.counters.columns import Column, Totals
from gcounterd.counters.deltas import Gathering
from gcounterd.counters.images import Image, Kind
from gcounterd.counters.keys import KeyIndex
from gcounterd.counters.reserves import reserve
from gcounterd.counters.writer import AMOUNT_MAX, Writer
from gcounterd.errors import ClientError, PeerError, StorageError
from gcounterd.ids import ColumnId, NodeId, node_of

# DESIGN 1: a column more is refused at the hello.
OPEN_COLUMNS_MAX = 1024
# Work of one slice of an apply: 512 new names, or one block of positions. A name takes about 1 us,
# but all dicts of the key index grow at nearly the same time, and fresh memory is dear: then 6.
_NAMES_PER_SLICE = 512


class Counters:
    """Columns, the key index, totals by row, and the writer of the own column."""

    def __init__(self, own: ColumnId, max_counters: int = 16_000_000) -> None:
        self.keys = KeyIndex()
        self.columns: dict[ColumnId, Column] = {}
        self.writer = Writer(own, self.keys, max_counters)
        # Pages that no counter has touched take no memory, so the limit is reserved at once and
        # no growth ever stalls the loop.
        self._totals: Totals = reserve(max_counters, np.int64)

    # -- the data plane ---------------------------------------------------------------------

    def add(self, key: bytes, amount: int, most: int = AMOUNT_MAX) -> None:
        """Gather an increment of 1 to `most` for the next cut; raise `ClientError` if refused."""
        self.writer.add(key, amount, self._totals, most)

    def add_all(self, counts: dict[bytes, int]) -> None:
        """Gather many increments for one cut, all or none; raise `ClientError` if refused."""
        done: list[bytes] = []
        try:
            for key, amount in counts.items():
                self.add(key, amount)
                done.append(key)
        except ClientError:
            for key in done:
                self.writer.withdraw(key, counts[key])
            raise

    def value(self, key: bytes) -> int:
        """Return the value of `key`: what is applied here, 0 if nothing is."""
        row = self.keys.find(key)
        return 0 if row is None else self._totals.item(row)

    def reopen(self, own: ColumnId) -> None:
        """Write the new column `own` from the next cut on; the one before stays as it is."""
        self.writer.reopen(own)

    def cut(self) -> list[Batch]:
        """Turn what was added into batches of the own column (see `Writer.cut`)."""
        return self.writer.cut(self.columns.get(self.writer.own))

    # -- taking in --------------------------------------------------------------------------

    def head(self, column: ColumnId) -> int:
        """Return the version of `column` that is taken in, 0 if none is."""
        held = self.columns.get(column)
        return held.head if held else 0

    def size(self, column: ColumnId) -> int:
        """Return how many positions of `column` are known here."""
        held = self.columns.get(column)
        return held.size if held else 0

    def hold(self, column: ColumnId) -> None:
        """Hold a column, if it is not held yet, of which nothing is known."""
        self.columns.setdefault(column, Column(column))

    def own_count(self, key: bytes) -> int:
        """Return what the running own column holds of `key`, in one look-up."""
        column = self.columns.get(self.writer.own)
        position = self.writer.place(self.keys.find(key))
        return column.count_at(position) if column and position is not None else 0

    def heads(self) -> dict[ColumnId, int]:
        """Return the head of every column."""
        return {column.id: column.head for column in self.columns.values()}

    def apply(self, batch: Batch) -> None:
        """Take in a batch in one go; see `applying`."""
        for _ in self.applying(batch):
            pass

    def applying(self, batch: Batch) -> Iterator[None]:
        """Take in a batch whose `since` is not above our head, yielding between slices.

        A version we have is ignored. The caller has checked the batch (`check_batch`) and applies
        one at a time.
        """
        column = self.columns.get(batch.column)
        if column is None:
            column = self.columns[batch.column] = Column(batch.column)
        if batch.version <= column.head:
            return
        assert batch.since <= column.head, "a gap must be asked for, not applied"
        column.busy = True
        sliced = False
        for block in batch.blocks:
            if sliced:
                yield
            fresh = block.names[max(0, column.size - block.first) :]
            for at in range(0, len(fresh), _NAMES_PER_SLICE):
                if at:
                    yield
                self._place(column, fresh[at : at + _NAMES_PER_SLICE])
            if len(fresh) > _NAMES_PER_SLICE:
                yield
            if len(block.positions):
                column.write(block.positions, block.counts, batch.version, self._totals)
            sliced = True
        column.head = batch.version
        column.busy = False

    def _place(self, column: Column, names: tuple[bytes, ...]) -> None:
        rows = self.keys.rows(names)
        self._reserve()
        if column.id == self.writer.own:
            self.writer.placed(rows, column.size)
        column.extend(rows)

    # -- giving out -------------------------------------------------------------------------

    def gather(self, column: ColumnId, since: int, size: int) -> Gathering:
        """Begin to gather what a held column has above `since`."""
        names = self.keys.names
        return Gathering(self.columns[column], since, size, names.__getitem__)

    def share_of_row(self, row: int) -> Iterator[tuple[NodeId, int] | None]:
        """Yield (original node, count) for what each segment holds of a row, None to pause."""
        for column in list(self.columns.values()):
            for number in range(len(column.segments)):
                count = column.count_of_row(row, number)
                yield (node_of(column.id), count) if count else None

    def digest_hash(self) -> bytes:
        """Return 16 bytes that are equal where all heads are."""
        digest = hashlib.blake2b(digest_size=16)
        for column in sorted(self.columns):
            digest.update(column)
            digest.update(self.columns[column].head.to_bytes(8, "big"))
        return digest.digest()

    # -- disk -------------------------------------------------------------------------------

    def load(self, images: Iterable[Image]) -> None:
        """Take in images, in the order names, columns, segments by number; into empty counters.

        Raises `StorageError` where they do not fit together.
        """
        sizes: dict[ColumnId, int] = {}
        for image in images:
            column = ColumnId(image.column)
            match image.kind:
                case Kind.NAMES:
                    self.keys.load(image)
                    self._reserve()
                case Kind.COLUMN:
                    head, sizes[column] = read_column(image)
                    self.columns[column] = Column(column)
                    self.columns[column].head = head
                case Kind.SEGMENT:
                    self._load_segment(image, column, sizes.get(column, 0))
                case Kind.ROSTER:
                    raise AssertionError("the roster is not the counters' business")
        for column, size in sizes.items():
            if self.columns[column].size != size:
                raise StorageError("a segment of a column is missing")

    def _reserve(self) -> None:
        """Make room where merged counters took the index beyond its limit."""
        if len(self.keys) > len(self._totals):
            more = max(len(self.keys) - len(self._totals), len(self._totals))
            self._totals = np.concatenate([self._totals, np.zeros(more, np.int64)])

    def _load_segment(self, image: Image, column: ColumnId, size: int) -> None:
        held = self.columns.get(column)
        if held is None or held.size >= size:
            return  # written after the last whole checkpoint; all of it is in the journal
        held.load(image, self._totals, upto=size, rows_max=len(self.keys))

    # -- checks -----------------------------------------------------------------------------

    @property
    def totals(self) -> Totals:
        """Return the totals by row, for scans; int64[at least len(keys)]."""
        return self._totals

    def recount(self) -> Totals:
        """Add all columns up afresh: what `totals` must equal (a checker's oracle)."""
        fresh: Totals = np.zeros(len(self._totals), np.int64)
        for column in self.columns.values():
            for segment in column.segments:
                np.add.at(fresh, segment.rows[: segment.size], segment.counts[: segment.size])
        return fresh


def column_image(column: Column, head: int, size: int) -> Image:
    """Encode what a start must know of a column beside its segments."""
    return Image(Kind.COLUMN, column.id, 0, msgpack.packb([head, size]))


def read_column(image: Image) -> tuple[int, int]:
    """Return (head, size) from a column's image."""
    try:
        head, size = msgpack.unpackb(image.body)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise StorageError(f"a column's image is malformed: {error}") from None
    if not (isinstance(head, int) and isinstance(size, int) and head >= 0 and size >= 0):
        raise StorageError("a column's image is malformed")
    return head, size


def check_batch(batch: Batch, size: int) -> int:
    """Check that a batch fits a column of `size` positions; return the size after it.

    Raises `PeerError` where names would leave a hole or a position has no name.
    """
    for block in batch.blocks:
        if block.first > size:
            raise PeerError("bad_batch", "names leave a hole")
        size = max(size, block.first + len(block.names))
        if len(block.positions) and int(block.positions[-1]) >= size:
            raise PeerError("bad_batch", "a position has no name")
    return size
