"""Warming: closed columns come into memory when they are needed and go when they are not."""

from __future__ import annotations

import pytest
from nodes import commit, config, hello, node

from gcounterd.counters.checkpoint import Checkpoint
from gcounterd.counters.images import Image, Kind
from gcounterd.counters.settled import Closing
from gcounterd.ids import ColumnId
from gcounterd.node import warming
from gcounterd.node.effects import Load, Send
from gcounterd.node.messages import Part, Want
from gcounterd.node.records import Group, TakeBatch
from gcounterd.node.warming import LOADS_MAX, UNUSED_S, WARM_MAX


class Kept:
    """A node with closed columns of other nodes, and the images that a checkpoint makes of them."""

    def __init__(self, *letters: str) -> None:
        self.node = node("a", "a", *letters)
        self.columns = [config(letter).column for letter in letters]
        self.images: dict[tuple[bytes, int], Image] = {}
        self.late: dict[ColumnId, TakeBatch] = {}
        for number, letter in enumerate(letters, 1):
            self.node.opened(number, hello(letter), None, 0.0)
            writer = node(letter, letter)
            for amount in (1, 10):
                writer.add(b"x", amount)
                group = writer.cut()
                assert group is not None
                record = group.records[0]
                assert isinstance(record, TakeBatch)
                self.late[record.batch.column] = record
                if amount == 1:
                    self.node.intake.take_batch(record.batch)
                for _ in writer.applying(group):
                    pass
                writer.committed(group, 0.0)
        self.node.intake.take_closings(tuple(map(Closing, self.columns)))
        commit(self.node)

    def checkpoint(self) -> None:
        round_ = Checkpoint(self.node.counters, 0)
        for image in round_.images():
            if image.kind is Kind.SEGMENT:
                self.images[image.column, image.number] = image
        round_.done()

    def load(self, column: ColumnId, now: float) -> list[object]:
        read = self.node.counters.read_cold(column, [self.images[column, 0]])
        return list(self.node.settlement.loaded(column, read, now))

    @property
    def warm(self) -> list[ColumnId]:
        return self.node.counters.warm_columns()


def loads(effects: list[object]) -> list[ColumnId]:
    return [effect.column for effect in effects if isinstance(effect, Load)]


def test_a_closed_column_goes_when_it_is_written_and_nobody_uses_it() -> None:
    kept = Kept("b", "c")
    kept.node.wake(10.0)
    assert kept.warm == kept.columns  # the disk has them in its journal only
    kept.checkpoint()
    assert kept.node.settlement.warming.next_wake() < float("inf")
    kept.node.wake(20.0)
    assert kept.warm == []
    assert kept.node.settlement.warming.next_wake() == float("inf")


def test_of_many_columns_few_are_looked_at_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warming, "COLUMNS_PER_LOOK", 2)
    kept = Kept(*"bcdef")
    kept.checkpoint()
    left = []
    for _ in range(3):
        assert kept.node.settlement.warming.next_wake() <= 20.0  # it goes on at once
        kept.node.settlement.warming.wake(20.0)
        left.append(len(kept.warm))
    assert left == [3, 1, 0]
    assert kept.node.settlement.warming.next_wake() == float("inf")


def test_a_column_just_used_stays_for_a_moment() -> None:
    kept = Kept("b")
    kept.checkpoint()
    kept.node.settlement.warming.use(kept.columns[0], 9.0)
    kept.node.wake(9.0 + UNUSED_S / 2)
    assert kept.warm
    kept.node.wake(9.0 + 2 * UNUSED_S)
    assert not kept.warm


def test_columns_of_a_group_stay_until_it_is_applied_however_long_reading_them_takes() -> None:
    """One was read, then another took so long that the first had gone again before the apply."""
    kept = Kept("b", "c")
    kept.checkpoint()
    kept.node.wake(20.0)
    settlement = kept.node.settlement
    group = Group(tuple(kept.late.values()), facts=False, own=False)
    now = 20.0
    while lacking := settlement.lacking(group):
        for column in lacking:
            read = kept.node.counters.read_cold(column, [kept.images[column, 0]])
            now += 10 * UNUSED_S
            settlement.warm(column, read, now)
            settlement.wake(now, stays=True)
        assert now < 200.0, "they are read again and again"
    settlement.wake(now + 100, stays=True)
    for _ in kept.node.applying(group):
        pass
    kept.node.committed(group, now + 100)
    assert kept.node.counters.value(b"x") == 22
    kept.checkpoint()
    settlement.wake(now + 200, stays=True)
    assert kept.warm == []


def test_a_wanted_column_is_read_once_however_many_want_it_and_served_to_all() -> None:
    kept = Kept("b", "c")
    kept.checkpoint()
    kept.node.wake(20.0)
    column = kept.columns[0]
    want = Want(column, 0, 0, b"", 0)
    assert loads(list(kept.node.received(1, want, 20.0))) == [column]
    assert loads(list(kept.node.received(2, want, 20.0))) == []
    kept.load(column, 20.1)
    parts = [e for _ in range(2) for e in kept.node.exchange.serving.step()]
    assert [e.links for e in parts if isinstance(e, Send)] == [(1,), (2,)]
    assert all(isinstance(e, Send) and isinstance(e.message, Part) for e in parts)


def test_few_columns_are_read_at_a_time_and_the_others_in_turn() -> None:
    kept = Kept("b", "c", "d", "e")
    kept.checkpoint()
    kept.node.wake(20.0)
    found = []
    for column in kept.columns:
        found += loads(list(kept.node.received(1, Want(column, 0, 0, b"", 0), 20.0)))
    assert found == kept.columns[:LOADS_MAX]
    for column in kept.columns[:LOADS_MAX]:
        found += loads(kept.load(column, 20.1))
    assert found == kept.columns


def test_one_that_cannot_be_read_is_served_to_nobody_and_holds_nobody_up() -> None:
    kept = Kept("b", "c", "d")
    kept.checkpoint()
    kept.node.wake(20.0)
    for column in kept.columns:
        kept.node.received(1, Want(column, 0, 0, b"", 0), 20.0)
    effects = kept.node.settlement.loaded(kept.columns[0], None, 20.1)
    assert loads(list(effects)) == kept.columns[2:]
    assert not kept.node.exchange.serving.can_serve


def test_too_many_that_wait_to_be_written_make_it_due(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept("b", "c", "d")
    crowd = kept.node.settlement.warming
    assert WARM_MAX > 3
    assert not crowd.crowded
    monkeypatch.setattr(warming, "WARM_MAX", 2)
    assert crowd.crowded
    kept.checkpoint()
    assert not crowd.crowded


def test_so_do_few_that_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept("b", "c", "d")
    monkeypatch.setattr(warming, "WARM_POSITIONS_MAX", 2)
    assert kept.node.settlement.warming.crowded
    kept.checkpoint()
    assert not kept.node.settlement.warming.crowded
