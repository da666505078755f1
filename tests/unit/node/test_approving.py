"""Approving: an approval is made once, kept durably, and told to everyone."""

from __future__ import annotations

import attrs
import pytest
from nodes import WALL_MS, commit, hello, node, node_id, sent

from gcounterd.errors import ClientError
from gcounterd.members.approvals import APPROVALS_MAX, CLOCKS_APART_MS_MAX, HOUR_MS, Approval
from gcounterd.node.messages import Approvals, StateHash
from gcounterd.node.node import Node

HASH = b"h" * 32
APPROVAL = Approval("n4", HASH, WALL_MS + HOUR_MS)


def told(effects: list, link: int) -> list[tuple[Approval, ...]]:
    return [m.approvals for m in sent(effects, link) if isinstance(m, Approvals)]


def linked(letter: str, *members: str) -> Node:
    """Return a node with a bulk link 1 to `b` and 2 to `c`, which has said all that opens them."""
    made = node(letter, *members)
    for link, peer in ((1, "b"), (2, "c")):
        made.opened(link, hello(peer), None, 0.0)
    return made


def test_an_approval_is_told_to_everyone_when_it_is_durable() -> None:
    a = linked("a", "a", "b", "c")
    assert a.approving.approve("n4", HASH, HOUR_MS) == APPROVAL
    assert len(a.roster.approvals) == 0
    effects = commit(a)
    assert list(a.roster.approvals) == [APPROVAL]
    assert told(effects, 1) == told(effects, 2) == [(APPROVAL,)]


def test_what_a_peer_says_is_taken_in_and_passed_on_once() -> None:
    a = linked("a", "a", "b", "c")
    used = attrs.evolve(APPROVAL, used_by=node_id("d"))
    for said, passed_on in ((APPROVAL, [(APPROVAL,)]), (used, [(used,)]), (APPROVAL, [])):
        a.received(1, Approvals((said,)), 0.0)
        assert told(commit(a), 2) == passed_on


def test_a_peer_without_an_approval_is_told_it_when_hashes_are_compared() -> None:
    a = linked("a", "a", "b")
    without = StateHash(a.roster.hash(), bytes(16), bytes(16), asks=True)
    assert told(a.received(1, without, 0.0), 1) == []  # there is none
    a.approving.approve("n4", HASH, HOUR_MS)
    commit(a)
    assert told(a.received(1, without, 0.0), 1) == [(APPROVAL,)]


def test_approvals_are_part_of_what_hashes_compare() -> None:
    a = linked("a", "a", "b", "c")
    assert a.approving.hash() == b""
    a.approving.approve("n4", HASH, HOUR_MS)
    commit(a)
    same = StateHash(a.roster.hash(), bytes(16), bytes(16), True, a.approving.hash())
    assert told(a.received(1, same, 0.0), 1) == []
    (answer,) = [m for m in sent(a.received(1, same, 0.0), 1) if isinstance(m, StateHash)]
    assert answer.approvals == a.approving.hash() != b""


def test_an_approval_that_expired_long_ago_drops_out_of_the_hash() -> None:
    wall = [WALL_MS]
    a = node("a", "a", "b", wall_ms=lambda: wall[0])
    a.approving.approve("n4", HASH, HOUR_MS)
    commit(a)
    assert a.approving.hash() != b""
    wall[0] = APPROVAL.expires_ms + CLOCKS_APART_MS_MAX + 1
    assert a.approving.hash() == b""
    a.received(1, Approvals((APPROVAL,)), 0.0)
    assert not a.intake


def test_an_approval_that_the_disk_refused_does_not_take_effect_later() -> None:
    a = node("a", "a")
    a.approving.approve("n4", HASH, HOUR_MS)
    group = a.cut()
    assert group is not None
    assert group.facts
    a.abandoned(group)
    assert not a.intake
    assert list(a.roster.approvals) == []


def test_a_refused_commit_does_not_make_a_used_token_good_again() -> None:
    a = linked("a", "a", "b", "c")
    used = attrs.evolve(APPROVAL, used_by=node_id("d"))
    a.received(1, Approvals((used,)), 0.0)
    group = a.cut()
    assert group is not None
    a.abandoned(group)
    commit(a)
    assert list(a.roster.approvals) == [used]


def test_a_name_in_use_is_not_approved() -> None:
    a = node("a", "a", "b")
    with pytest.raises(ClientError, match="the name 'b' belongs to node 626262626262 at b:1") as no:
        a.approving.approve("b", HASH, HOUR_MS)
    assert (no.value.status, no.value.code) == (409, "name_in_use")


def test_who_is_joining_cannot_approve() -> None:
    with pytest.raises(ClientError, match="joining") as no:
        node("b", seeds=("a:1",)).approving.approve("n4", HASH, HOUR_MS)
    assert (no.value.status, no.value.code) == (503, "not_active")


def test_there_is_room_for_so_many_who_are_awaited() -> None:
    a = node("a", "a")
    for number in range(APPROVALS_MAX):
        a.approving.approve("n4", number.to_bytes(32, "big"), HOUR_MS)
    commit(a)
    with pytest.raises(ClientError, match=f"{APPROVALS_MAX} approvals wait") as no:
        a.approving.approve("n4", HASH, HOUR_MS)
    assert (no.value.status, no.value.code) == (409, "too_many_approvals")
