"""Comparing: who holds what this node held, since when not, and who has not said."""

from __future__ import annotations

import attrs
from meeting import Meeting, holder
from nodes import batches_of, commit, entry, hello, node, sent

from gcounterd.ids import Epoch, NodeId, column_id
from gcounterd.node.comparing import COLUMNS_MAX, MARKS_MAX
from gcounterd.node.effects import Effect
from gcounterd.node.kept_messages import AskKept, Kept
from gcounterd.node.messages import Push
from gcounterd.node.node import Node


def watched(*peers: str) -> Node:
    """Return node `a` with a bulk link to each peer, by number from 1."""
    made = node("a", "a", *peers)
    for number, peer in enumerate(peers, 1):
        made.opened(number, hello(peer), None, 0.0)
    return made


def count(of: Node, now: float = 0.0) -> None:
    of.add(b"x", 1)
    commit(of, now)


def asked(effects: list[Effect], link: int) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for message in sent(effects, link):
        assert isinstance(message, AskKept)
        found.update(message.heads)
    return found


def test_a_member_is_level_when_it_has_said_that_it_holds_all() -> None:
    a = watched("b", "c")
    comparing, (b, c) = a.linking.comparing, (hello("b").node, hello("c").node)
    assert comparing.look(b, 0.0) is None
    count(a)
    assert comparing.is_moving
    effects = comparing.ask(1.0)
    assert asked(effects, 1) == asked(effects, 2) == a.counters.heads()
    assert not comparing.is_moving
    a.received(1, Kept(a.counters.heads()), 1.1)
    told = comparing.look(b, 2.0)
    assert told is not None
    assert (told.behind, told.ahead) == (0.0, False)
    behind = comparing.look(c, 2.0)
    assert behind is not None
    assert behind.behind == 1.0
    assert asked(comparing.ask(2.0), 1) == {}


def test_who_is_behind_is_so_since_the_oldest_mark_that_it_lacks() -> None:
    a = watched("b")
    comparing, b = a.linking.comparing, hello("b").node
    for second in range(1, 5):
        count(a, second)
        comparing.ask(float(second))
        if second == 2:
            a.received(1, Kept(a.counters.heads()), 2.1)
    told = comparing.look(b, 5.5)
    assert told is not None
    assert told.behind == 5.5 - 3.0
    a.received(1, Kept(a.counters.heads()), 5.6)
    told = comparing.look(b, 5.7)
    assert told is not None
    assert told.behind == 0.0


def test_the_oldest_mark_stays_however_long_somebody_is_behind() -> None:
    a = watched("b")
    comparing, b = a.linking.comparing, hello("b").node
    for second in range(1, 3 * MARKS_MAX):
        count(a, second)
        comparing.ask(float(second))
    told = comparing.look(b, 1000.0)
    assert told is not None
    assert told.behind == 999.0


def test_what_a_member_holds_above_this_node_is_seen() -> None:
    a = watched("b")
    comparing, b = a.linking.comparing, hello("b").node
    (push,) = batches_of("c", {b"x": 3})
    a.received(1, push, 0.0)
    commit(a)
    comparing.ask(1.0)
    column = push.batch.column
    a.received(1, Kept({column: 9, **{c: 1 for c in a.counters.heads() if c != column}}), 1.1)
    told = comparing.look(b, 2.0)
    assert told is not None
    assert (told.behind, told.ahead) == (0.0, True)


def test_nodes_that_hear_each_other_come_to_be_level_by_what_they_say() -> None:
    a, b = holder("a", [entry("a"), entry("b")]), holder("b", [entry("a"), entry("b")])
    meeting = Meeting()
    meeting.connect(a, b)
    meeting.carry()
    a.add(b"x", 5)
    b.add(b"y", 7)
    for each in (a, b):
        meeting.commit(each)
        meeting.perform(each, each.linking.comparing.ask(meeting.now))
    meeting.carry()
    meeting.run(3.0)
    for each, other in ((a, b), (b, a)):
        meeting.perform(each, each.linking.comparing.ask(meeting.now))
        meeting.carry()
        told = each.linking.comparing.look(other.config.node, meeting.now + 1)
        assert told is not None
        assert (told.behind, told.ahead) == (0.0, False)
        assert each.counters.heads() == other.counters.heads()
        assert len(each.counters.heads()) == 2


def test_nothing_is_known_of_a_member_whose_link_is_gone() -> None:
    a = watched("b")
    comparing, b = a.linking.comparing, hello("b").node
    count(a)
    comparing.ask(1.0)
    a.received(1, Kept(a.counters.heads()), 1.1)
    a.closed(1, 1.2)
    assert comparing.look(b, 1.3) is None


def test_with_too_many_columns_nobody_is_called_equal() -> None:
    a = watched("b")
    (push,) = batches_of("c", {b"x": 1})
    for number in range(COLUMNS_MAX + 1):
        column = column_id(NodeId(number.to_bytes(16, "big")), Epoch(b"z" * 16))
        a.received(1, Push(attrs.evolve(push.batch, column=column)), 0.0)
    commit(a)
    assert a.linking.comparing.ask(1.0) == []
    assert a.linking.comparing.look(hello("b").node, 2.0) is None
