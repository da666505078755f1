"""The base: sums by node and row, which grow where the key index does."""

from __future__ import annotations

import numpy as np
import pytest

from gcounterd.counters.base import _ROWS_PER_SLICE, Base
from gcounterd.ids import NodeId

A, B = NodeId(b"a" * 16), NodeId(b"b" * 16)


def rows(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.uint32)


def test_a_row_that_stands_twice_counts_twice() -> None:
    base = Base(10)
    base.of(A).add(rows(3, 3, 1), np.array([5, 2, 1], np.int64))
    base.of(A).rise_one(3, 1)
    assert [base.at(A, row) for row in (1, 3, 4)] == [1, 8, 0]
    assert base.at(B, 3) == 0


def test_sums_go_beyond_the_limit_where_merged_counters_do() -> None:
    base = Base(2)
    base.of(A).add(rows(1, 5), np.array([1, 2], np.int64))
    base.of(A).rise_one(40, 3)
    base.of(B).rise_run(38, np.array([1, 1, 1], np.int64))
    assert (base.at(A, 1), base.at(A, 5), base.at(A, 40), base.at(A, 1000)) == (1, 2, 3, 0)
    total = base.total(100).tolist()
    assert (total[5], total[40], sum(total)) == (2, 4, 9)


def test_a_row_is_shown_by_the_nodes_that_counted_it() -> None:
    base = Base(10)
    base.of(B).rise_one(2, 7)
    base.of(A).rise_one(2, 1)
    base.of(A).rise_one(3, 1)
    assert dict(base.of_row(2)) == {A: 1, B: 7}
    assert dict(base.of_row(9)) == {}


@pytest.mark.parametrize("sparse", [False, True])
def test_a_segment_is_added_in_slices_and_shows_at_once(sparse: bool) -> None:
    base, size = Base(10), 65_536
    where = np.arange(size, dtype=np.uint32)[::-1] // 2  # each row twice, and beyond the limit
    sums = base.of(A, sparse=sparse)
    slices = 0
    for _ in sums.adding(where, np.arange(size, dtype=np.int64)):
        slices += 1
        assert sums.total() == 0
    assert slices == size // _ROWS_PER_SLICE
    assert [sums.at(0), sums.at(1), sums.at(size // 2 - 1)] == [2 * size - 3, 2 * size - 7, 1]
    assert sums.total() == size * (size - 1) // 2
