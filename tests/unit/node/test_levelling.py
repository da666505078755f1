"""Levelling: what differs is told, what does not is not, and a list confirms or breaks off."""

import attrs
import pytest
from meeting import Meeting, holder, member
from nodes import commit, entry, hello, node, node_id, sent

from gcounterd.members.buckets import ALL_BUCKETS, BUCKETS, bucket_of
from gcounterd.members.roster import Roster
from gcounterd.node.effects import Drop
from gcounterd.node.levelling import LEVELLING_S, LISTED_MAX
from gcounterd.node.messages import Roster as RosterMessage
from gcounterd.node.messages import RosterDigest, RosterList, StateHash
from gcounterd.node.node import Node
from gcounterd.node.spreading import ENTRIES_PER_FRAME

MEMBERS = [member(number) for number in range(500)]


def linked(*members: str) -> Node:
    """Return a node (a newcomer if of no members), linked to b as 1, that asked it for a list."""
    a = node("a", *members) if members else node("a", seeds=("b:1",))
    a.opened(1, hello("b"), "b:1", 0.0)
    (digest,) = sent(a.received(1, StateHash(bytes(16), bytes(16), bytes(16), asks=False), 0.0), 1)[
        :1
    ]
    assert digest == RosterDigest(1, a.roster.bucket_hashes())
    return a


def test_one_changed_entry_among_five_hundred_costs_one_bucket() -> None:
    newer = attrs.evolve(MEMBERS[3], revision=1)
    both = (entry("a"), entry("b"))
    a, b = holder("a", [*MEMBERS, *both]), holder("b", [*MEMBERS, newer, *both])
    meeting = Meeting()
    meeting.connect(a, b)
    meeting.carry()

    listed = [
        each for said in meeting.said if isinstance(said, RosterList) for each in said.entries
    ]
    assert newer in listed
    assert {bucket_of(each.node) for each in listed} == {bucket_of(newer.node)}
    assert len(listed) <= 20
    assert a.roster.hash() == b.roster.hash()


def test_equal_nodes_tell_each_other_hashes_only() -> None:
    both = (entry("a"), entry("b"))
    a, b = holder("a", [*MEMBERS, *both]), holder("b", [*MEMBERS, *both])
    meeting = Meeting()
    meeting.connect(a, b)
    assert meeting.carry() == 2
    assert meeting.bytes < 150


def test_islands_that_meet_are_equal_after_one_levelling() -> None:
    a, b = holder("a", MEMBERS[:300]), holder("b", MEMBERS[250:])
    meeting = Meeting()
    meeting.connect(a, b)
    meeting.carry()
    assert a.roster.hash() == b.roster.hash() == Roster([*MEMBERS, *a.roster]).hash()
    assert [type(said) for said in meeting.said].count(RosterDigest) == 1


def test_a_list_of_several_messages_is_told_what_it_lacks_once() -> None:
    b = holder("b", [member(number) for number in range(900)])
    a = holder("a", MEMBERS)
    meeting = Meeting()
    meeting.connect(a, b)
    meeting.carry()
    lists = [said for said in meeting.said if isinstance(said, RosterList)]
    assert [said.left for said in lists] == list(reversed(range(len(lists))))
    assert len(lists) > 1
    told = [e for said in meeting.said if isinstance(said, RosterMessage) for e in said.entries]
    assert told.count(entry("a")) == 1
    assert not any(each in told for each in MEMBERS)  # b had listed them


def test_more_than_one_answer_may_hold_comes_in_several_levellings() -> None:
    a, b = holder("a", []), holder("b", [member(number) for number in range(2500)])
    meeting = Meeting()
    meeting.connect(a, b)
    meeting.carry()
    lists = [said for said in meeting.said if isinstance(said, RosterList)]
    for number in {said.number: None for said in lists}:
        together = [e for said in lists if said.number == number for e in said.entries]
        assert len(together) <= LISTED_MAX
    assert [said.whole for said in lists if not said.left] == [False, False, True]
    assert a.roster.hash() == b.roster.hash()


def test_a_bucket_that_holds_more_than_an_answer_may_is_listed_all_the_same() -> None:
    crowd = [
        attrs.evolve(member(0), node=b"\0" + number.to_bytes(15, "big"), name=f"x{number}")
        for number in range(LISTED_MAX + 10)
    ]
    a, b = holder("a", []), holder("b", crowd)
    meeting = Meeting()
    meeting.connect(a, b)
    meeting.carry()
    assert a.roster.hash() == b.roster.hash()


def test_a_whole_list_of_one_that_holds_our_entry_confirms_us_and_others_do_not() -> None:
    others = (entry("b"), entry("c"))
    for whole, holds, confirmed in ((True, True, True), (True, False, False), (False, True, False)):
        a = linked()
        a.received(1, RosterList(1, ALL_BUCKETS, whole, holds, 0, others), 0.0)
        assert a.joining.is_confirmed_by(node_id("b")) is confirmed


def test_whoever_comes_with_a_confirmation_counts_for_the_majority_before_it_is_durable() -> None:
    a = linked()
    a.received(1, RosterMessage((entry("b"),)), 0.0)
    commit(a)
    b_knows = (entry("b"), entry("c"), entry("d"))
    a.received(1, RosterList(1, ALL_BUCKETS, True, True, 0, b_knows), 0.0)
    assert a.joining.is_confirmed_by(node_id("b"))
    assert not a.joining.may_activate()  # one of three, though one of one in the roster
    commit(a)
    assert not a.joining.counting


def test_a_list_of_which_a_message_was_lost_confirms_nothing() -> None:
    a = linked()
    a.received(1, RosterList(1, ALL_BUCKETS, True, True, 2, (entry("c"),)), 0.0)
    a.received(1, RosterList(1, ALL_BUCKETS, True, True, 0, (entry("e"),)), 0.0)
    assert not a.joining.is_confirmed_by(node_id("b"))
    assert [each[:1] for each in a.intake.members] == [b"c", b"e"]  # but what came is taken in


@pytest.mark.parametrize(
    "broken",
    [
        RosterList(1, ALL_BUCKETS ^ 1 << bucket_of(node_id("c")), True, True, 0, (entry("c"),)),
        RosterList(1, ALL_BUCKETS, True, True, 0, (entry("d"), entry("c"))),
        RosterList(1, ALL_BUCKETS, True, True, 5, ()),
    ],
)
def test_a_list_that_is_none_costs_the_sender_its_link_and_brings_nothing(broken) -> None:
    a = linked()
    assert Drop(1, "bad_list") in a.received(1, broken, 0.0)
    assert a.cut() is None


def test_lists_that_nobody_asked_for_bring_nothing() -> None:
    a = linked()
    for number in (0, 2, 2**62):
        unasked = RosterList(number, ALL_BUCKETS, True, True, 0, (entry("c"),))
        assert a.received(1, unasked, 0.0) == []
    assert a.cut() is None


def test_a_peer_that_never_lists_does_not_keep_others_from_being_levelled() -> None:
    a = linked("a", "b", "c")
    a.opened(2, hello("c"), "c:1", 0.0)
    differs = StateHash(bytes(16), bytes(16), bytes(16), asks=False)
    assert not any(isinstance(m, RosterDigest) for m in sent(a.received(2, differs, 0.0), 2))

    (asked,) = [m for m in sent(a.wake(LEVELLING_S), 2) if isinstance(m, StateHash)]
    assert asked.asks
    (digest,) = [m for m in sent(a.received(2, differs, 5.0), 2) if isinstance(m, RosterDigest)]
    assert digest.number == 2


def test_when_the_link_is_gone_the_next_is_levelled_at_once() -> None:
    a = linked("a", "b", "c")
    a.opened(2, hello("c"), "c:1", 0.0)
    a.received(2, StateHash(bytes(16), bytes(16), bytes(16), asks=False), 0.0)
    a.closed(1, 0.0)
    assert any(isinstance(m, StateHash) for m in sent(a.wake(0.0), 2))


def test_a_digest_of_a_stranger_is_answered_with_all_buckets_in_bounded_messages() -> None:
    a = holder("a", MEMBERS)
    a.opened(1, hello("b"), None, 0.0)
    lists = sent(a.received(1, RosterDigest(7, bytes(BUCKETS * 8)), 0.0), 1)
    assert {said.number for said in lists} == {7}
    assert all(len(said.entries) <= ENTRIES_PER_FRAME for said in lists)
    assert sum(len(said.entries) for said in lists) == 501
