"""Under whose name a removed member's counts are shown: along the chain of heirs."""

from __future__ import annotations

from gcounterd.ids import Epoch, NodeId
from gcounterd.members.heirs import NO_HEIR, heir_of, shown_as
from gcounterd.members.roster import Entry, Roster, State

EPOCH = Epoch(b"e" * 16)


def node(name: str) -> NodeId:
    return NodeId(name.encode() * 16)


def chain(*links: tuple[str, State, str]) -> Roster:
    """Return a roster of (name, state, heir), the heir "" for none."""
    return Roster(
        Entry(node(name), EPOCH, 0, name, f"{name}:1", state, node(heir) if heir else None)
        for name, state, heir in links
    )


GONE, HERE, GOING = State.REMOVED, State.ACTIVE, State.REMOVING


def test_a_member_that_is_not_removed_stands_for_itself_whatever_heir_it_has() -> None:
    roster = chain(("a", HERE, ""), ("b", GOING, "a"))
    assert heir_of(roster, node("a")) == node("a")
    assert heir_of(roster, node("b")) == node("b")


def test_a_removed_member_is_shown_as_the_first_along_the_chain_that_belongs() -> None:
    roster = chain(("a", HERE, ""), ("b", GONE, "a"), ("c", GONE, "b"), ("d", GONE, "c"))
    assert {shown_as(roster, node(name)) for name in "abcd"} == {"a"}


def test_a_circle_and_a_removed_end_are_removed_nodes() -> None:
    circle = chain(("a", GONE, "b"), ("b", GONE, "a"), ("c", GONE, "a"), ("d", GONE, "d"))
    assert {shown_as(circle, node(name)) for name in "abcd"} == {NO_HEIR}
    ended = chain(("a", GONE, ""), ("b", GONE, "a"))
    assert {shown_as(ended, node(name)) for name in "ab"} == {NO_HEIR}


def test_nodes_that_no_roster_knows_stand_for_themselves() -> None:
    roster = chain(("a", GONE, "x"))
    assert heir_of(roster, node("x")) == node("x")
    assert heir_of(roster, node("a")) == node("x")
    assert shown_as(roster, node("a")) == node("x").hex()[:12]
