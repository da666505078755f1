"""What peers claim of columns that others know better: nobody raises ours, or a linked writer's."""

from __future__ import annotations

import attrs
import pytest
from nodes import batches_of, commit, config, hello, judge, node, node_id, sent

from gcounterd.counters.counters import Counters
from gcounterd.counters.settled import Closing
from gcounterd.ids import ColumnId, Epoch, column_id
from gcounterd.members.roster import Roster
from gcounterd.node.effects import Drop, Effect, Notice
from gcounterd.node.guarding import ANSWER_S, PASSING_S, QUARANTINE_S, QUARANTINE_S_MAX
from gcounterd.node.messages import Channel, Digest, Part, Push, Refused, StateHash, Want
from gcounterd.node.node import Node

THEIRS = config("c").column
FORGED = 10**9


def secured(*letters: str, secured: bool = True) -> Node:
    """Return node a, with links of these letters' numbers in their order, from 1 on."""
    made = node("a", "a", "b", "c", secured=secured)
    for number, letter in enumerate(letters, 1):
        made.opened(number, hello(letter), None, 0.0)
    return made


def notices(effects: list[Effect]) -> list[str]:
    return [effect.name for effect in effects if isinstance(effect, Notice)]


def wants(effects: list[Effect], link: int) -> list[ColumnId]:
    return [message.column for message in sent(effects, link) if isinstance(message, Want)]


def of_c(*amounts: int) -> list[Push]:
    return batches_of("c", *[{b"x": amount} for amount in amounts])


def asked(effects: list[Effect], link: int) -> list[bool]:
    return [message.asks for message in sent(effects, link) if isinstance(message, StateHash)]


def test_what_a_linked_writer_counts_is_taken_from_nobody_else() -> None:
    a = secured("b", "c")
    first, second = of_c(1, 2)
    a.received(2, first, 0.0)
    commit(a)
    (_, forged) = of_c(1, FORGED)
    effects = a.received(1, forged, 0.0)
    assert not a.intake
    assert not wants(effects, 1)
    a.received(2, second, 0.0)
    commit(a)
    assert a.counters.value(b"x") == 3
    assert a.linking.guarding.next_wake() == PASSING_S
    a.wake(PASSING_S)
    assert a.linking.guarding.next_wake() == float("inf")  # what was claimed has come


def test_a_writer_of_whom_others_claim_more_is_asked_and_believed_when_it_answers() -> None:
    a = secured("b", "c")
    a.received(1, Digest({THEIRS: 7}, whole=False), 0.0)
    assert not asked(a.wake(PASSING_S - 0.1), 2)
    assert asked(a.wake(PASSING_S), 2) == [True]
    a.received(2, Digest({}, whole=True), PASSING_S + 0.5)  # it has nothing
    assert not wants(a.wake(PASSING_S + ANSWER_S), 1)
    assert a.linking.guarding.next_wake() == float("inf")


def test_where_a_writer_says_nothing_any_more_others_are_believed_until_it_does() -> None:
    a = secured("b", "c")
    a.received(1, Digest({THEIRS: 1}, whole=False), 0.0)
    a.wake(PASSING_S)
    assert wants(a.wake(PASSING_S + ANSWER_S), 1) == [THEIRS]
    first, second = of_c(1, 2)
    a.received(1, first, 4.0)  # from now on at once
    commit(a)
    assert a.counters.value(b"x") == 1
    a.received(2, Digest({}, whole=True), 5.0)
    a.received(1, second, 6.0)
    assert not a.intake


@pytest.mark.parametrize(
    ("links", "is_secured"), [("b", True), ("bc", False)], ids=["not linked", "not secured"]
)
def test_otherwise_a_relay_is_believed(links: str, is_secured: bool) -> None:
    a = secured(*links, secured=is_secured)
    (push,) = of_c(1)
    a.received(1, push, 0.0)
    commit(a)
    assert a.counters.value(b"x") == 1


def test_of_another_life_of_a_linked_writer_a_relay_is_believed() -> None:
    a = secured("b")
    a.opened(2, hello("c", epoch=Epoch(b"\x09" * 16)), None, 0.0)
    (push,) = of_c(1)
    a.received(1, push, 0.0)
    commit(a)
    assert a.counters.value(b"x") == 1


def test_in_a_crowd_news_come_by_way_of_others() -> None:
    a = node("a", *[chr(97 + number) for number in range(40)], secured=True)
    a.opened(1, hello("b"), None, 0.0)
    a.opened(2, hello("c"), None, 0.0)
    (push,) = of_c(1)
    a.received(1, push, 0.0)
    commit(a)
    assert a.counters.value(b"x") == 1


def test_parts_asked_of_a_relay_are_put_aside_when_the_writer_is_linked() -> None:
    a = secured("b")
    (push,) = of_c(1)
    effects = a.received(1, Digest({THEIRS: 1}, whole=False), 0.0)
    assert wants(effects, 1) == [THEIRS]
    a.opened(2, hello("c"), None, 0.0)
    block = push.batch.blocks[0]
    a.received(1, Part(THEIRS, b"gather78", 0, 0, 1, block), 0.0)
    assert not a.intake


# -- our own columns ------------------------------------------------------------------------


def test_nobody_holds_more_of_the_column_that_we_write() -> None:
    a = secured("b", "c")
    a.add(b"x", 1)
    commit(a)
    claim = Digest({a.config.column: 9}, whole=False)
    effects = a.received(1, claim, 0.0)
    assert notices(effects) == ["own_column_claimed"]
    assert not wants(effects, 1)
    assert notices(a.received(1, claim, 0.0)) == []  # told once
    a.reopen(Epoch(b"\x02" * 16), 0.0)
    a.opened(1, hello("b"), None, 0.0)
    before = column_id(node_id("a"), Epoch(b"\x01" * 16))
    effects = a.received(1, Digest({before: 9}, whole=False), 0.0)
    assert not wants(effects, 1)  # nor of the one that this process wrote before


def with_a_past(*, damaged: bool, final: int = 0) -> tuple[Node, ColumnId]:
    """Return node a in its second life, which knows version 1 of its first."""
    (push,) = batches_of("a", {b"x": 1})
    past = push.batch.column
    mine = attrs.evolve(config("a", life=2), secured=True)
    counters = Counters(mine.column, 1000)
    counters.apply(push.batch)
    for _ in counters.closing((Closing(past, final),)):
        pass
    roster = Roster([*node("a", "a", "b").roster])
    made = Node(mine, counters, roster, node("a", "a")._rng, 0.0, damaged=damaged)
    commit(made)
    made.opened(1, hello("b"), None, 0.0)
    return made, past


@pytest.mark.parametrize(("damaged", "told"), [(False, ["own_past_ahead"]), (True, [])])
def test_of_an_earlier_life_peers_may_hold_more_and_it_is_told_where_the_disk_was_whole(
    damaged: bool, told: list[str]
) -> None:
    a, past = with_a_past(damaged=damaged)
    effects = a.received(1, Digest({past: 2}, whole=False), 0.0)
    assert wants(effects, 1) == [past]
    assert notices(effects) == told


def test_nothing_follows_what_we_declared_final() -> None:
    a, past = with_a_past(damaged=False, final=1)
    effects = a.received(1, Digest({past: 2}, whole=False), 0.0)
    assert not wants(effects, 1)
    assert notices(effects) == ["own_column_claimed"]


# -- quarantine -----------------------------------------------------------------------------


def offend(a: Node, now: float) -> list[Effect]:
    (forged,) = batches_of("a", {b"x": 1})
    return a.received(1, forged, now)


def test_who_writes_our_column_is_refused_for_a_while_and_longer_the_next_time() -> None:
    a = secured("b")
    a.opened(2, hello("b", Channel.CONTROL), None, 0.0)
    effects = offend(a, 0.0)
    assert notices(effects) == ["peer_error", "quarantined"]
    assert [effect for effect in effects if isinstance(effect, Drop)] == [
        Drop(1, "own_column"),
        Drop(2, "quarantined"),
    ]
    assert not a.peers.all()
    refusal = judge(a, hello("b"), QUARANTINE_S - 1)
    assert refusal is not None
    assert refusal.reason is Refused.QUARANTINED
    assert [each.name for each in a.linking.guarding.quarantined(0.0)] == ["b"]
    assert judge(a, hello("c"), 1.0) is None
    assert judge(a, hello("b"), QUARANTINE_S) is None
    a.opened(1, hello("b"), None, QUARANTINE_S)
    offend(a, QUARANTINE_S)
    assert judge(a, hello("b"), 3 * QUARANTINE_S - 1) is not None
    assert judge(a, hello("b"), 3 * QUARANTINE_S) is None


def test_a_quarantine_is_bounded() -> None:
    a, now = secured(), 0.0
    for _ in range(10):
        a.opened(1, hello("b"), None, now)
        offend(a, now)
        now += QUARANTINE_S_MAX
        assert judge(a, hello("b"), now) is None


def test_where_links_are_not_secured_nobody_is_surely_to_blame() -> None:
    a = secured("b", secured=False)
    assert notices(offend(a, 0.0)) == ["peer_error"]
    assert judge(a, hello("b"), 1.0) is None


# -- growth ---------------------------------------------------------------------------------


def limited(limit: int | None) -> Node:
    made = node("a", "a", "b", "c", secured=True, growth_limit=limit)
    made.opened(1, hello("c"), None, 0.0)
    return made


def grow(a: Node, amounts: list[int], at: list[float]) -> list[list[str]]:
    """Let c count so much at such times; return what is noticed each time."""
    seen = []
    for push, now in zip(of_c(*amounts), at, strict=True):
        seen.append(notices(a.received(1, push, now)))
        commit(a)
    return seen


def test_a_peer_may_grow_as_the_limit_allows_and_by_a_burst() -> None:
    a = limited(10)
    # What was counted before it was heard is not judged; then a burst of 600, then 10 a second.
    assert grow(a, [10**6, 600, 100, 101], [0.0, 0.0, 10.0, 20.0]) == [
        [],
        [],
        [],
        ["peer_error", "quarantined"],
    ]
    assert a.counters.value(b"x") == 10**6 + 700
    refusal = judge(a, hello("c"), 21.0)
    assert refusal is not None
    assert "grows_too_fast" in refusal.text


def test_without_a_limit_a_peer_may_count_what_it_likes() -> None:
    assert grow(limited(None), [1, 2**31, 2**31], [0.0, 0.0, 0.0]) == [[], [], []]


def test_a_batch_that_comes_twice_grows_nothing() -> None:
    a = limited(10)
    first, second = of_c(1, 600)
    a.received(1, first, 0.0)
    commit(a)
    for _ in range(3):
        assert notices(a.received(1, second, 0.0)) == []
        commit(a)
    assert a.counters.value(b"x") == 601
