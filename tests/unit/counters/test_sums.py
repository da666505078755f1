"""Sums: what each node counted in all, exact, and looked at only where it changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcounterd.counters import sums
from gcounterd.counters.counters import Counters
from gcounterd.counters.settled import Closing
from gcounterd.counters.sums import NodeSums, add_up
from gcounterd.ids import ColumnId, Epoch, NodeId, column_id
from tests.finishing import result_of

A, B = NodeId(b"a" * 16), NodeId(b"b" * 16)


def life(node: NodeId, number: int = 1) -> ColumnId:
    return column_id(node, Epoch(bytes([number]) * 16))


def count(of: Counters, *others: Counters, **amounts: int) -> None:
    """Count at one, and let the others hear of it."""
    of.add_all({key.encode(): amount for key, amount in amounts.items()})
    for batch in of.cut():
        for each in (of, *others):
            each.apply(batch)
    of.writer.settle()


def test_sums_are_by_original_node_whatever_is_closed() -> None:
    a, b, again = Counters(life(A), 100), Counters(life(B), 100), Counters(life(A, 2), 100)
    look = NodeSums(a)
    assert result_of(look.look()) == {}
    count(a, x=3, y=4)
    count(b, a, x=10)
    assert result_of(look.look()) == {A: 7, B: 10}
    list(a.closing([Closing(life(B), 0)]))
    count(again, a, z=1)
    assert result_of(look.look()) == {A: 8, B: 10}
    count(b, a, x=5)  # late
    assert result_of(look.look()) == {A: 8, B: 15}
    assert sum(result_of(look.look()).values()) == int(a.recount().sum())


def test_only_what_was_written_is_summed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    a = Counters(life(A), 100)
    count(a, x=3)
    look = NodeSums(a)
    assert result_of(look.look()) == {A: 3}
    monkeypatch.setattr(sums, "add_up", lambda counts: pytest.fail("nothing was written"))
    assert result_of(look.look()) == {A: 3}
    monkeypatch.undo()
    count(a, x=1)
    assert result_of(look.look()) == {A: 4}


@given(st.lists(st.integers(-(2**53), 2**63 - 1), max_size=50))
def test_sums_are_exact_beyond_what_arrays_hold(numbers: list[int]) -> None:
    assert add_up(np.array(numbers, np.int64)) == sum(numbers)
