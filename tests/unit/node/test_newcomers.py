"""Newcomers: a free name, an approval where one is asked for, and not too many at once."""

from __future__ import annotations

import attrs
import pytest
from nodes import WALL_MS, commit, entry, hello, judge, node, node_id

from gcounterd.ids import Epoch
from gcounterd.members.approvals import HOUR_MS, Approval, hash_token
from gcounterd.node.messages import Channel, Hello, Refused
from gcounterd.node.newcomers import JOIN_BURST_MAX, JOINS_PER_S_MAX, MEMBERS_FULL, JoinRate
from gcounterd.node.node import Node

TOKEN = b"t" * 32
APPROVAL = Approval("c", hash_token(TOKEN), WALL_MS + HOUR_MS)


def strict(letter: str, *members: str, seeds: tuple[str, ...] = ()) -> Node:
    """Return a node that lets in approved newcomers only, and holds one approval, for `c`."""
    return node(letter, *members, seeds=seeds, approvals=(APPROVAL,), approved_only=True)


def newcomer(letter: str = "c", **changes: object) -> Hello:
    values = {"joining": True, "token": TOKEN, "channel": Channel.CONTROL}
    return hello(letter, **{**values, **changes})


def test_a_newcomer_with_its_token_is_let_in_and_the_token_is_used_with_the_next_commit() -> None:
    a = strict("a", "a", "b")
    assert judge(a, newcomer(), 0.0) is None
    commit(a)
    assert list(a.roster.approvals) == [attrs.evolve(APPROVAL, used_by=node_id("c"))]


def test_the_same_newcomer_may_come_again_and_no_other() -> None:
    a = strict("a", "a", "b")
    for _ in range(2):
        assert judge(a, newcomer(), 0.0) is None
        # The other one is refused before the use is durable as well as after.
        refusal = judge(a, newcomer("d", name="c"), 0.0)
        assert refusal is not None
        assert refusal.reason is Refused.UNAPPROVED
        assert "used by another node" in refusal.text
        commit(a)


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"token": b""}, Refused.UNAPPROVED, "newcomers need an approval here"),
        ({"name": "x"}, Refused.UNAPPROVED, "for another name"),
        ({"token": b"T" * 32}, Refused.UNKNOWN, "not known here"),
    ],
)
def test_who_has_no_good_token_is_told_how_to_get_one(
    changes: dict, reason: Refused, words: str
) -> None:
    asking = newcomer(**changes)
    refusal = judge(strict("a", "a", "b"), asking, 0.0)
    assert refusal is not None
    assert refusal.reason is reason
    assert words in refusal.text
    assert f'run "gcounterctl add-node {asking.name}" on a member' in refusal.text
    assert "--join-token-file" in refusal.text


def test_an_expired_token_lets_nobody_in() -> None:
    late = attrs.evolve(APPROVAL, expires_ms=WALL_MS)
    a = node("a", "a", "b", approvals=(late,), approved_only=True)
    refusal = judge(a, newcomer(), 0.0)
    assert refusal is not None
    assert refusal.reason is Refused.UNAPPROVED
    assert "expired" in refusal.text


def test_members_and_islands_need_no_token() -> None:
    a = strict("a", "a", "b", "c")
    assert judge(a, newcomer(token=b""), 0.0) is None  # on the roster: it was let in before
    assert judge(a, hello("d", joining=False), 0.0) is None


def test_a_node_that_is_joining_itself_lets_nobody_in_who_needs_an_approval() -> None:
    b = strict("b", seeds=("a:1",))
    refusal = judge(b, newcomer(), 0.0)
    assert refusal is not None
    assert refusal.reason is Refused.YOUNG


def test_a_node_that_is_joining_itself_sends_nobody_away_for_a_name_that_others_had() -> None:
    b = node("b", "a", "c", seeds=("a:1",))  # a disk with members, but not itself
    refusal = judge(b, newcomer("d", name="c"), 0.0)
    assert refusal is not None
    assert refusal.reason is Refused.YOUNG
    assert "ask a member" in refusal.text
    own = judge(b, newcomer("d", name="b"), 0.0)
    assert own is not None
    assert own.reason is Refused.NAME


def test_an_open_member_uses_up_a_good_token_and_does_not_ask_for_one() -> None:
    a = node("a", "a", "b", approvals=(APPROVAL,))
    assert judge(a, newcomer("d", token=b""), 0.0) is None
    assert judge(a, newcomer("e", token=b"?" * 32), 0.0) is None
    assert judge(a, newcomer(), 0.0) is None
    commit(a)
    assert [each.used_by for each in a.roster.approvals] == [node_id("c")]


def test_the_name_is_looked_at_before_the_token() -> None:
    refusal = judge(strict("a", "a", "b"), newcomer("d", name="b", token=b""), 0.0)
    assert refusal is not None
    assert refusal.reason is Refused.NAME
    assert refusal.address == "b:1"


def test_a_burst_of_newcomers_is_let_in_and_then_so_many_a_second() -> None:
    rate = JoinRate(5.0)
    assert sum(rate.take(5.0) for _ in range(JOIN_BURST_MAX + 50)) == JOIN_BURST_MAX
    assert sum(rate.take(5.5) for _ in range(JOINS_PER_S_MAX)) == JOINS_PER_S_MAX // 2
    assert sum(rate.take(99.0) for _ in range(2 * JOIN_BURST_MAX)) == JOIN_BURST_MAX


def storm(a: Node, count: int, now: float) -> list[Refused | None]:
    """Let so many newcomers knock at once."""
    outcomes = []
    for number in range(count):
        fresh = attrs.evolve(
            newcomer(token=b""),
            node=(b"s%d " % number).ljust(16, b"."),
            name=f"s{number}",
        )
        refusal = judge(a, fresh, now)
        outcomes.append(refusal.reason if refusal else None)
    return outcomes


def test_a_newcomer_beyond_the_rate_is_told_to_try_again() -> None:
    a = node("a", "a", "b")
    assert storm(a, JOIN_BURST_MAX + 3, 0.0) == [None] * JOIN_BURST_MAX + [Refused.BUSY] * 3
    assert judge(a, hello("b"), 0.0) is None  # members are no newcomers
    assert storm(a, 2, 0.02) == [None, None]


def test_the_second_link_of_a_newcomer_does_not_count_as_another_one() -> None:
    a = node("a", "a", "b")
    storm(a, JOIN_BURST_MAX - 1, 0.0)
    control, bulk = (newcomer(token=b"", channel=channel) for channel in Channel)
    assert judge(a, control, 0.0) is None
    a.opened(1, control, None, 0.0)
    assert judge(a, bulk, 0.0) is None


def test_a_full_roster_is_said_to_newcomers_and_lets_members_be() -> None:
    a = node("a", "a", "b")
    for number in range(MEMBERS_FULL):
        filler = attrs.evolve(entry("z"), node=number.to_bytes(16, "big"), name=f"m{number}")
        a.roster.merge([filler])
    refusal = judge(a, newcomer(token=b""), 0.0)
    assert refusal is not None
    assert refusal.reason is Refused.FULL
    assert str(MEMBERS_FULL) in refusal.text
    assert judge(a, hello("b", joining=True, epoch=Epoch(b"\6" * 16)), 0.0) is None
    assert judge(a, hello("d"), 0.0) is None
