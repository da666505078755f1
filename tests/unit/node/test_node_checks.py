"""Checks: who asks, what follows from equal hashes, and how a newcomer hurries."""

from random import Random

import attrs
from meeting import Meeting, holder, member
from nodes import commit, config, entry, hello, node, node_id, sent

from gcounterd.counters.counters import Counters
from gcounterd.ids import Epoch
from gcounterd.members.roster import Roster, State
from gcounterd.node.checks import CONFIRM_EVERY_S, CONFIRM_FAN_OUT, CONFIRM_GAP_S
from gcounterd.node.messages import Channel, Digest, RosterDigest, StateHash
from gcounterd.node.messages import Roster as RosterMessage
from gcounterd.node.node import Node

MEMBERS = [member(number) for number in range(40)]


def asked(effects, link: int) -> list[StateHash]:
    """Return the questions that effects put on a link."""
    return [m for m in sent(effects, link) if isinstance(m, StateHash) and m.asks]


def test_the_side_that_dialled_asks_and_the_other_answers() -> None:
    a = node("a", "a", "b", "c")
    assert len(asked(a.opened(1, hello("b"), "b:1", 0.0), 1)) == 1
    assert sent(a.opened(2, hello("c"), None, 0.0), 2) == []
    effects = a.wake(40.0)
    assert (len(asked(effects, 1)), asked(effects, 2)) == (1, [])


def test_control_links_are_not_compared_over() -> None:
    a = node("a", "a", "b")
    assert sent(a.opened(1, hello("b", Channel.CONTROL), "b:1", 0.0), 1) == []


def test_an_equal_roster_confirms_a_newcomer_that_is_in_it() -> None:
    a = node("a", seeds=("b:1",))
    a.opened(1, hello("b"), "b:1", 0.0)
    a.received(1, StateHash(a.roster.hash(), bytes(16), bytes(16), asks=False), 0.0)
    assert a.joining.is_confirmed_by(node_id("b"))


def test_rosters_that_are_equally_empty_confirm_nobody() -> None:
    mine = config("a", seeds=("b:1",))
    a = Node(mine, Counters(mine.column, 10), Roster(), Random(1), 0.0)  # nothing committed yet
    a.opened(1, hello("b"), "b:1", 0.0)
    a.received(1, StateHash(Roster().hash(), bytes(16), bytes(16), asks=False), 0.0)
    assert not a.joining.is_confirmed_by(node_id("b"))


def test_equal_heads_count_as_heard_and_later_changes_alone_are_told() -> None:
    a = node("a", "a", "b")
    a.add(b"x", 1)
    commit(a)
    a.opened(1, hello("b"), "b:1", 0.0)
    assert not any(isinstance(m, Digest) for m in sent(a.wake(2.0), 1))  # not compared yet
    a.received(
        1, StateHash(a.roster.hash(), a.exchange.telling.heads_hash(), bytes(16), asks=False), 2.0
    )
    assert not any(isinstance(m, Digest) for m in sent(a.wake(4.0), 1))
    a.add(b"x", 1)
    commit(a, 5.0)
    (digest,) = [m for m in sent(a.wake(6.0), 1) if isinstance(m, Digest)]
    assert digest == Digest({a.config.column: 2}, whole=False)


def test_whoever_tells_all_heads_hears_what_it_lacks_even_if_that_is_nothing() -> None:
    a = node("a", "a", "b")
    a.opened(1, hello("b"), None, 0.0)
    assert Digest({}, whole=False) in sent(a.received(1, Digest({}, whole=True), 0.0), 1)


def test_a_newcomer_introduces_itself_before_it_asks() -> None:
    a = node("a", seeds=("b:1",))
    introduced, asking = sent(a.opened(1, hello("b"), "b:1", 0.0), 1)
    assert introduced == RosterMessage((entry("a", state=State.JOINING),))
    assert asking.asks
    (introduced,) = sent(a.opened(2, hello("c"), None, 0.0), 2)
    assert introduced == RosterMessage((entry("a", state=State.JOINING),))


def test_a_newcomer_asks_each_second_whoever_has_not_confirmed_it() -> None:
    a = node("a", seeds=("b:1",))
    a.opened(1, hello("b"), "b:1", 0.0)
    a.opened(2, hello("c"), None, 0.0)
    a.wake(0.0)
    a.received(1, StateHash(a.roster.hash(), bytes(16), bytes(16), asks=False), 0.0)
    assert a.next_wake(0.0) <= CONFIRM_EVERY_S
    effects = a.wake(CONFIRM_EVERY_S)
    assert (asked(effects, 1), len(asked(effects, 2))) == ([], 1)


def test_a_newcomer_whose_roster_has_grown_asks_again_soon() -> None:
    a = node("a", seeds=("b:1",))
    a.opened(1, hello("b"), "b:1", 0.0)
    a.wake(0.0)
    a.received(1, RosterMessage((entry("b"),)), 0.0)
    commit(a, 0.01)
    assert a.next_wake(0.01) <= CONFIRM_GAP_S
    assert len(asked(a.wake(CONFIRM_GAP_S), 1)) == 1


def test_a_newcomer_to_a_large_cluster_asks_only_a_few_at_a_time() -> None:
    a = holder("a", MEMBERS, seeds=("b:1",))
    for number, letter in enumerate("bcdefghijk"):
        a.opened(number, hello(letter), None, 0.0)
    effects = a.wake(0.0)
    assert sum(len(asked(effects, number)) for number in range(10)) == CONFIRM_FAN_OUT


def test_a_member_that_took_a_newcomer_in_tells_it_so_at_once() -> None:
    b = node("b", "b")
    b.opened(1, hello("a"), None, 0.0)
    b.received(1, RosterMessage((entry("a", state=State.JOINING),)), 0.0)
    (told,) = [m for m in sent(commit(b), 1) if isinstance(m, StateHash)]
    assert told == StateHash(
        b.roster.hash(), b.exchange.telling.heads_hash(), bytes(16), asks=False
    )


def test_several_rosters_that_differ_are_levelled_one_after_the_other() -> None:
    a = holder("a", [entry("a"), *MEMBERS])
    newer = attrs.evolve(MEMBERS[0], epoch=Epoch(b"\7" * 16))
    meeting = Meeting()
    for letter in "bcde":
        meeting.connect(a, holder(letter, [entry(each) for each in "abcde"] + [*MEMBERS, newer]))
    meeting.carry()
    digests = [said for said in meeting.said if isinstance(said, RosterDigest)]
    assert len(digests) == 1  # the others had the same news
    assert {each.roster.hash() for each in meeting.nodes.values()} == {a.roster.hash()}
