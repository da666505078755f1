"""Turns: one change of what is forgotten of a node, from beginning to end.

Theory. Forgetting a column, and taking another replica's residue, are the same step with other
things in it: copies of columns go, their counts come to be in a sum, or a new sum comes for an old
one. What must hold is that every column counts once before, after, and at every instant between. So
a turn is prepared aside, made durable in one transaction, and only then shown:

    made        from a plan; notes the version of everything that it is about to drop
    place       names that are new here get rows
    build       reads what it drops, adds everything up; nothing of the node is touched
    staged      images of the new sum and of columns that come along, under ids nobody reads yet
    is_current  asked between two commits: has nothing moved since it was made?
    flip        one transaction: the new sum is the residue, what it covers is deleted
    applying    totals and base rise by the difference, then the lines change

Forgetting itself changes no total. Taking raises totals by what was lacking, row by row and never
down, but where columns were set aside. A crash before the flip leaves images that nobody reads;
after it, a start finds the whole step.

It does not go through the journal: to replay a sum twice would be to count twice. Rows of the
journal that speak of forgotten columns are passed over.

This module refuses to know peers and disks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import attrs
import numpy as np
import numpy.typing as npt

from gcounterd.counters.batches import Batch
from gcounterd.counters.columns import SEGMENT_SIZE, Column, Segment
from gcounterd.counters.counters import Counters
from gcounterd.counters.images import Image
from gcounterd.counters.residue import Plan, Step
from gcounterd.counters.residues import (
    VERSION,
    Part,
    lines_of,
    read_sum,
    residue_id,
    residue_image,
)
from gcounterd.counters.settled import Line
from gcounterd.counters.states import ColumnState, state_image
from gcounterd.ids import ColumnId, NodeId

# Work of one slice: names that get rows (see `counters`), and rows by which totals rise.
_NAMES_PER_SLICE = 512
_ROWS_PER_SLICE = 65_536

Lines = Mapping[ColumnId, Line]
Sums = npt.NDArray[np.int64]


@attrs.frozen(eq=False)
class Given:
    """What a peer gave: the lines of its residue and its content, and columns that come along.

    lines    of the columns of its residue
    content  of its residue; None if that has no columns
    along    the whole content of each column that comes along
    finals   of those, where they are known
    """

    lines: Lines
    content: Batch | None = None
    along: Mapping[ColumnId, Batch] = attrs.Factory(dict)
    finals: Mapping[ColumnId, int] = attrs.Factory(dict)

    @property
    def batches(self) -> list[Batch]:
        """Return all content that was given."""
        return [*self.along.values(), *([self.content] if self.content is not None else [])]


class Turn:
    """One change of the residue of `node`.

    aside  columns that are dropped at a version above that of the residue, with that version
    """

    def __init__(self, counters: Counters, node: NodeId, plan: Plan, given: Given) -> None:
        """Carry out `plan` with what was given; see also `forgetting`."""
        self.node = node
        self.aside = dict(plan.aside)
        self._counters = counters
        self._given = given
        self._keeps = plan.keeps
        self._old = counters.residues.get(node)
        # Copies that go: their counts come to be in the new sum as part of what was given.
        head = counters.head
        self._drops = {column: head(column) for column in (*plan.covered, *plan.aside)}
        self._forgets: dict[ColumnId, int] = {}
        self._lines = self._new_lines()
        self._columns: dict[ColumnId, Column] = {}
        self._held: dict[ColumnId, Column] = {}
        self._set_aside: list[Column] = []
        self._sum: Column | None = None
        self._rise: Sums | None = None

    @classmethod
    def forgetting(cls, counters: Counters, node: NodeId, columns: Iterable[ColumnId]) -> Turn:
        """Make a turn that forgets closed columns of a node at the versions held."""
        turn = cls(counters, node, Plan(Step.UNITE), Given({}))
        for column in columns:
            line = counters.settled.get(column)
            assert line is not None
            assert not line.forgotten
            turn._forgets[column] = line.version
            turn._lines[column] = attrs.evolve(line, size=0, forgotten=True)
        return turn

    def _new_lines(self) -> dict[ColumnId, Line]:
        """Return the lines of the residue after the turn."""
        old = lines_of(self._counters.settled, self.node)
        kept = {c: line for c, line in old.items() if line.forgotten and self._keeps}
        taken = {
            column: Line(line.version, self._final(column, line.final), forgotten=True)
            for column, line in self._given.lines.items()
        }
        return kept | taken

    def _final(self, column: ColumnId, theirs: int) -> int:
        mine = self._counters.settled.get(column)
        return max(theirs, mine.final if mine else 0)

    @property
    def forgets(self) -> tuple[ColumnId, ...]:
        """Return the columns whose copies go into the residue."""
        return tuple(self._forgets)

    @property
    def gone(self) -> list[ColumnId]:
        """Return what is not kept any more: copies, and the sum before."""
        old = [self._old.id] if self._old is not None and self._old != self._part() else []
        return [*self._drops, *self._forgets, *old]

    @property
    def lines(self) -> list[ColumnId]:
        """Return the columns whose lines this turn writes."""
        return [*self._lines, *self._given.along]

    def counts(self) -> dict[str, int]:
        """Return how many columns what became of."""
        return {
            "forgotten": len(self._forgets),
            "taken": len(self._given.lines),
            "along": len(self._given.along),
            "covered": len(self._drops) - len(self.aside),
            "set_aside": len(self.aside),
        }

    # -- preparing --------------------------------------------------------------------------

    def place(self) -> Iterator[None]:
        """Give rows to the names that were given, yielding between slices."""
        for batch in self._given.batches:
            column = self._columns[batch.column] = Column(batch.column)
            column.head = batch.version
            for block in batch.blocks:
                names = block.names[max(0, column.size - block.first) :]
                for at in range(0, len(names), _NAMES_PER_SLICE):
                    column.extend(self._counters.keys.rows(names[at : at + _NAMES_PER_SLICE]))
                    self._counters.reserve()
                    yield
                yield

    def lacking(self) -> list[tuple[ColumnId, int]]:
        """Note what is in memory, and return what else is needed: columns and their sizes."""
        dropped = [*self._drops, *self._forgets]
        counters = self._counters
        self._held = {c: counters.columns[c] for c in dropped if c in counters.columns}
        cold = [(c, counters.size(c)) for c in dropped if counters.is_cold(c)]
        return [*cold, *([(self._old.id, self._old.size)] if self._old else [])]

    def build(self, images: Mapping[ColumnId, list[Image]]) -> None:
        """Add everything up, with what `lacking` asked for; may run in another thread.

        Raises `StorageError` if images do not fit. What it reads of columns in memory may be torn
        by a commit meanwhile: then `is_current` says so.
        """
        size = len(self._counters.keys)
        new, rise = np.zeros(size, np.int64), np.zeros(size, np.int64)
        self._write_given(size)
        for column in self._columns.values():
            _add(rise, column)
        if self._given.content is not None:
            _add(new, self._columns[self._given.content.column])
        if self._old is not None and self._keeps:
            _add(new, read_sum(self._old, images[self._old.id], size))
        elif self._old is not None:
            _add(rise, read_sum(self._old, images[self._old.id], size), -1)
        for column in self._read(self._forgets, images):
            _add(new, column)
        for column in self._read(self._drops, images):
            _add(rise, column, -1)
            if column.id in self.aside:
                self._set_aside.append(column)
        versions = {column: line.version for column, line in self._lines.items()}
        self._sum = _pack(residue_id(self.node, versions), new)
        self._rise = rise

    def _write_given(self, size: int) -> None:
        nowhere = np.zeros(size, np.int64)
        for batch in self._given.batches:
            column = self._columns[batch.column]
            for block in batch.blocks:
                if len(block.positions):
                    column.write(block.positions, block.counts, batch.version, nowhere)

    def _read(
        self, columns: Iterable[ColumnId], images: Mapping[ColumnId, list[Image]]
    ) -> Iterator[Column]:
        for column in columns:
            if column in self._held:
                yield self._held[column]
            elif column in images:
                yield self._counters.read_cold(column, images[column])

    def set_aside(self) -> Iterator[tuple[ColumnId, bytes, int]]:
        """Yield (column, name, count) for all that the columns set aside hold."""
        for column in self._set_aside:
            for segment in column.segments:
                counts = segment.counts[: segment.size].tolist()
                for row, count in zip(segment.rows[: segment.size].tolist(), counts, strict=True):
                    if count:
                        yield column.id, self._counters.keys.names[row], count

    def staged(self) -> Iterator[Image]:
        """Yield the images to be written before the flip, one at a time."""
        assert self._sum is not None
        along = [self._columns[column] for column in self._given.along]
        for column in [*([self._sum] if self._lines else []), *along]:
            for number in range(len(column.segments)):
                yield column.image(number)

    def dropped(self, column: ColumnId) -> Iterator[tuple[bytes, int]]:
        """Yield (name, count) of a column that is set aside; see `Turn.aside`."""
        raise NotImplementedError

    def counted(self, column: ColumnId) -> int:
        """Return up to which version a column that is set aside is counted afterwards."""
        return self._lines[column].version

    # -- the step ---------------------------------------------------------------------------

    def is_current(self) -> bool:
        """Say whether nothing has moved that this turn rests on; to be asked between commits."""
        counters = self._counters
        unmoved = all(
            (line := counters.settled.get(column)) is not None
            and not line.forgotten
            and line.version == version
            for column, version in (self._drops | self._forgets).items()
        )
        others = [c for c in self._given.lines if c not in self._drops]
        return (
            unmoved
            and counters.residues.get(self.node) == self._old
            and not any(counters.head(column) for column in others if not self._was_residue(column))
        )

    def _was_residue(self, column: ColumnId) -> bool:
        line = self._counters.settled.get(column)
        return line is not None and line.forgotten

    def flip(self) -> tuple[list[Image], list[ColumnId]]:
        """Return the images to put and the owners to delete in the one transaction."""
        put = [state_image(column, self._state(column)) for column in self._given.along]
        part = self._part()
        if part is not None:
            put.append(residue_image(part, self._lines))
        return put, self.gone

    def _part(self) -> Part | None:
        assert self._sum is not None
        return Part(self._sum.id, self._sum.size) if self._lines else None

    def _state(self, column: ColumnId) -> ColumnState:
        final = self._final(column, self._given.finals.get(column, 0))
        taken = self._columns[column]
        return ColumnState(taken.head, taken.size, closed=True, final=final)

    def applying(self) -> Iterator[None]:
        """Show what is durable now, yielding between slices."""
        assert self._rise is not None
        counters, rise = self._counters, self._rise
        base = counters.base.of(self.node)
        for at in range(0, len(rise) if self._changes_totals() else 0, _ROWS_PER_SLICE):
            part = rise[at : at + _ROWS_PER_SLICE]
            counters.totals[at : at + len(part)] += part
            base.rise_run(at, part)
            yield
        self._put_lines()

    def _changes_totals(self) -> bool:
        return bool(self._given.lines or self._given.along or self._drops or not self._keeps)

    def _put_lines(self) -> None:
        counters = self._counters
        for column in (*self._drops, *self._forgets):
            counters.columns.pop(column, None)
        for column in self._given.along:
            state = self._state(column)
            counters.settled.put(column, Line(state.head, state.final, state.size))
        for column, line in self._lines.items():
            counters.settled.put(column, line)
        for column in (*self._lines, *self._given.along):
            counters.settled.dirty.pop(column, None)
        counters.residues.put(self.node, self._part())


def _add(sums: Sums, column: Column, sign: int = 1) -> None:
    for segment in column.segments:
        np.add.at(sums, segment.rows[: segment.size], sign * segment.counts[: segment.size])


def _pack(column: ColumnId, sums: Sums) -> Column:
    """Make the column of a residue of what is not zero."""
    packed = Column(column)
    packed.head = VERSION
    rows = np.flatnonzero(sums)
    for at in range(0, len(rows), SEGMENT_SIZE):
        run = rows[at : at + SEGMENT_SIZE]
        segment = Segment(len(run))
        segment.size = len(run)
        segment.rows[:] = run
        segment.counts[:] = sums[run]
        segment.stamps[:] = VERSION
        segment.highest = VERSION
        packed.segments.append(segment)
        packed.size += len(run)
    return packed
