"""Holding: sets of members that know the same, united until a majority has confirmed a newcomer."""

from random import Random

import attrs
from meeting import Meeting, holder, member
from nodes import commit, config, entry, hello, node_id, sent

from gcounterd.counters.counters import Counters
from gcounterd.members.roster import Entry, Roster, State
from gcounterd.node.dialling import WARM_LINKS_MAX
from gcounterd.node.holding import QUIET_ROUNDS, ROUND_S
from gcounterd.node.messages import Holders, StateHash
from gcounterd.node.node import Node

# With a and b they are more than a node keeps links to.
MANY = [member(number) for number in range(WARM_LINKS_MAX)]
NEW = entry("a", state=State.JOINING)


def newcomer(*others: Entry) -> Node:
    """Return newcomer a to a large cluster, linked to b as 1, its own rounds over."""
    a = holder("a", [NEW, entry("b"), *MANY, *others], seeds=("b:1",))
    a.opened(1, hello("b"), None, 0.0)
    rounds(a, 0.0)
    return a


def rounds(of: Node, start: float, seconds: float = 10.0) -> list[Holders]:
    """Return what a node says of holders in so many seconds."""
    said = []
    for step in range(round(seconds / 0.05)):
        said += [m for m in sent(of.wake(start + step * 0.05), 1) if isinstance(m, Holders)]
    return said


def bits(of: Node, *nodes: bytes) -> int:
    """Return the set of these nodes as members of a roster."""
    order = [each.node for each in of.roster]
    return sum(1 << order.index(node) for node in nodes)


def test_members_that_have_shown_our_hash_have_confirmed_us_though_another_says_so() -> None:
    a = newcomer()
    majority = [each.node for each in MANY[: WARM_LINKS_MAX // 2 + 1]]
    a.received(1, Holders(a.roster.members_hash(), bits(a, *majority[:-1]), asks=False), 20.0)
    commit(a)
    assert not a.joining.counting
    a.received(1, Holders(a.roster.members_hash(), bits(a, *majority), asks=False), 20.0)
    commit(a)
    assert a.joining.counting


def test_holders_of_another_hash_confirm_nothing_and_are_compared_with() -> None:
    a = newcomer()
    effects = a.received(1, Holders(bytes(16), 2**40 - 1, asks=True), 20.0)
    assert [type(m) for m in sent(effects, 1)] == [StateHash]
    assert a.received(1, Holders(bytes(16), 2**40 - 1, asks=False), 20.0) == []
    assert not any(a.joining.is_confirmed_by(each.node) for each in MANY)


def test_bits_of_members_that_there_are_not_are_passed_over() -> None:
    a = newcomer()
    a.received(1, Holders(a.roster.members_hash(), 2**4096 - 2**200, asks=False), 20.0)
    assert not any(a.joining.is_confirmed_by(each.node) for each in MANY)
    assert rounds(a, 20.0) == []  # and are no news


def test_who_asks_is_told_what_it_lacks_and_nothing_else() -> None:
    a = newcomer()
    same = a.roster.members_hash()
    (answer,) = sent(a.received(1, Holders(same, 0, asks=True), 20.0), 1)
    assert answer == Holders(same, bits(a, node_id("a")), asks=False)
    assert sent(a.received(1, Holders(same, bits(a, node_id("a")), asks=True), 20.0), 1) == []


def test_rounds_end_when_there_is_no_news_and_begin_again_with_it() -> None:
    a = newcomer()
    same = a.roster.members_hash()
    assert rounds(a, 20.0) == []
    a.received(1, Holders(same, bits(a, node_id("b")), asks=False), 40.0)
    said = rounds(a, 40.0)
    assert len(said) == QUIET_ROUNDS
    assert said[0] == Holders(same, bits(a, node_id("a"), node_id("b")), asks=True)
    a.received(1, Holders(same, bits(a, node_id("b")), asks=False), 60.0)
    assert rounds(a, 60.0) == []


def test_where_nobody_joins_or_everyone_is_connected_nobody_is_told() -> None:
    settled = holder("a", [entry("a"), entry("b"), *MANY])
    settled.opened(1, hello("b"), None, 0.0)
    assert rounds(settled, 0.0) == []
    small = holder("a", [NEW, entry("b"), *MANY[:5]], seeds=("b:1",))
    small.opened(1, hello("b"), None, 0.0)
    assert rounds(small, 0.0) == []


def test_a_member_that_begins_to_belong_begins_the_count_anew() -> None:
    a = newcomer()
    old = a.roster.members_hash()
    a.received(1, Holders(old, bits(a, node_id("b")), asks=False), 20.0)
    a.intake.take_entries((member(99),))
    commit(a, 21.0)
    said = rounds(a, 21.0)
    assert said[0] == Holders(a.roster.members_hash(), bits(a, node_id("a")), asks=True)
    assert said[0].members != old
    assert a.joining.is_confirmed_by(node_id("b"))  # it was, and stays so


def test_a_ring_of_fifty_confirms_a_newcomer_that_knows_two_of_them() -> None:
    """Each is connected to two others only; the newcomer hears of a majority all the same."""
    ring = [member(number) for number in range(50)]
    everyone = [*ring, NEW]
    nodes = [made(each, everyone) for each in ring]
    a = holder("a", everyone, seeds=("m0:1",))
    meeting = Meeting()
    for one, two in zip([a, *nodes], [*nodes, a], strict=True):
        meeting.connect(one, two)
    meeting.carry()
    assert not a.joining.counting
    meeting.run(20 * ROUND_S)
    assert a.joining.counting


def made(of: Entry, everyone: list[Entry]) -> Node:
    """Return a node that a member is, with a roster of everyone."""
    mine = attrs.evolve(config("x"), node=of.node, name=of.name, epoch=of.epoch, address=of.address)
    node = Node(mine, Counters(mine.column, 10), Roster(everyone), Random(of.name), 0.0)
    commit(node)
    return node
