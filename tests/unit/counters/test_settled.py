"""Lines of settled columns: pages in order, and a hash that is equal where the lines are."""

from __future__ import annotations

from random import Random

from forgetful import life

from gcounterd.counters.settled import LAST_COLUMN, Line, Settled
from gcounterd.ids import ColumnId

COLUMNS = [life(letter, number) for letter in "abc" for number in (1, 2, 3)]


def settled(lines: dict[ColumnId, Line]) -> Settled:
    made = Settled()
    for column, line in lines.items():
        made.put(column, line)
    return made


def test_the_hash_depends_on_the_lines_and_not_on_how_they_came_to_be() -> None:
    lines = {column: Line(number) for number, column in enumerate(COLUMNS)}
    shuffled = list(lines.items())
    Random(1).shuffle(shuffled)
    other = settled({column: Line(0) for column in COLUMNS[:4]} | dict(shuffled))
    assert other.hash() == settled(lines).hash()
    other.put(COLUMNS[0], Line(9))
    assert other.hash() != settled(lines).hash()


def test_the_hash_tells_a_final_version_from_one_that_may_not_be() -> None:
    assert settled({COLUMNS[0]: Line(3)}).hash() != settled({COLUMNS[0]: Line(3, 3)}).hash()


def test_sizes_and_forgetting_are_not_in_the_hash_but_forgetting_has_one_of_its_own() -> None:
    closed = settled({COLUMNS[0]: Line(3, 3, 10)})
    forgotten = settled({COLUMNS[0]: Line(3, 3, forgotten=True)})
    assert closed.hash() == forgotten.hash()
    assert closed.forgotten_hash() == Settled().forgotten_hash() != forgotten.forgotten_hash()


def test_pages_follow_each_other_and_the_last_says_that_it_is() -> None:
    held = settled({column: Line(1) for column in reversed(COLUMNS)})
    found: list[ColumnId] = []
    upto = b""
    while upto != LAST_COLUMN:
        upto, lines = held.page(upto, 4)
        assert len(lines) <= 4
        found += lines
    assert found == COLUMNS == list(held)


def test_a_page_that_is_just_full_at_the_end_is_the_last() -> None:
    held = settled({column: Line(1) for column in COLUMNS[:4]})
    assert held.page(b"", 4)[0] == LAST_COLUMN
    assert held.page(b"", 3)[0] == COLUMNS[2]
    assert Settled().page(b"", 4) == (LAST_COLUMN, {})


def test_a_page_of_a_range_says_how_far_it_came() -> None:
    held = settled({column: Line(1) for column in COLUMNS})
    assert held.page(COLUMNS[1], 9, COLUMNS[3]) == (
        COLUMNS[3],
        {column: Line(1) for column in COLUMNS[2:4]},
    )
    assert held.page(COLUMNS[1], 1, COLUMNS[3])[0] == COLUMNS[2]
    assert held.between(COLUMNS[1], COLUMNS[3]) == {c: Line(1) for c in COLUMNS[2:4]}
    assert held.between(COLUMNS[3], COLUMNS[1]) == {}


def test_what_changed_is_to_be_written_and_what_did_not_is_not() -> None:
    held = settled({COLUMNS[0]: Line(1)})
    held.dirty.clear()
    held.put(COLUMNS[0], Line(1))
    assert not held.dirty
    held.put(COLUMNS[0], Line(2))
    assert list(held.dirty) == [COLUMNS[0]]
    assert len(held) == 1
    assert COLUMNS[1] not in held
