"""What a member answers to a node that goes: what is on its disk, and nothing else."""

from __future__ import annotations

from nodes import commit, hello, node, sent

from gcounterd.ids import ColumnId
from gcounterd.node.messages import Push
from gcounterd.node.node import Node
from gcounterd.node.removal_messages import HandOver, Held


def held(at: Node, column: ColumnId) -> int:
    """Return how much of version 1 of a column a node says that it holds."""
    (answer,) = [
        m for m in sent(at.received(1, HandOver(1, {column: 1}), 1.0), 1) if isinstance(m, Held)
    ]
    return answer.heads[column]


def test_what_was_offered_is_held_when_it_is_committed_and_not_before() -> None:
    a, b = node("a", "a", "b"), node("b", "a", "b")
    a.opened(1, hello("b"), None, 0.0)
    b.opened(1, hello("a"), None, 0.0)
    a.add(b"x", 1)
    (push,) = [m for m in sent(commit(a), 1) if isinstance(m, Push)]

    assert held(b, a.config.column) == 0
    b.received(1, push, 1.0)
    assert held(b, a.config.column) == 0
    commit(b)
    assert held(b, a.config.column) == 1
