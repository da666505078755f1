"""A process that gives way: it hands over, asks once more, and only then ends."""

from __future__ import annotations

import pytest
from nodes import commit, hello, node, sent
from twin_hellos import BULK, CONTROL, epoch, life_of

from gcounterd.ids import ColumnId, column_id
from gcounterd.node import guests
from gcounterd.node.effects import Dial, Drop, Effect, Exit
from gcounterd.node.giving_way import ASK_EVERY_S
from gcounterd.node.grades import Grade
from gcounterd.node.guests import GUEST_SILENT_S
from gcounterd.node.messages import Part, Push, Refusal, Refused, Want
from gcounterd.node.node import Node
from gcounterd.node.removal_messages import HandOver, Held

TWIN = Refusal(Refused.TWIN, "another process", "a:9", epoch(9))
OWN = column_id(node("a").config.node, epoch(5))


def held(process: Node, head: int, now: float, link: int = 1) -> list[Effect]:
    """Let the host say up to which version it holds our column, whatever it was asked last."""
    return process.received(link, Held(1, {OWN: head}, b"another roster 1"), now)


def asked(effects: list[Effect], link: int = 1) -> list[dict[ColumnId, int]]:
    """Return what the host is asked about."""
    return [each.heads for each in sent(effects, link) if isinstance(each, HandOver)]


def told(process: Node, now: float) -> list[Effect]:
    """Let a dial of "b:1" end in the refusal for having a twin."""
    process.dialler.start("b:1", now)
    return process.dial_failed("b:1", CONTROL, Grade.REJECTED, TWIN, now)


def giving_way(*, waiting: int = 0) -> Node:
    """Return a process that counted 3, was told of a twin, and hands over on link 1.

    waiting  what clients have added since
    """
    process = node("a", "a", "b", life=5)
    process.add(b"x", 3)
    commit(process)
    if waiting:
        process.add(b"x", waiting)
    assert Dial("b:1", BULK) in told(process, 0.0)
    effects = process.opened(1, hello("b", BULK), "b:1", 0.1)
    assert asked(effects) == [{OWN: 1}]
    return process


def dials(effects: list[Effect]) -> list[Dial]:
    return [effect for effect in effects if isinstance(effect, Dial)]


def ends(effects: list[Effect]) -> list[int]:
    return [effect.code for effect in effects if isinstance(effect, Exit)]


def test_it_ends_when_all_is_held_and_it_is_told_once_more() -> None:
    process = giving_way()
    assert held(process, 0, 0.2) == []
    assert ends(told(process, 0.3)) == []
    effects = held(process, 1, 0.4)
    assert effects == [Dial("b:1", CONTROL)]  # is the twin still there?
    process.dial_failed("b:1", CONTROL, Grade.TIMEOUT, None, 0.5)
    (end,) = [effect for effect in told(process, 0.6) if isinstance(effect, Exit)]
    assert end.code == 4
    assert "What this node counted is held by b." in end.text


def test_it_asks_after_its_twin_again_until_it_is_told() -> None:
    process = giving_way()
    again = Refusal(Refused.ASKING, "another process is being asked; try again")
    for number in range(1, 4):
        effects = held(process, 1, 0.5 * number)
        assert effects == [Dial("b:1", CONTROL)]
        process.dial_failed("b:1", CONTROL, Grade.REJECTED, again, 0.5 * number + 0.1)
    assert ends(told(process, 2.0)) == [4]


def test_a_host_that_dialled_is_asked_after_the_twin_where_it_says_that_it_is_reached() -> None:
    process = node("a", "a", "b", life=5)
    process.add(b"x", 3)
    commit(process)
    told(process, 0.0)
    process.opened(1, hello("b", BULK), None, 0.1)
    effects = held(process, 1, 0.2)
    assert effects == [Dial("b:1", CONTROL)]


def test_it_goes_on_if_it_is_accepted_instead() -> None:
    process = giving_way()
    held(process, 1, 0.2)
    process.opened(2, hello("b", CONTROL), "b:1", 0.3)
    assert not process.twins.yielding
    process.add(b"x", 1)
    assert ends(process.wake(5.0)) == []


def test_what_waited_for_its_commit_is_handed_over_too() -> None:
    process = giving_way(waiting=4)
    assert held(process, 1, 0.2) == []
    assert ends(told(process, 0.3)) == []
    commit(process, 0.4)
    assert asked(process.wake(1.0)) == [{OWN: 2}]
    held(process, 2, 1.1)
    assert ends(told(process, 1.2)) == [4]


def test_a_host_that_is_lost_is_replaced_with_the_next_refusal() -> None:
    process = giving_way()
    process.closed(1, 0.2)
    assert asked(process.wake(1.0)) == []
    assert Dial("b:1", BULK) in told(process, 1.0)


def test_without_a_host_it_asks_who_told_it_and_the_twin_itself() -> None:
    process = giving_way()
    process.closed(1, 0.2)
    process.dial_failed("b:1", CONTROL, Grade.TIMEOUT, None, 0.9)  # as to any member
    assert {Dial("b:1", CONTROL), Dial("a:9", CONTROL)} <= {*dials(process.wake(1.0))}
    assert process.next_wake(1.0) <= 1.0 + ASK_EVERY_S


def test_one_that_went_on_and_is_told_again_goes_on_handing_over_on_the_link_it_has() -> None:
    process = giving_way()
    held(process, 1, 0.2)
    process.opened(2, hello("b", CONTROL), "b:1", 0.3)
    process.add(b"x", 1)
    commit(process, 0.4)
    process.closed(2, 0.5)
    assert ends(told(process, 0.6)) == []
    assert asked(process.wake(0.6)) == [{OWN: 2}]


def test_a_process_that_has_counted_nothing_has_nothing_to_hand_over() -> None:
    assert ends(told(node("a", "a", "b", life=5), 0.0)) == [4]


# -- the host ----------------------------------------------------------------------------------


def host() -> Node:
    """Return node `b`, linked with the process of `a` that stays, and with a guest on link 3."""
    made = node("b", "a", "b")
    made.opened(1, life_of("a", 9), None, 0.0)
    made.opened(2, life_of("a", 9, BULK), None, 0.0)
    assert made.opened(3, life_of("a", 5, BULK, yielding=True), None, 0.0) == []
    return made


def test_a_guest_takes_no_place_among_the_peers() -> None:
    made = host()
    assert [link.id for link in made.peers.of(node("a").config.node)] == [1, 2]
    assert [link.id for link in made.peers.on(BULK)] == [2]
    made.closed(3, 0.1)
    assert [link.id for link in made.peers.all()] == [1, 2]


def test_a_host_takes_a_guests_columns_and_says_how_far_it_holds_them() -> None:
    process, made = giving_way(), host()
    effects = made.received(3, HandOver(7, {OWN: 1}), 0.2)
    want, answer = sent(effects, 3)
    assert isinstance(want, Want)
    assert answer == Held(7, {OWN: 0}, made.roster.hash())
    process.received(1, want, 0.3)
    (part,) = sent(process.exchange.serving.step(), 1)
    assert isinstance(part, Part)
    made.received(3, part, 0.4)
    commit(made, 0.5)
    assert made.counters.value(b"x") == 3
    assert sent(made.received(3, HandOver(8, {OWN: 1}), 0.6), 3) == [
        Held(8, {OWN: 1}, made.roster.hash())
    ]


def test_what_has_no_business_there_is_passed_over() -> None:
    process, made = node("a", "a", "b", life=5), host()
    process.counters.add(b"x", 1)
    (batch,) = process.counters.cut()
    assert made.received(3, Push(batch), 0.2) == []
    assert not made.intake


def test_no_more_guests_are_taken_in_than_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guests, "GUESTS_MAX", 1)
    made = host()
    effects = made.opened(4, life_of("a", 6, BULK, yielding=True), None, 0.1)
    assert effects == [Drop(4, "excess_guest")]
    assert made.peers.get(4) is None


def test_a_guest_that_says_nothing_any_more_is_let_go() -> None:
    made = host()
    made.received(3, HandOver(1, {}), 1.0)
    assert made.next_wake(1.0) <= 1.0 + GUEST_SILENT_S
    assert Drop(3, "silent_guest") not in made.wake(0.9 + GUEST_SILENT_S)
    assert Drop(3, "silent_guest") in made.wake(1.0 + GUEST_SILENT_S)
    assert made.peers.get(3) is None
