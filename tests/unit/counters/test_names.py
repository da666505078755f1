"""Names by row: a sequence that grows without moving."""

from __future__ import annotations

import gc

import pytest

from gcounterd.counters.names import CHUNK_SIZE, Names


def make(number: int) -> Names:
    names = Names()
    names.extend([b"%d" % row for row in range(number)])
    return names


@pytest.mark.parametrize("number", [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 40_000])
def test_every_row_has_its_name_whatever_chunk_it_lies_in(number: int) -> None:
    names = make(number)
    assert len(names) == number
    assert list(names) == [b"%d" % row for row in range(number)]
    assert all(names[row] == b"%d" % row for row in range(number))
    with pytest.raises(IndexError):
        names[number]


@pytest.mark.parametrize("rows", [[], [3, 1], [CHUNK_SIZE - 1, CHUNK_SIZE], [39_999, 0]])
def test_names_of_several_rows_come_in_their_order(rows: list[int]) -> None:
    assert make(40_000).at(rows) == [b"%d" % row for row in rows]


def test_names_added_one_by_one_lie_as_those_added_together() -> None:
    names = make(10)
    for row in range(10, CHUNK_SIZE + 10):
        names.append(b"%d" % row)
    names.extend([b"%d" % row for row in range(CHUNK_SIZE + 10, 40_000)])
    assert list(names) == list(make(40_000))
    assert names._full == make(40_000)._full


@pytest.mark.parametrize("size", [4096, CHUNK_SIZE])
def test_runs_put_together_are_all_names(size: int) -> None:
    names = make(40_000)
    runs = [names.run(start, size) for start in range(0, len(names), size)]
    assert [name for run in runs for name in run] == list(names)
    assert len(runs[-1]) == 40_000 % size


def test_the_run_behind_a_full_chunk_is_empty() -> None:
    assert list(make(CHUNK_SIZE).run(CHUNK_SIZE, 4096)) == []


def test_a_run_across_chunks_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        make(40_000).run(CHUNK_SIZE - 1, 2)


def test_the_collector_leaves_full_chunks_alone() -> None:
    names = make(2 * CHUNK_SIZE)
    gc.collect()
    assert not any(gc.is_tracked(chunk) for chunk in names._full)
