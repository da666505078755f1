"""Returning: a process whose node was removed without it hands over everything, and ends."""

from __future__ import annotations

import attrs
import pytest
from nodes import commit, entry, hello, judge, node, sent
from twin_hellos import BULK, CONTROL

from gcounterd.errors import ClientError
from gcounterd.members.roster import State
from gcounterd.node.effects import Dial, Drop, Effect, Exit, Notice
from gcounterd.node.grades import Grade
from gcounterd.node.messages import Refusal, Refused
from gcounterd.node.node import Node
from gcounterd.node.removal_messages import HandOver, Held
from gcounterd.node.returning import DIAL_EVERY_S, EXIT_RETURNED
from gcounterd.node.settled_messages import Settled

REMOVED = Refusal(Refused.REMOVED, "this node was removed", "b:1")


def back(*, removed: bool = True) -> Node:
    """Return a, which has counted once, beside b, c and d; it knows that it is removed."""
    made = node("a", "a", "b", "c", "d")
    made.add(b"x", 1)
    commit(made)
    if removed:
        made.intake.take_entries((attrs.evolve(entry("a"), state=State.REMOVED),))
        commit(made, 1.0)
    return made


def back_and_final() -> Node:
    """Return the same when it has declared its column final, and dials."""
    made = back()
    made.wake(2.0)
    commit(made, 2.0)
    made.wake(2.2)
    return made


def dials(effects: list[Effect]) -> list[Dial]:
    return [effect for effect in effects if isinstance(effect, Dial)]


def ends(effects: list[Effect]) -> list[Exit]:
    return [effect for effect in effects if isinstance(effect, Exit)]


def host(at: Node, number: int, letter: str, now: float = 2.0) -> list[Effect]:
    """Let a dial to a member end in a link for handing over."""
    return at.opened(number, hello(letter, BULK), f"{letter}:1", now)


def hold_all(at: Node, link: int, now: float, *, roster: bytes = b"") -> list[Effect]:
    heads = at.counters.all_heads()
    return at.received(link, Held(10**6, heads, roster or at.roster.hash()), now)


def fail(at: Node, *letters: str, now: float = 3.0) -> None:
    """Let the dials to members come to nothing."""
    for letter in letters:
        at.dial_failed(f"{letter}:1", BULK, Grade.REFUSED, None, now)


def test_told_so_it_parts_with_everyone_and_refuses_increments_and_reads() -> None:
    made = back(removed=False)
    made.opened(1, hello("b", CONTROL), None, 1.0)
    made.opened(2, hello("b", BULK), None, 1.0)
    effects = made.refused(2, REMOVED, 2.0)
    assert sorted(e.link for e in effects if isinstance(e, Drop)) == [1, 2]
    assert [e.fields["told_by"] for e in effects if isinstance(e, Notice)] == ["b:1"]
    for ask in (lambda: made.add(b"x", 1), lambda: made.removing.check_read()):
        with pytest.raises(ClientError) as refused:
            ask()
        assert (refused.value.status, refused.value.code) == (503, "removed")
    assert made.removing.reasons_unread()
    assert made.refused(2, REMOVED, 2.1) == []


def test_it_dials_all_members_on_bulk_and_again_after_a_while() -> None:
    made = back()
    effects = made.wake(2.0)
    assert [dial.address for dial in dials(effects)] == ["b:1", "c:1", "d:1"]
    assert {dial.channel for dial in dials(effects)} == {BULK}
    assert dials(made.wake(2.2)) == []
    fail(made, "b", "c", "d")
    assert dials(made.wake(3.5)) == []
    assert len(dials(made.wake(2.0 + DIAL_EVERY_S + 0.1))) == 3


def test_it_asks_each_host_and_tells_what_is_final() -> None:
    made = back_and_final()
    said = sent(host(made, 1, "b", 2.3), 1)
    assert [m.heads for m in said if isinstance(m, HandOver)] == [{made.config.column: 1}]
    (told,) = [m for m in said if isinstance(m, Settled)]
    assert told.lines[made.config.column].final == 1


def test_it_ends_when_all_whom_it_reaches_and_a_majority_hold_everything() -> None:
    made = back_and_final()
    for number, letter in enumerate("bc", 1):
        host(made, number, letter, 2.3)
    fail(made, "d")
    assert ends(hold_all(made, 1, 3.1)) == []
    (end,) = ends(hold_all(made, 2, 3.2))
    assert end.code == EXIT_RETURNED
    assert "All of its 1 columns are held by b, c" in end.text
    assert "--new-identity" in end.text
    assert made.removing.returning.next_wake() == float("inf")


def test_it_waits_until_it_is_known_who_answers_everywhere() -> None:
    made = back_and_final()
    for number, letter in enumerate("bc", 1):
        host(made, number, letter, 2.3)
    hold_all(made, 1, 3.1)
    assert ends(hold_all(made, 2, 3.2)) == []  # d is still being dialled
    fail(made, "d", now=3.3)
    assert ends(made.wake(3.5))


def test_it_waits_for_a_majority() -> None:
    made = back_and_final()
    host(made, 1, "b", 2.3)
    fail(made, "c", "d")
    assert ends(hold_all(made, 1, 3.1)) == []
    assert "1 of 3 active members hold all of it" in made.removing.returning.reason


def test_a_host_with_another_roster_is_told_ours_before_it_ends() -> None:
    made = back_and_final()
    for number, letter in enumerate("bc", 1):
        host(made, number, letter, 2.3)
    fail(made, "d")
    hold_all(made, 1, 3.1)
    assert ends(hold_all(made, 2, 3.2, roster=b"another roster 1")) == []


def test_a_host_that_goes_has_to_be_found_out_about_again() -> None:
    made = back_and_final()
    for number, letter in enumerate("bcd", 1):
        host(made, number, letter, 2.3)
    hold_all(made, 1, 3.1)
    made.closed(3, 3.2)
    assert ends(hold_all(made, 2, 3.3)) == []
    fail(made, "d", now=3.4)
    assert ends(made.wake(3.6))


def test_where_all_are_removed_it_stays_is_read_and_says_the_way_out() -> None:
    made = back()
    gone = tuple(attrs.evolve(entry(letter), state=State.REMOVED) for letter in "bcd")
    made.intake.take_entries(gone)
    commit(made, 2.0)
    assert made.removing.returning.is_stranded
    made.removing.check_read()
    assert "--new-identity" in made.removing.reasons()[0]
    assert made.removing.reasons_unread() == []
    assert ends(made.wake(100.0)) == []


def test_who_greets_it_is_told_that_it_is_no_member_unless_as_a_host() -> None:
    made = back()
    refusal = judge(made, hello("b", CONTROL))
    assert refusal is not None
    assert refusal.reason is Refused.YOUNG
    assert judge(made, hello("b", BULK)) is None


def test_a_node_that_is_a_member_is_idle() -> None:
    made = back(removed=False)
    assert not made.removing.returning.active
    assert made.removing.returning.wake(100.0) == []
    assert made.removing.returning.next_wake() == float("inf")
