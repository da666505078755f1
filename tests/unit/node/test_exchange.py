"""What is taken of what peers send: late batches once, and parts of one gathering only."""

from __future__ import annotations

import numpy as np
import pytest
from nodes import commit, config, hello, node, sent

from gcounterd.counters.batches import Batch, make_block
from gcounterd.counters.counters import Counters
from gcounterd.counters.deltas import Gathering, Piece
from gcounterd.counters.settled import Closing, Line
from gcounterd.ids import ColumnId
from gcounterd.node import telling
from gcounterd.node.effects import Effect
from gcounterd.node.messages import Digest, Part, Push, Want
from gcounterd.node.node import Node
from gcounterd.node.telling import pages_of


def test_a_push_of_a_closed_column_is_taken_and_counted() -> None:
    a, b = node("a", "a", "b"), node("b", "a", "b")
    a.opened(1, hello("b"), None, 0.0)
    b.opened(1, hello("a"), None, 0.0)
    for amount in (1, 2):
        a.add(b"x", amount)
        (push,) = [m for m in sent(commit(a, float(amount)), 1) if isinstance(m, Push)]
        b.received(1, push, 0.0)
        commit(b)
        b.intake.take_closings((Closing(a.config.column),))
        commit(b)
    assert b.counters.value(b"x") == 3
    assert b.counters.settled.get(a.config.column) == Line(2, 0, size=1)


class Sender:
    """Two keys of a's column, given out in parts of one key each."""

    def __init__(self) -> None:
        self.counters = Counters(config("a").column, 1000)
        self.count(b"x", 1)
        self.count(b"y", 1)

    def count(self, key: bytes, amount: int) -> None:
        self.counters.add(key, amount)
        for batch in self.counters.cut():
            self.counters.apply(batch)
        self.counters.writer.settle()

    def gather(self) -> Gathering:
        return self.counters.gather(config("a").column, 0, 0)

    def part(self, name: bytes, piece: Piece) -> Part:
        return Part(config("a").column, name, piece.number, 0, piece.version, piece.block)


def test_parts_of_a_gathering_that_its_sender_forgot_are_not_put_with_those_of_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gcounterd.counters.deltas._PART_ENTRIES", 1)
    monkeypatch.setattr("gcounterd.counters.deltas.LAST_PART_BYTES_MAX", 26)
    a, b = Sender(), node("b", "a", "b")
    b.opened(1, hello("a"), None, 0.0)
    b.received(1, Digest({config("a").column: 2}, whole=False), 0.0)
    first = a.gather()
    b.received(1, a.part(b"first", first.pieces(0)[0]), 0.0)  # x = 1
    a.count(b"x", 10)
    a.count(b"y", 10)

    again, number = a.gather(), 0
    while b.exchange.progress:
        for piece in again.pieces(number):
            b.received(1, a.part(b"again", piece), 0.0)
            number += 1
    commit(b)

    assert b.counters.head(config("a").column) == 4
    assert (b.counters.value(b"x"), b.counters.value(b"y")) == (11, 11)


def test_heads_that_one_digest_does_not_hold_are_told_in_several(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telling, "OPEN_COLUMNS_MAX", 2)
    heads = {config(letter).column: number for number, letter in enumerate("abcde", 1)}
    pages = pages_of(heads)
    assert [len(page.heads) for page in pages] == [2, 2, 1]
    assert {c: head for page in pages for c, head in page.heads.items()} == heads
    assert pages_of({}) == [Digest({}, whole=False)]


def staging(monkeypatch: pytest.MonkeyPatch, number: int) -> tuple[Node, list[Effect]]:
    """Return a node that was sent so many parts of a long column, and what it said to the last."""
    monkeypatch.setattr("gcounterd.counters.deltas._PART_ENTRIES", 1)
    monkeypatch.setattr("gcounterd.counters.deltas.LAST_PART_BYTES_MAX", 26)
    monkeypatch.setattr("gcounterd.node.exchange.PARTS_PER_WANT", 4)
    a, b = Sender(), node("b", "a", "b")
    for key in range(8):
        a.count(b"%d" % key, 1)
    b.opened(1, hello("a"), None, 0.0)
    b.received(1, Digest({config("a").column: 10}, whole=False), 0.0)
    gathering, effects = a.gather(), list[Effect]()
    for at in range(number):
        effects = b.received(1, a.part(b"gathered", gathering.pieces(at)[0]), 0.0)
    return b, effects


def wanted(effects: list[Effect]) -> list[int]:
    return [message.part for message in sent(effects, 1) if isinstance(message, Want)]


@pytest.mark.parametrize(("arrived", "asked"), [(1, []), (2, [2]), (3, [])])
def test_more_is_asked_for_when_half_of_what_was_asked_is_in(
    monkeypatch: pytest.MonkeyPatch, arrived: int, asked: list[int]
) -> None:
    _, effects = staging(monkeypatch, arrived)
    assert wanted(effects) == asked


def test_time_in_which_nothing_is_read_is_no_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    b, _ = staging(monkeypatch, 2)
    monkeypatch.setattr("gcounterd.node.intake.INTAKE_BYTES_MAX", -1)  # it is full
    patience = b.config.want_patience
    for number in range(1, 9):
        assert wanted(b.exchange.retry(number * patience)) == []
    monkeypatch.undo()
    assert wanted(b.exchange.retry(9 * patience)) == [2]


def test_of_several_long_columns_one_is_asked_on_until_it_is_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gcounterd.counters.deltas._PART_ENTRIES", 1)
    monkeypatch.setattr("gcounterd.counters.deltas.LAST_PART_BYTES_MAX", 26)
    monkeypatch.setattr("gcounterd.node.exchange.PARTS_PER_WANT", 2)
    a, b = node("a", "a", "b"), node("b", "a", "b")
    columns = [config(letter).column for letter in "cde"]
    for column in columns:
        positions = np.arange(5, dtype=np.int64)
        block = make_block(0, [b"%d" % key for key in range(5)], positions, positions + 1)
        a.counters.apply(Batch(column, 0, 1, (block,)))
    a.opened(1, hello("b"), None, 0.0)
    b.opened(1, hello("a"), None, 0.0)
    waiting = sent(b.received(1, Digest(dict.fromkeys(columns, 1), whole=False), 0.0), 1)
    done: list[ColumnId] = []
    while waiting:
        answers = sent(a.received(1, waiting.pop(0), 0.0), 1)
        while a.exchange.serving.can_serve:
            answers += sent(a.exchange.serving.step(), 1)
        for part in answers:
            waiting += sent(b.received(1, part, 0.0), 1)
            done += [c for c in columns if b.intake.expected(c)[0] and c not in done]
            assert sum(number > 2 for number in b.exchange.progress.values()) <= 1
    commit(b)
    assert done == columns
    assert b.counters.value(b"4") == 15
