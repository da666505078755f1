"""Handing over: what is asked of whom, how often, and when it is done."""

from __future__ import annotations

import pytest
from nodes import entry, hello, node_id, sent

from gcounterd.counters.counters import Counters
from gcounterd.counters.settled import Line
from gcounterd.ids import ColumnId, Epoch, column_id
from gcounterd.members.roster import Roster
from gcounterd.node import handing_over
from gcounterd.node.handing_over import ASK_AGAIN_S, HandingOver
from gcounterd.node.peers import Link
from gcounterd.node.removal_messages import HandOver, Held
from gcounterd.node.settled_messages import Settled

B, C = (Link(number, hello(letter), f"{letter}:1", 0.0) for number, letter in enumerate("bc", 1))
OTHER = b"another roster 1"


def column(number: int) -> ColumnId:
    return column_id(node_id("x"), Epoch(bytes([number]) * 16))


class Rig:
    """A process that goes, and what it holds."""

    def __init__(self, *versions: int) -> None:
        self.counters = Counters(column(99), 100)
        self.roster = Roster([entry("a"), entry("b"), entry("c")])
        self.over = HandingOver(self.counters, self.roster)
        for number, version in enumerate(versions, 1):
            self.hold(number, version)

    def hold(self, number: int, version: int, final: int = 0) -> None:
        self.counters.settled.put(column(number), Line(version, final))

    def asked(self, link: Link, now: float, *, again: bool = False) -> list[HandOver]:
        effects = self.over.ask([link], now, again=again)
        return [each for each in sent(effects, link.id) if isinstance(each, HandOver)]

    def answer(
        self,
        link: Link,
        heads: dict[ColumnId, int],
        now: float = 0.0,
        *,
        refused: tuple[ColumnId, ...] = (),
        roster: bytes = b"",
        number: int = 1,
    ) -> None:
        said = Held(number, heads, roster or self.roster.hash(), refused)
        self.over.heard(link, said, now)


def test_each_receiver_is_asked_about_everything_that_is_offered() -> None:
    rig = Rig(3, 5)
    rig.over.offer()
    for link in (B, C):
        (question,) = rig.asked(link, 0.0)
        assert question.heads == {column(1): 3, column(2): 5}
    assert rig.over.columns == 2


def test_it_is_asked_again_about_what_it_lacks_and_not_at_once() -> None:
    rig = Rig(3, 5)
    rig.over.offer()
    rig.asked(B, 0.0)
    assert rig.asked(B, ASK_AGAIN_S / 2) == []
    rig.answer(B, {column(1): 3, column(2): 4}, number=0)
    (question,) = rig.asked(B, ASK_AGAIN_S)
    assert question.heads == {column(2): 5}
    assert rig.over.lacks(B.peer) == 1


def test_one_that_has_progressed_is_asked_at_once() -> None:
    rig = Rig(3, 5)
    rig.over.offer()
    rig.asked(B, 0.0)
    rig.answer(B, {column(1): 3}, 0.1)
    assert rig.asked(B, 0.1)


def test_it_is_done_when_everything_is_held_and_the_roster_is_ours() -> None:
    rig = Rig(3)
    rig.over.offer()
    rig.asked(B, 0.0)
    rig.answer(B, {column(1): 3}, roster=OTHER)
    assert rig.over.holds(B.peer)
    assert not rig.over.agrees(B.peer)
    assert not rig.over.is_done(B.peer)
    (question,) = rig.asked(B, 1.0)  # it may have our roster by now
    assert question.heads == {}
    rig.answer(B, {})
    assert rig.over.is_done(B.peer)
    assert rig.asked(B, 2.0) == []
    assert len(rig.asked(B, 2.0, again=True)) == 1
    assert not rig.over.holds(C.peer)


def test_what_rose_is_offered_anew_and_what_did_not_is_not() -> None:
    rig = Rig(3, 5)
    rig.over.offer()
    rig.asked(B, 0.0)
    rig.answer(B, {column(1): 3, column(2): 5})
    rig.hold(2, 6)
    rig.over.offer_some([column(1), column(2)])
    assert not rig.over.holds(B.peer)
    (question,) = rig.asked(B, 1.0)
    assert question.heads == {column(2): 6}


def test_of_what_was_set_aside_no_more_is_asked_than_is_left() -> None:
    rig = Rig(7)
    rig.over.offer()
    rig.asked(B, 0.0)
    rig.answer(B, {column(1): 5})
    assert not rig.over.holds(B.peer)
    rig.hold(1, 5)
    rig.answer(B, {column(1): 5})
    assert rig.over.holds(B.peer)


def test_what_a_receiver_refuses_is_not_waited_for_and_remembered() -> None:
    rig = Rig(3, 5)
    rig.over.offer()
    rig.asked(B, 0.0)
    rig.answer(B, {column(1): 3, column(2): 1}, refused=(column(2),))
    assert rig.over.is_done(B.peer)
    assert rig.over.refused == {column(2): B.peer}


def test_another_link_is_asked_everything_again() -> None:
    rig = Rig(3)
    rig.over.offer()
    rig.asked(B, 0.0)
    rig.answer(B, {column(1): 3})
    rig.over.closed(B.id)
    assert not rig.over.holds(B.peer)
    assert rig.over.lacks(B.peer) == 1
    later = Link(9, hello("b"), "b:1", 1.0)
    (question,) = rig.asked(later, 1.0)
    assert question.heads == {column(1): 3}
    rig.answer(B, {column(1): 3})  # an answer on the old one counts for nothing
    assert not rig.over.holds(B.peer)


def test_what_is_final_is_told_with_what_is_offered() -> None:
    rig = Rig(3)
    rig.hold(2, 4, final=4)
    rig.over.offer()
    told = [m for m in sent(rig.over.ask([B], 0.0), B.id) if isinstance(m, Settled)]
    assert [each.lines for each in told] == [{column(2): Line(4, 4)}]


def test_many_columns_are_asked_about_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handing_over, "COLUMNS_PER_FRAME", 2)
    monkeypatch.setattr(handing_over, "LACKING_MAX", 4)
    rig = Rig(*range(1, 8))
    rig.over.offer()
    first = rig.asked(B, 0.0)
    assert [len(question.heads) for question in first] == [2, 2]
    held: dict[ColumnId, int] = {}
    now, questions = 0.0, first
    while not rig.over.is_done(B.peer):
        assert sum(len(question.heads) for question in questions) <= 4
        held |= {c: v for question in questions for c, v in question.heads.items()}
        rig.answer(B, held, now)
        now += ASK_AGAIN_S
        questions = rig.asked(B, now)
        assert now < 10
    assert len(held) == 7
