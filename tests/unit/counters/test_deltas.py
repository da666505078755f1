"""A delta in parts is exactly the column at the version it names, however it is disturbed."""

from collections import Counter

import pytest
from counting import column, contents, count, counters

from gcounterd.counters.counters import Counters
from gcounterd.counters.deltas import LAST_PART_NAMES_MAX, Gathering, Stage
from gcounterd.errors import PeerError

A = column("a")


def transfer(source: Gathering, held: Counters, *, meanwhile=lambda part: None) -> int:
    """Pull a whole gathering into `held`; return the number of parts."""
    stage = Stage(b"g", source.since)
    while True:
        meanwhile(stage.next)
        for piece in source.pieces(stage.next):
            batch = stage.take(A, piece.number, piece.version, piece.block)
        if batch is not None:
            held.apply(batch)
            return stage.next


def filled(number: int) -> Counters:
    held = counters("a")
    count(held, {b"/key/%d" % n: n + 1 for n in range(number)})
    return held


def test_a_small_delta_is_one_part() -> None:
    a, b = filled(10), counters("b")

    assert transfer(a.gather(A, 0, 0), b) == 1

    assert contents(b, A) == contents(a, A)
    assert b.head(A) == a.head(A)


def test_a_delta_holds_only_what_the_other_lacks() -> None:
    a, b = filled(1000), counters("b")
    transfer(a.gather(A, 0, 0), b)
    count(a, {b"/key/3": 1, b"new": 1})

    pieces = a.gather(A, b.head(A), b.size(A)).pieces(0)

    assert [len(piece.block.positions) for piece in pieces] == [2]
    assert pieces[0].block.names == (b"new",)


@pytest.mark.parametrize("number", [66_000, 140_000])
def test_a_large_column_arrives_whole_while_it_goes_on_counting(number: int) -> None:
    a, b = filled(number), counters("b")

    def meanwhile(part: int) -> None:
        count(a, {b"/key/%d" % part: 1, b"/late/%d" % part: part + 1})

    parts = transfer(a.gather(A, 0, 0), b, meanwhile=meanwhile)

    assert parts > 1
    assert contents(b, A) == contents(a, A)
    assert b.head(A) == a.head(A)
    assert b.recount().tolist() == b.totals.tolist()


def test_another_round_is_gathered_while_the_last_part_would_be_large() -> None:
    a, b = filled(100_000), counters("b")
    rounds = iter(range(2))

    def meanwhile(part: int) -> None:
        if part % 30 == 20 and next(rounds, None) is not None:
            count(a, {b"/key/%d" % n: 1 for n in range(100_000)})

    transfer(a.gather(A, 0, 0), b, meanwhile=meanwhile)

    assert contents(b, A) == contents(a, A)


def test_a_part_asked_for_again_is_gathered_again() -> None:
    a, b = filled(30_000), counters("b")
    gathering, stage = a.gather(A, 0, 0), Stage(b"g", 0)
    batch = None
    while batch is None:
        number = stage.next
        gathering.pieces(number)  # these are lost
        count(a, {b"/key/1": 1})
        for piece in gathering.pieces(number):
            batch = stage.take(A, piece.number, piece.version, piece.block)
    b.apply(batch)

    assert contents(b, A) == contents(a, A)


def test_a_last_part_that_was_cut_in_the_middle_is_repeated_whole() -> None:
    a, b = filled(20_000), counters("b")
    transfer(a.gather(A, 0, 0), b)
    count(a, {b"/key/%d" % n: 1 for n in range(20_000)})
    gathering, stage = a.gather(A, b.head(A), b.size(A)), Stage(b"g", b.head(A))
    last = gathering.pieces(0)
    assert len(last) > 1
    assert stage.take(A, last[0].number, last[0].version, last[0].block) is None
    count(a, {b"/key/19999": 7, b"/key/0": 7})  # what was sent already is out of date

    batch = None
    for piece in gathering.pieces(stage.next):
        batch = stage.take(A, piece.number, piece.version, piece.block)
    b.apply(batch)

    assert contents(b, A) == contents(a, A)
    assert b.head(A) == a.head(A)


def test_parts_out_of_order_are_left_out_and_ones_beyond_the_next_cannot_be_asked_for() -> None:
    a = filled(30_000)
    gathering = a.gather(A, 0, 0)
    first, second = gathering.pieces(0), gathering.pieces(1)
    stage = Stage(b"g", 0)

    stage.take(A, second[0].number, second[0].version, second[0].block)
    assert stage.next == 0
    stage.take(A, first[0].number, first[0].version, first[0].block)
    stage.take(A, first[0].number, first[0].version, first[0].block)
    assert stage.next == 1
    with pytest.raises(PeerError):
        gathering.pieces(17)


def test_a_replica_serves_a_column_it_does_not_write() -> None:
    a, b, c = filled(5_000), counters("b"), counters("c")
    transfer(a.gather(A, 0, 0), b)

    transfer(b.gather(A, 0, 0), c)

    assert contents(c, A) == contents(a, A)


def test_a_name_of_a_part_is_looked_up_once() -> None:
    held, looked = filled(60_000), Counter[int]()
    names = held.keys.names

    def look_up(rows: list[int]) -> list[bytes]:
        looked.update(rows)
        return names.at(rows)

    (source,) = held.columns.values()
    gathering = Gathering(source, 0, 0, look_up)
    looked.clear()
    for number in range(10):  # of more than a last part could hold
        (piece,) = gathering.pieces(number)
        assert len(piece.block.names) == 2048
    assert set(looked.values()) == {1}


def test_the_last_round_which_is_made_in_one_step_has_few_names() -> None:
    held = filled(LAST_PART_NAMES_MAX + 1)
    assert [piece.version for piece in held.gather(A, 0, 0).pieces(0)] == [0]
    held = filled(LAST_PART_NAMES_MAX)
    assert [piece.version for piece in held.gather(A, 0, 0).pieces(0)] == [0, held.head(A)]
