"""Ranges: sums over any range of columns, as if each were added up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcounterd.counters import ranges
from gcounterd.counters.ranges import Ranges
from gcounterd.ids import ColumnId

END = ColumnId(b"\xff" * 32)


def column(number: int) -> ColumnId:
    return ColumnId(number.to_bytes(32, "big"))


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "_BLOCK_COLUMNS", 4)
        yield


PUTS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 2**128 - 1)), max_size=80)
BOUND = st.integers(0, 61)


@given(PUTS, BOUND, BOUND, st.integers(1, 9))
def test_a_range_is_what_adding_up_says(
    puts: list[tuple[int, int]], after: int, upto: int, parts: int
) -> None:
    made, plain = Ranges(), dict[int, int]()
    for at, number in puts:
        made.put(column(at), number)
        plain[at] = number
    assert list(made) == [column(at) for at in sorted(plain)]
    assert len(made) == len(plain)
    within = [at for at in sorted(plain) if after < at <= upto]
    start, end = column(after) if after else b"", column(upto)
    assert made.count(start, end) == len(within)
    assert made.sum(start, end) == sum(plain[at] for at in within) % 2**64
    assert made.first(start, end, 5) == [column(at) for at in within[:5]]


@given(PUTS, BOUND, st.integers(1, 61), st.integers(1, 9))
def test_a_cut_leaves_parts_of_about_one_size_that_follow_each_other(
    puts: list[tuple[int, int]], after: int, size: int, parts: int
) -> None:
    made = Ranges()
    for at, number in puts:
        made.put(column(at), number)
    start, end = column(after) if after else b"", column(after + size)
    ends = made.cut(start, end, parts)
    assert 1 <= len(ends) <= parts
    assert ends[-1] == end
    assert ends == sorted(dict.fromkeys(ends))
    sizes = [made.count(a, b) for a, b in zip([start, *ends], ends, strict=False)]
    assert sum(sizes) == made.count(start, end)
    assert max(sizes) <= -(-sum(sizes) // parts)


def test_a_number_that_is_replaced_counts_once() -> None:
    made = Ranges()
    made.put(column(1), 5)
    made.put(column(1), 7)
    assert made.sum(b"", END) == 7
    assert len(made) == 1
