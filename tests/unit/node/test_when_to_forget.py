"""When a node forgets: once every member has shown the same lines and the same roster."""

from __future__ import annotations

import pytest
from nodes import commit, hello, node

from gcounterd.node.effects import Carry
from gcounterd.node.forgetting import ASK_AGAIN_S
from gcounterd.node.messages import StateHash
from gcounterd.node.node import Node


@pytest.fixture
def a() -> Node:
    """A member beside b and c, with a column of its own that is final."""
    made = node("a", "a", "b", "c")
    made.opened(1, hello("b"), None, 0.0)
    made.opened(2, hello("c"), None, 0.0)
    made.add(b"x", 1)
    commit(made)
    made.settlement.closings.finish()
    commit(made)
    return made


def show(at: Node, link: int, *, roster: bytes = b"", settled: bytes = b"") -> None:
    """Let the peer of a link show its hashes: our own where none is given."""
    mine = at.roster.hash(), at.exchange.telling.heads_hash(), at.counters.settled.hash()
    at.received(link, StateHash(roster or mine[0], mine[1], settled or mine[2], asks=False), 1.0)


def forgets(at: Node) -> bool:
    """Say whether a column is about to be forgotten the next time that the node looks."""
    effects = at.settlement.forgetting.wake(100.0) + at.settlement.forgetting.wake(
        101.0 + ASK_AGAIN_S
    )
    return any(isinstance(effect, Carry) for effect in effects)


def test_a_final_column_is_forgotten_when_everybody_has_shown_the_same(a: Node) -> None:
    show(a, 1)
    show(a, 2)
    assert forgets(a)


def test_nothing_is_forgotten_while_a_member_has_shown_nothing(a: Node) -> None:
    show(a, 1)
    assert not forgets(a)


def test_nothing_is_forgotten_while_a_member_has_another_roster(a: Node) -> None:
    show(a, 1)
    show(a, 2, roster=b"another roster 1")
    assert not forgets(a)


def test_nothing_is_forgotten_while_a_member_holds_other_versions(a: Node) -> None:
    show(a, 1)
    show(a, 2, settled=b"other versions 1")
    assert not forgets(a)
