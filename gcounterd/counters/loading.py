"""Loading: counters from the images that a disk gave back.

Theory. Images are written one by one with commits in between, so they are of different moments, and
the journal makes up for that (`storage.recovery`). What one image promises and no other holds is
therefore not an error of one kind: a segment beyond its column's size is younger than the last
whole checkpoint and comes again from the journal, one that is missing was lost.

Of a closed column only its sums are needed once all of its segments were seen, so one of them at a
time is in memory, however many there are.

It refuses to know where images come from and whether they were intact.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gcounterd.counters.columns import Column
from gcounterd.counters.images import Image, Kind
from gcounterd.counters.residues import read_residue
from gcounterd.counters.settled import Line
from gcounterd.counters.states import read_state
from gcounterd.errors import StorageError
from gcounterd.ids import ColumnId, node_of

if TYPE_CHECKING:
    from gcounterd.counters.counters import Counters


def load(counters: Counters, images: Iterable[Image], *, cool: bool = False) -> None:
    """Take images into empty counters, in the order names, columns, segments by number.

    `cool` lets go of each closed column when it is complete, and of each sum. Raises `StorageError`
    where images do not fit together.
    """
    sizes: dict[ColumnId, int] = {}
    last = ColumnId(b"")
    for image in images:
        column = ColumnId(image.column)
        if cool and column != last and image.kind is Kind.SEGMENT:
            _cool(counters, last, sizes)
            last = column
        match image.kind:
            case Kind.NAMES:
                counters.keys.load(image)
                counters.reserve()
            case Kind.COLUMN:
                sizes[column] = _load_state(counters, column, image)
            case Kind.RESIDUE:
                _load_residue(counters, image)
            case Kind.SEGMENT:
                _load_segment(counters, image, column, sizes.get(column, 0))
            case Kind.ROSTER | Kind.APPROVALS | Kind.RECEIPTS:
                raise AssertionError(f"the {image.kind} are not the counters' business")
    for column in list(sizes):
        _check(counters, column, sizes)
    counters.residues.loaded()


def _cool(counters: Counters, column: ColumnId, sizes: dict[ColumnId, int]) -> None:
    """Let go of a column of which all segments were seen, if it is closed; or of a sum."""
    counters.residues.seen(column)
    if column in sizes and counters.is_closed(column):
        _check(counters, column, sizes)
        counters.chill(column)
        del sizes[column]


def _check(counters: Counters, column: ColumnId, sizes: dict[ColumnId, int]) -> None:
    if counters.columns[column].size != sizes[column]:
        raise StorageError("a segment of a column is missing")


def _load_state(counters: Counters, column: ColumnId, image: Image) -> int:
    state = read_state(image)
    held = counters.columns[column] = Column(column)
    held.head = state.head
    if state.closed:
        held.base = counters.base.of(node_of(column), sparse=bool(state.source))
        line = Line(state.head, state.final, state.size, source=state.source)
        counters.settled.put(column, line)
        del counters.settled.dirty[column]
    return state.size


def _load_residue(counters: Counters, image: Image) -> None:
    part, lines = read_residue(image)
    node = node_of(part.id)
    counters.residues.load(part, counters.base.of(node))
    for column, line in lines.items():
        counters.settled.put(column, line)
        del counters.settled.dirty[column]


def _load_segment(counters: Counters, image: Image, column: ColumnId, size: int) -> None:
    part = counters.residues.find(column)
    held = counters.residues.warm[column] if part else counters.columns.get(column)
    size = part.size if part else size
    if held is None or held.size >= size:
        return  # written after the last whole checkpoint; all of it is in the journal
    held.load(image, counters.totals, upto=size, rows_max=len(counters.keys))
