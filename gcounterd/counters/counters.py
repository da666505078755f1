"""Counters: all columns of a node, and the values that they add up to.

Theory. A counter's value is the sum, over all columns that ever were, of the newest version of
each that this node has taken in. Columns are only raised, by `apply`, and every rise is added to
the totals in the same step, so a value is one array look-up and never goes down. The class keeps
that sum and nothing else: it refuses to know who sent a batch, whether it is on disk, and when.

Applying goes in slices between which readers may run: they see part of a batch early, which is
harmless since counts only rise; head, deltas and images see all of it at once, after the last.

Closing a column therefore moves nothing in the totals. It is a line in `settled`; from then on the
column's counts are summed by node as well (`base`), so that it need not stay in memory. It does
while it is *warm*: until all of it is on disk, or while it is asked for. A batch for a *cold* one,
which is on disk only, is applied after it was warmed again, by the same rule as any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence

import attrs
import numpy as np

from gcounterd.counters.base import Base
from gcounterd.counters.batches import Batch
from gcounterd.counters.columns import Column, Totals
from gcounterd.counters.deltas import Gathering
from gcounterd.counters.images import Image
from gcounterd.counters.keys import KeyIndex
from gcounterd.counters.ones import Rows
from gcounterd.counters.reserves import reserve
from gcounterd.counters.residues import VERSION, Residues, read_sum
from gcounterd.counters.settled import Closing, Line, Settled
from gcounterd.counters.slices import finish
from gcounterd.counters.writer import AMOUNT_MAX, LookedUp, Writer
from gcounterd.errors import ClientError, PeerError, StorageError
from gcounterd.ids import ColumnId, NodeId, node_of

# DESIGN 1: a column more is refused at the hello.
OPEN_COLUMNS_MAX = 1024
# Work of one slice of an apply: 256 new names, or one block of positions. A name takes about 1 us,
# but all dicts of the key index grow at nearly the same time, and fresh memory is dear: then 12.
_NAMES_PER_SLICE = 256
_CLOSINGS_PER_SLICE = 128  # about 10 us each


class Counters:
    """Columns, the key index, totals by row, and the writer of the own column.

    columns  those in memory: all open ones, and closed ones that are warm
    settled  what is known of all closed ones, and of forgotten ones
    residues what forgotten columns add up to
    """

    def __init__(self, own: ColumnId, max_counters: int = 16_000_000) -> None:
        self.keys = KeyIndex()
        self.columns: dict[ColumnId, Column] = {}
        self.settled = Settled()
        self.residues = Residues()
        self.base = Base(max_counters)
        self.writer = Writer(own, self.keys, max_counters)
        # Pages that no counter has touched take no memory, so the limit is reserved at once and
        # no growth ever stalls the loop.
        self._totals: Totals = reserve(max_counters, np.int64)

    # -- the data plane ---------------------------------------------------------------------

    def add(self, key: bytes, amount: int, most: int = AMOUNT_MAX) -> None:
        """Gather an increment of 1 to `most` for the next cut; raise `ClientError` if refused."""
        self.writer.add(key, amount, self._totals, most)

    def looking_up(self, keys: Collection[bytes]) -> Generator[None, None, LookedUp]:
        """Find the rows of many keys, for `add_all`, pausing between slices."""
        return self.writer.looking_up(keys)

    def add_all(self, counts: Mapping[bytes, int], found: LookedUp | None = None) -> None:
        """Gather many increments for one cut, all or none; raise `ClientError` if refused.

        `found` is what `looking_up` found for them.
        """
        if counts:
            found = found or finish(self.looking_up(counts))
            self.writer.add_all(counts, found, self._totals)

    def add_each(self, keys: Sequence[bytes]) -> tuple[Rows, dict[int, ClientError]]:
        """Gather an increment of one for each key; see `Writer.add_each`."""
        return self.writer.add_each(keys, self._totals)

    def values(self, keys: Sequence[bytes], rows: Rows) -> list[int]:
        """Return the value of each key; `rows` are what `add_each` found for them."""
        found = rows.look_up(self._totals)
        for place in rows.lacking:
            found[place] = self.value(keys[place])
        return found

    def value(self, key: bytes) -> int:
        """Return the value of `key`: what is applied here, 0 if nothing is."""
        row = self.keys.find(key)
        return 0 if row is None else self._totals.item(row)

    def reopen(self, own: ColumnId) -> None:
        """Write the new column `own` from the next cut on; the one before stays as it is."""
        self.writer.reopen(own)

    def cut(self) -> list[Batch]:
        """Turn what was added into batches of the own column in one go; see `cutting`."""
        return finish(self.cutting())

    def cutting(self) -> Generator[None, None, list[Batch]]:
        """Turn what was added into batches of the own column, in slices (`Writer.cutting`).

        Nothing while that column is closed: its writer does not go on in it (see `reopen`).
        """
        if self.is_closed(self.writer.own):
            return []
        return (yield from self.writer.cutting(self.columns.get(self.writer.own)))

    # -- taking in --------------------------------------------------------------------------

    def head(self, column: ColumnId) -> int:
        """Return the version of `column` that is taken in, 0 if none is."""
        held = self.columns.get(column)
        if held is not None:
            return held.head
        line = self.settled.get(column)
        if line is None:
            return VERSION if self.residues.find(column) else 0
        return line.version

    def size(self, column: ColumnId) -> int:
        """Return how many positions of `column` are known here."""
        held = self.columns.get(column)
        if held is not None:
            return held.size
        known = self.settled.get(column) or self.residues.find(column)
        return known.size if known else 0

    def hold(self, column: ColumnId) -> None:
        """Hold a column, if it is not held yet, of which nothing is known."""
        self.columns.setdefault(column, Column(column))

    def own_count(self, key: bytes) -> int:
        """Return what the running own column holds of `key` beside the base, in one look-up."""
        column = self.columns.get(self.writer.own)
        position = self.writer.place(self.keys.find(key))
        if column is None or position is None:
            return 0
        return 0 if column.in_base(position) else column.count_at(position)

    def heads(self) -> dict[ColumnId, int]:
        """Return the head of every open column."""
        return {c: held.head for c, held in self.columns.items() if c not in self.settled}

    def all_heads(self) -> dict[ColumnId, int]:
        """Return the version of every column that ever was, as far as it is taken in."""
        lines = ((column, self.settled.get(column)) for column in self.settled)
        return self.heads() | {column: line.version for column, line in lines if line}

    # -- closing ----------------------------------------------------------------------------

    def is_open(self, column: ColumnId) -> bool:
        """Say whether a column is held and open."""
        return column in self.columns and column not in self.settled

    def is_closed(self, column: ColumnId) -> bool:
        """Say whether a column is closed or forgotten."""
        return column in self.settled

    def is_forgotten(self, column: ColumnId) -> bool:
        """Say whether a column's counts are in a residue: nothing can be added to it any more."""
        line = self.settled.get(column)
        return line is not None and line.forgotten

    def is_cold(self, column: ColumnId) -> bool:
        """Say whether a column has to be read from disk before it can be raised or given out."""
        line = self.settled.get(column)
        is_kept = self.residues.find(column) is not None if line is None else not line.forgotten
        return is_kept and self.held(column) is None and self.size(column) > 0

    def held(self, column: ColumnId) -> Column | None:
        """Return a column, or the sum of forgotten ones, if it is in memory."""
        return self.columns.get(column) or self.residues.warm.get(column)

    def closing(self, closings: Iterable[Closing]) -> Iterator[None]:
        """Close columns at the version held of each, yielding between slices.

        Of one that is closed already, or forgotten, only the final version is noted, and the name
        of its source.
        """
        for number, closing in enumerate(closings, 1):
            if number % _CLOSINGS_PER_SLICE == 0:
                yield
            line, column = self.settled.get(closing.column), self.columns.get(closing.column)
            if line is not None:
                final = max(line.final, closing.final)
                line = attrs.evolve(line, final=final, source=line.source or closing.source)
            elif column is None:
                line = Line(0, closing.final, source=closing.source)
            else:
                base = self.base.of(node_of(column.id), sparse=bool(closing.source))
                yield from column.closing(base)
                line = Line(column.head, closing.final, column.size, source=closing.source)
            self.settled.put(closing.column, line)

    def warm(self, column: Column) -> None:
        """Put a column in memory that was read by `read_cold`, unless it is there or has risen."""
        line = self.settled.get(column.id)
        if self.residues.find(column.id):
            self.residues.warm[column.id] = column
        if column.id not in self.columns and line is not None and line.version == column.head:
            self.columns[column.id] = column

    def warm_columns(self) -> list[ColumnId]:
        """Return the closed columns in memory, and sums of forgotten ones."""
        closed = [column.id for column in self.columns.values() if self.is_closed(column.id)]
        return [*closed, *self.residues.warm]

    def may_chill(self, column: ColumnId) -> bool:
        """Say whether a column is closed, and on disk as it is."""
        if column in self.residues.warm:
            return True
        held = self.columns[column]
        is_written = column in self.settled and column not in self.settled.dirty
        return is_written and held.clean and not held.busy

    def chill(self, column: ColumnId) -> None:
        """Let go of a column for which `may_chill` holds."""
        assert self.may_chill(column)
        if self.residues.warm.pop(column, None) is None:
            del self.columns[column]

    def read_cold(
        self, column: ColumnId, images: Iterable[Image], at: Line | None = None
    ) -> Column:
        """Make a column that is cold from its segments' images; raise `StorageError`.

        `at` is what its line was before they were read, if that is not this moment.
        """
        part = self.residues.find(column)
        if part is not None:
            return read_sum(part, images, len(self.keys))
        line = at or self.settled.get(column)
        assert line is not None
        assert not line.forgotten
        read = Column(column)
        read.base = self.base.of(node_of(column))
        for image in images:
            if read.size < line.size:  # else it was written after the last whole checkpoint
                read.load(image, None, upto=line.size, rows_max=len(self.keys))
        if read.size != line.size:
            raise StorageError("a segment of a closed column is missing")
        read.head = line.version
        return read

    def apply(self, batch: Batch) -> None:
        """Take in a batch in one go; see `applying`."""
        for _ in self.applying(batch):
            pass

    def applying(self, batch: Batch) -> Iterator[None]:
        """Take in a batch whose `since` is not above our head, yielding between slices.

        A version we have is ignored. The caller has checked the batch (`check_batch`) and applies
        one at a time.
        """
        if batch.version <= self.head(batch.column) or self.is_forgotten(batch.column):
            return
        column = self._held(batch.column)
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
        line = self.settled.get(column.id)
        if line is not None:
            line = attrs.evolve(line, version=column.head, size=column.size)
            self.settled.put(column.id, line)

    def _held(self, column: ColumnId) -> Column:
        """Return a column in memory, made if nothing is known of it yet."""
        held = self.columns.get(column)
        if held is None:
            assert not self.is_cold(column), "a cold column is warmed before it is raised"
            held = self.columns[column] = Column(column)
            line = self.settled.get(column)
            if line is not None:
                held.base = self.base.of(node_of(column), sparse=bool(line.source))
        return held

    def _place(self, column: Column, names: tuple[bytes, ...]) -> None:
        rows = self.keys.rows(names)
        self.reserve()
        if column.id == self.writer.own:
            self.writer.placed(rows, column.size)
        column.extend(rows)

    # -- giving out -------------------------------------------------------------------------

    def gather(self, column: ColumnId, since: int, size: int) -> Gathering:
        """Begin to gather what a held column has above `since`."""
        held = self.held(column)
        assert held is not None
        return Gathering(held, since, size, self.keys.names.at)

    def share_of_row(self, row: int) -> Iterator[tuple[NodeId, int] | None]:
        """Yield (original node, count) for what each segment holds of a row, None to pause."""
        yield from self.base.of_row(row)
        for column in list(self.columns.values()):
            for number, segment in enumerate(column.segments):
                count = 0 if segment.base is not None else column.count_of_row(row, number)
                yield (node_of(column.id), count) if count else None

    def digest_hash(self) -> bytes:
        """Return 16 bytes that are equal where the heads of all open columns are."""
        digest = hashlib.blake2b(digest_size=16)
        for column, head in sorted(self.heads().items()):
            digest.update(column)
            digest.update(head.to_bytes(8, "big"))
        return digest.digest()

    def reserve(self) -> None:
        """Make room where merged counters took the index beyond its limit."""
        if len(self.keys) > len(self._totals):
            more = max(len(self.keys) - len(self._totals), len(self._totals))
            self._totals = np.concatenate([self._totals, np.zeros(more, np.int64)])

    # -- checks -----------------------------------------------------------------------------

    @property
    def totals(self) -> Totals:
        """Return the totals by row, for scans; int64[at least len(keys)]."""
        return self._totals

    def recount(self) -> Totals:
        """Add base and open columns up afresh: what `totals` must equal (a checker's oracle)."""
        fresh: Totals = self.base.total(len(self._totals))
        for column in self.columns.values():
            for segment in column.segments:
                if segment.base is None:
                    np.add.at(fresh, segment.rows[: segment.size], segment.counts[: segment.size])
        return fresh


def growth_of(batch: Batch, held: Column | None) -> int:
    """Return by how much a batch raises the counts of its column, of which this is in memory."""
    growth = 0
    for block in batch.blocks:
        growth += int(block.counts.sum())
        if held is not None:
            known = block.positions[block.positions < held.size]
            growth -= int(held.counts_at(known).sum())
    return growth


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
