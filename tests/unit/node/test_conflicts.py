"""Members whose sums cannot be joined: refused at the hello until one has moved."""

from __future__ import annotations

import attrs
import pytest
from nodes import commit, entry, hello, judge, node, sent
from twin_hellos import BULK, CONTROL

from gcounterd.counters.settled import Line
from gcounterd.ids import ColumnId, Epoch, column_id
from gcounterd.members.roster import State
from gcounterd.node.conflicts import SHOWN_MAX, describe
from gcounterd.node.effects import Drop, Notice
from gcounterd.node.messages import Refusal, Refused
from gcounterd.node.node import Node
from gcounterd.node.settled_messages import AskLines, Lines, Settled

THEIR_STATE = b"8 bytes!"


def column(life: int) -> ColumnId:
    """Return the column of a life of node x, which is no member any more."""
    return column_id(entry("x").node, Epoch(bytes([life]) * 16))


def forget(at: Node, *lives: int) -> None:
    """Let a node have forgotten lives of x, each at version 1."""
    for life in lives:
        at.counters.settled.put(column(life), Line(1, 1, forgotten=True))


@pytest.fixture
def a() -> Node:
    """A member beside b and c that has forgotten the lives 1 and 2 of x; linked with b and c."""
    made = node("a", "a", "b", "c")
    forget(made, 1, 2)
    said = hello("b", BULK, settled=THEIR_STATE)
    made.opened(1, said, None, 0.0)
    made.opened(2, hello("b", CONTROL, settled=THEIR_STATE), None, 0.0)
    made.opened(3, hello("c", BULK), None, 0.0)
    return made


def tell(at: Node, *lives: int) -> list[object]:
    """Let b show that it has forgotten other lives of x; return what follows."""
    lines = {column(life): Line(1, 1, forgotten=True) for life in lives}
    asked = at.received(1, Settled(b"", b"", lines, asks=False), 1.0)
    assert AskLines(entry("x").node) in sent(asked, 1)
    return at.received(1, Lines(entry("x").node, 0, last=True, reply=True, lines=lines), 1.1)


def test_a_peer_with_an_overlapping_sum_is_parted_with_on_all_its_links(a: Node) -> None:
    effects = tell(a, 1, 3)
    drops = [effect for effect in effects if isinstance(effect, Drop)]
    assert sorted(drop.link for drop in drops) == [1, 2]
    assert a.peers.get(1) is a.peers.get(2) is None
    assert a.peers.get(3) is not None
    (refusal,) = {drop.refusal for drop in drops}
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Refused.RESIDUES
    assert "forgotten here 010101010101@1 020202020202@1" in refusal.text
    assert "by you 010101010101@1 030303030303@1" in refusal.text


def test_it_is_said_and_kept_with_both_maps(a: Node) -> None:
    effects = tell(a, 1, 3)
    (notice,) = [e for e in effects if isinstance(e, Notice) and e.name == "residues_differ"]
    assert notice.fields["peer"] == "b"
    (conflict,) = a.settlement.conflicts.all()
    assert (conflict.peer, conflict.node) == (entry("b").node, entry("x").node)
    assert dict(conflict.ours) == {column(1): 1, column(2): 1}
    assert dict(conflict.theirs) == {column(1): 1, column(3): 1}


def test_its_hello_is_refused_while_neither_holds_anything_else(a: Node) -> None:
    tell(a, 1, 3)
    for channel in (BULK, CONTROL):
        refusal = judge(a, hello("b", channel, settled=THEIR_STATE))
        assert refusal is not None
        assert refusal.reason is Refused.RESIDUES
    assert judge(a, hello("c", BULK, settled=THEIR_STATE)) is None


def test_it_is_met_again_when_it_holds_something_else(a: Node) -> None:
    tell(a, 1, 3)
    assert judge(a, hello("b", BULK, settled=b"not that")) is None


def test_it_is_met_again_when_we_hold_something_else(a: Node) -> None:
    tell(a, 1, 3)
    forget(a, 4)
    assert judge(a, hello("b", BULK, settled=THEIR_STATE)) is None


def test_what_can_be_joined_by_then_is_no_conflict_any_more(a: Node) -> None:
    tell(a, 1, 3)
    a.opened(1, hello("b", BULK, settled=b"not that"), None, 2.0)
    tell(a, 1, 2, 3)
    assert not a.settlement.conflicts.all()


def test_a_peer_that_is_removed_is_no_conflict_any_more_and_may_hand_over(a: Node) -> None:
    tell(a, 1, 3)
    a.intake.take_entries((attrs.evolve(entry("b"), state=State.REMOVED),))
    commit(a, 2.0)
    assert not a.settlement.conflicts.all()
    assert judge(a, hello("b", BULK, settled=THEIR_STATE, returning=True)) is None


def test_a_refused_one_goes_on(a: Node) -> None:
    refusal = Refusal(Refused.RESIDUES, "sums of x cannot be joined", "c:1")
    (notice,) = a.refused(3, refusal, 1.0)
    assert isinstance(notice, Notice)
    assert notice.fields["reason"] == "residues_differ"


@pytest.mark.parametrize(
    ("lives", "of", "text"),
    [
        ((), 0, "nothing"),
        ((1,), 1, "010101010101@1"),
        ((1, 2, 3), 3, "010101010101@1 020202020202@1 and 1 more"),
        ((1, 2), 1000, "010101010101@1 020202020202@1 and 998 more"),
    ],
)
def test_a_map_is_described_by_its_first_columns(lives, of, text) -> None:
    assert describe({column(life): 1 for life in lives}, 2, of) == text


def test_large_maps_are_kept_in_part(a: Node) -> None:
    forget(a, *range(10, 10 + 2 * SHOWN_MAX))
    tell(a, 1, 3)
    (conflict,) = a.settlement.conflicts.all()
    assert len(conflict.ours) == SHOWN_MAX
    assert conflict.ours_all == 2 + 2 * SHOWN_MAX
