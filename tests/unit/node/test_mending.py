"""Damaged copies: which peer is asked, and that only the version held here is taken."""

from __future__ import annotations

import pytest
from nodes import commit, config, hello, node, sent

from gcounterd.counters.mends import Mend
from gcounterd.counters.settled import Closing
from gcounterd.ids import ColumnId
from gcounterd.node.effects import Carry, Effect, Notice
from gcounterd.node.mending import AGAIN_S, DAMAGED_MAX
from gcounterd.node.messages import Part, Push, Want
from gcounterd.node.node import Node

COLUMN = config("z").column


def writer(versions: int) -> Node:
    """Return z, which has counted so many times."""
    made = node("z", "z")
    made.opened(1, hello("a"), None, 0.0)
    for _ in range(versions):
        made.add(b"x", 1)
        commit(made)
    return made


@pytest.fixture
def a() -> Node:
    """A member beside b and c, with version 2 of a closed column of z that lies cold."""
    made, z = node("a", "a", "b", "c", "z"), node("z", "z")
    for link, letter in enumerate("bc", 1):
        made.opened(link, hello(letter), None, 0.0)
    z.opened(1, hello("a"), None, 0.0)
    for _ in range(2):
        z.add(b"x", 1)
        group = z.cut()
        assert group is not None
        list(z.applying(group))
        z.committed(group, 0.0)
        made.received(1, Push(group.records[0].batch), 0.0)  # type: ignore[union-attr]
        commit(made)
    made.intake.take_closings((Closing(COLUMN),))
    commit(made)
    del made.counters.columns[COLUMN]  # as if it lay on disk
    assert made.counters.is_cold(COLUMN)
    return made


def asked(effects: list[Effect], link: int) -> list[ColumnId]:
    return [m.column for m in sent(effects, link) if isinstance(m, Want) and not m.head]


def give(at: Node, link: int, versions: int) -> list[Effect]:
    """Let the peer of a link give all of z's column as of a version."""
    z = writer(versions)
    gathering = z.counters.gather(COLUMN, 0, 0)
    effects: list[Effect] = []
    number = 0
    while True:
        for piece in gathering.pieces(number):
            part = Part(COLUMN, b"gathered", piece.number, 0, piece.version, piece.block)
            effects += at.received(link, part, 1.0)
            number += 1
            if piece.version:
                return effects


def carried(effects: list[Effect]) -> list[Mend]:
    turns = [effect.turn for effect in effects if isinstance(effect, Carry)]
    return [turn for turn in turns if isinstance(turn, Mend)]


def test_one_peer_is_asked_for_the_whole_of_it(a: Node) -> None:
    effects = a.settlement.loaded(COLUMN, None, 0.5, damaged=True)
    assert [e.name for e in effects if isinstance(e, Notice)] == ["copy_damaged"]
    assert asked(effects, 1) == [COLUMN]
    assert asked(effects, 2) == []
    assert a.settlement.loaded(COLUMN, None, 0.6, damaged=True) == []


def test_what_comes_at_the_version_held_is_written_in_its_place(a: Node) -> None:
    a.settlement.loaded(COLUMN, None, 0.5, damaged=True)
    (mend,) = carried(give(a, 1, 2))
    list(mend.place())
    mend.build({})
    assert mend.is_current()
    assert len(list(mend.staged())) == 1
    assert mend.flip() == ([], [])
    before = a.counters.recount().tolist()
    list(mend.applying())
    assert a.counters.recount().tolist() == before
    (notice,) = [e for e in a.turned(mend, 2.0, done=True) if isinstance(e, Notice)]
    assert notice.name == "copy_mended"
    assert not a.settlement.mending.all()


@pytest.mark.parametrize("version", [1, 3])
def test_another_version_is_not_taken_and_the_next_peer_asked(a: Node, version: int) -> None:
    a.settlement.loaded(COLUMN, None, 0.5, damaged=True)
    effects = give(a, 1, version)
    assert not carried(effects)
    assert asked(effects, 2) == [COLUMN]
    assert a.settlement.mending.all() == [COLUMN]


def test_what_rose_while_it_was_prepared_is_left_alone(a: Node) -> None:
    a.settlement.loaded(COLUMN, None, 0.5, damaged=True)
    (mend,) = carried(give(a, 1, 2))
    list(mend.place())
    mend.build({})
    line = a.counters.settled.get(COLUMN)
    assert line is not None
    a.counters.settled.put(COLUMN, type(line)(3, 0, line.size))
    assert not mend.is_current()
    assert list(mend.staged()) == []


def test_a_peer_that_gives_nothing_or_is_gone_is_followed_by_the_next(a: Node) -> None:
    a.settlement.loaded(COLUMN, None, 0.5, damaged=True)
    a.closed(1, 1.0)
    assert asked(a.wake(1.0), 2) == [COLUMN]
    a.wake(20.0)
    assert a.exchange.wholes == {}
    due = a.settlement.mending.next_wake()
    assert due <= 20.0 + AGAIN_S
    a.wake(due)
    a.wake(due + AGAIN_S)
    assert list(a.exchange.wholes) == [COLUMN]  # it is asked again


def test_what_is_in_memory_again_is_not_damaged_any_more(a: Node) -> None:
    a.settlement.loaded(COLUMN, None, 0.5, damaged=True)
    z = writer(2)
    a.counters.columns[COLUMN] = z.counters.columns[COLUMN]
    a.wake(20.0)
    a.wake(60.0)
    assert not a.settlement.mending.all()


def test_no_more_are_remembered_than_there_is_room_for(a: Node) -> None:
    for number in range(DAMAGED_MAX + 5):
        a.settlement.mending.damaged(ColumnId(number.to_bytes(32, "big")), 0.0)
    assert len(a.settlement.mending.all()) <= DAMAGED_MAX
