"""A start counts closed columns one at a time, and ends with the same as if it kept them all."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from gcounterd.counters.checkpoint import name_images
from gcounterd.counters.columns import Column
from gcounterd.counters.counters import Counters
from gcounterd.counters.images import Image, Kind
from gcounterd.counters.settled import Closing
from gcounterd.counters.states import ColumnState, state_image
from gcounterd.errors import StorageError
from gcounterd.ids import ColumnId, Epoch, NodeId, column_id
from gcounterd.node.records import Group, Record, TakeBatch, TakeClosings
from gcounterd.storage.records import encode_group
from gcounterd.storage.recovery import Reader, Restored, restore

LIVES = 12
KEYS = [b"key%d" % number for number in range(30)]


def life(number: int) -> ColumnId:
    return column_id(NodeId(b"n" * 16), Epoch(bytes([number]) * 16))


OWN = life(LIVES + 1)


class Store:
    """What one node has on disk after many lives: images, and rows that came after them."""

    def __init__(self, seed: int) -> None:
        rng = Random(seed)
        counters, records = Counters(life(1), 1000), list[list[Record]]()
        for number in range(1, LIVES + 1):
            counters.reopen(life(number))
            for _ in range(3):
                self._count(counters, rng, records)
            if rng.random() < 0.8:  # else it is closed by a row after the images
                closing = (Closing(life(number), 0),)
                list(counters.closing(closing))
            else:
                records[-1].append(TakeClosings((Closing(life(number), 0),)))
        names = list(name_images(counters, 0, len(counters.keys)))
        self.images = [*names, *self._column_images(counters)]
        self.last = len(records)
        for number in rng.sample(range(1, LIVES + 1), 3):
            self._late(counters, rng, records, number)
        self.rows = [
            (seq, encode_group(Group(tuple(each), facts=True, own=False)))
            for seq, each in enumerate(records, 1)
            if seq > self.last or rng.random() < 0.5  # some that the images cover already
        ]
        self.values = {key: counters.value(key) for key in KEYS}
        self.reads: list[ColumnId] = []

    def _count(self, counters: Counters, rng: Random, records: list[list[Record]]) -> None:
        for key in rng.sample(KEYS, 5):
            counters.add(key, rng.randint(1, 9))
        for batch in counters.cut():
            counters.apply(batch)
            records.append([TakeBatch(batch)])
        counters.writer.settle()

    def _late(
        self, counters: Counters, rng: Random, records: list[list[Record]], number: int
    ) -> None:
        """Raise a closed column by what its writer had counted and nobody had seen."""
        writer = Counters(life(number), 1000)
        for record in [record for each in records for record in each]:
            if isinstance(record, TakeBatch) and record.batch.column == life(number):
                writer.apply(record.batch)
        for key in rng.sample(KEYS, 4):
            writer.add(key, 100)
        for batch in writer.cut():
            counters.apply(batch)
            records.append([TakeBatch(batch)])

    def _column_images(self, counters: Counters) -> Iterator[Image]:
        for column, held in counters.columns.items():
            closed = counters.is_closed(column)
            yield state_image(column, ColumnState(held.head, held.size, closed=closed))
            for number in range(len(held.segments)):
                yield held.image(number)

    def sorted_images(self) -> list[Image]:
        return sorted(self.images, key=lambda image: (image.kind, image.column, image.number))

    def read(self, column: ColumnId, size: int) -> list[Image]:
        self.reads.append(column)
        segments = [image for image in self.images if image.kind is Kind.SEGMENT]
        return [image for image in segments if image.column == column]

    def restore(self, reader: Reader | None) -> Restored:
        return restore(OWN, 1000, self.sorted_images(), self.rows, reader)


@pytest.mark.parametrize("seed", range(12))
def test_a_start_that_cools_gives_what_one_that_keeps_everything_does(seed: int) -> None:
    store = Store(seed)
    kept, cooled = store.restore(None).counters, store.restore(store.read).counters
    for found in (kept, cooled):
        assert {key: found.value(key) for key in KEYS} == store.values
    assert dict.fromkeys(kept.settled) == dict.fromkeys(cooled.settled)
    for column in kept.settled:
        assert kept.settled.get(column) == cooled.settled.get(column)
        assert kept.is_cold(column) == cooled.is_cold(column)
    assert kept.recount().tolist() == cooled.recount().tolist() == cooled.totals.tolist()
    assert store.reads  # columns that a row raises are read again, each once
    assert len(store.reads) == len(dict.fromkeys(store.reads))


def test_one_closed_column_at_a_time_is_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(1)
    store.rows = []
    held: list[int] = []
    load = Column.load
    counters: list[Counters] = []

    class Watched(Counters):
        def __init__(self, own: ColumnId, most: int) -> None:
            super().__init__(own, most)
            counters.append(self)

    def watched(self: Column, *args: object, **fields: object) -> None:
        load(self, *args, **fields)  # type: ignore[arg-type]
        closed = [c for c in counters[0].columns.values() if counters[0].is_closed(c.id)]
        held.append(sum(column.size > 0 for column in closed))

    monkeypatch.setattr(Column, "load", watched)
    monkeypatch.setattr("gcounterd.storage.recovery.Counters", Watched)
    store.restore(store.read)
    assert len(held) == LIVES
    assert max(held) == 1


def test_a_segment_from_after_the_last_whole_checkpoint_is_left_to_the_rows() -> None:
    """Found by seed 23 with removals: an empty segment came behind one that was not full."""
    store = Store(3)
    late = [column for column in dict.fromkeys(image.column for image in store.images) if column]
    for column in late:
        (first,) = store.read(ColumnId(column), 1)
        store.images.append(Image(Kind.SEGMENT, column, 1, first.body))
    found = store.restore(store.read).counters
    assert {key: found.value(key) for key in KEYS} == store.values
    assert all(len(held.segments) == 1 for held in found.columns.values() if held.size)


@pytest.mark.parametrize("which", [0, 3, -1])
def test_a_segment_that_is_missing_is_an_error_wherever_it_stood(which: int) -> None:
    store = Store(2)
    segments = [image for image in store.sorted_images() if image.kind is Kind.SEGMENT]
    store.images.remove(segments[which])
    with pytest.raises(StorageError, match="a segment of a column is missing"):
        store.restore(store.read)
