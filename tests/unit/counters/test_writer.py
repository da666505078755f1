"""The writer says no where no costs nothing, and otherwise counts exactly."""

import numpy as np
import pytest
from counting import count, counters
from hypothesis import given
from hypothesis import strategies as st

from gcounterd.counters import sorting, writer
from gcounterd.counters.batches import COUNT_MAX
from gcounterd.counters.counters import Counters
from gcounterd.counters.slices import finish
from gcounterd.counters.writer import AMOUNT_MAX, PENDING_AMOUNT_MAX
from gcounterd.errors import ClientError
from gcounterd.ids import ColumnId

KEYS = [b"%d" % number for number in range(12)]


def fill(held: Counters, key: bytes) -> None:
    """Count until a counter is as large as it may become."""
    while missing := COUNT_MAX - held.value(key):
        held.add(key, min(missing, PENDING_AMOUNT_MAX), COUNT_MAX)
        count(held, {})


def encoded(held: Counters) -> list[tuple[int, list[bytes]]]:
    """Cut what waits, and take it in."""
    batches = held.cut()
    for batch in batches:
        held.apply(batch)
    held.writer.settle()
    return [(batch.version, [block.encoded for block in batch.blocks]) for batch in batches]


@pytest.mark.parametrize("amount", [0, -1, AMOUNT_MAX + 1])
def test_amounts_out_of_range_are_refused(amount: int) -> None:
    with pytest.raises(ClientError) as error:
        counters().add(b"x", amount)
    assert (error.value.code, error.value.definite) == ("bad_amount", True)


@pytest.mark.parametrize("key", [b"", b"k" * 1025, b"\xff\xfe"])
def test_keys_that_are_not_keys_are_refused(key: bytes) -> None:
    held = counters()
    with pytest.raises(ClientError, match="key"):
        held.add(key, 1)
    assert not held.cut()


def test_the_longest_key_and_the_largest_amount_count() -> None:
    held = counters()
    count(held, {b"k" * 1024: AMOUNT_MAX})
    assert held.value(b"k" * 1024) == AMOUNT_MAX


def test_new_keys_beyond_the_limit_are_refused_and_known_ones_go_on() -> None:
    held = counters(max_counters=2)
    count(held, {b"a": 1})
    held.add(b"b", 1)
    with pytest.raises(ClientError) as error:
        held.add(b"c", 1)
    assert (error.value.status, error.value.definite) == (507, True)
    held.add(b"b", 1)
    held.add(b"a", 1)


def test_new_keys_in_flight_count_towards_the_limit() -> None:
    held = counters(max_counters=2)
    held.add(b"a", 1)
    held.add(b"b", 1)
    held.cut()
    with pytest.raises(ClientError, match="holds its 2 counters"):
        held.add(b"c", 1)
    held.add(b"a", 1)
    held.writer.settle()  # refused by the disk: the room is free again
    held.add(b"c", 1)


def test_the_names_of_one_commit_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "PENDING_NAME_BYTES_MAX", 100)
    held = counters()
    held.add(b"k" * 60, 1)
    with pytest.raises(ClientError) as error:
        held.add(b"j" * 60, 1)
    assert (error.value.status, error.value.definite) == (503, True)
    held.add(b"k" * 60, 1)
    held.add(b"j" * 40, 1)


def test_what_a_client_takes_back_makes_room_again() -> None:
    held = counters(max_counters=1)
    held.add(b"a", 5)
    held.writer.withdraw(b"a", 5)
    count(held, {b"b": 1})
    assert (held.value(b"a"), held.value(b"b")) == (0, 1)


@pytest.mark.parametrize(
    ("counts", "code"),
    [
        ({b"a": 1, b"b": 0}, "bad_amount"),
        ({b"a": 1, b"b": AMOUNT_MAX + 1}, "bad_amount"),
        ({b"a": 1, b"": 1}, "bad_key"),
        ({b"a": 1, b"k" * 1025: 1}, "bad_key"),
        ({b"a": 1, b"\xff\xfe": 1}, "bad_key"),
        ({b"a": 1, b"b": 1, b"c": 1, b"d": 1}, "too_many_counters"),
        ({b"a": 1, b"full": 1}, "too_large"),
    ],
)
def test_of_many_all_are_refused_where_one_is(counts: dict[bytes, int], code: str) -> None:
    held = counters(max_counters=4)
    fill(held, b"full")
    held.add(b"a", 5)
    with pytest.raises(ClientError) as error:
        held.add_all(counts)
    assert (error.value.code, error.value.definite) == (code, True)
    count(held, {b"b": 1, b"c": 1})  # the room is as it was
    assert [held.value(key) for key in (b"a", b"b", b"c")] == [5, 1, 1]


def test_what_waits_is_bounded_in_keys_bytes_and_amount(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "PENDING_KEYS_MAX", 3)
    monkeypatch.setattr(writer, "PENDING_NAME_BYTES_MAX", 100)
    monkeypatch.setattr(writer, "PENDING_AMOUNT_MAX", AMOUNT_MAX)
    held = counters()
    held.add_all({b"a": 1, b"b": 1})
    for counts in ({b"c": 1, b"d": 1}, {b"k" * 99: 1}, {b"a": AMOUNT_MAX - 1}):
        with pytest.raises(ClientError) as error:
            held.add_all(counts)
        assert (error.value.status, error.value.definite) == (503, True)
    held.add_all({b"a": 1, b"b": 1, b"c": 1})
    with pytest.raises(ClientError, match="too many counters"):
        held.add(b"d", 1)


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), st.integers(1, 9), min_size=1), max_size=6))
def test_many_at_once_count_as_each_alone(requests: list[dict[bytes, int]]) -> None:
    alone, together = counters(), counters()
    for number, counts in enumerate(requests):
        for key, amount in counts.items():
            alone.add(key, amount)
        together.add_all(counts)
        if number % 2:
            assert encoded(together) == encoded(alone)
    assert encoded(together) == encoded(alone)
    assert [held.writer._pending_new for held in (alone, together)] == [0, 0]


def test_the_rows_of_many_are_found_in_slices() -> None:
    held, keys = counters(), [b"%d" % number for number in range(10_000)]
    count(held, {keys[3]: 1})
    work = held.looking_up(keys)
    assert sum(1 for _ in work) == -(-len(keys) // writer._KEYS_PER_SLICE) - 1
    found = finish(held.looking_up(keys))
    assert found.rows[3] == 0
    assert set(found.rows) == {0, -1}


def test_rows_that_were_given_since_they_were_looked_up_are_found() -> None:
    held = counters()
    found = finish(held.looking_up([b"x", b"y"]))
    fill(held, b"y")
    with pytest.raises(ClientError, match=r"2\^53"):
        held.add_all({b"x": 1, b"y": 1}, found)


def test_many_are_cut_in_slices_and_what_is_added_meanwhile_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer, "_KEYS_PER_SLICE", 100)
    monkeypatch.setattr(sorting, "_SORTED_PER_SLICE", 100)
    held = counters()
    known = {b"%d" % number: number + 1 for number in range(70_000)}
    count(held, known)
    held.add_all(dict.fromkeys([*reversed(known), b"new"], 1))
    work, slices, batches = held.cutting(), 0, []
    while True:
        try:
            next(work)
        except StopIteration as end:
            batches = end.value
            break
        slices += 1
        if slices == 1:
            held.add(b"7", 1)
    # As many as there are runs of keys, two segments, and blocks of 16,384.
    assert slices == 700 + 1 + 4
    for batch in batches:
        held.apply(batch)
    held.writer.settle()
    assert [held.value(key) for key in (b"0", b"7", b"69999", b"new")] == [2, 9, 70_001, 1]
    assert np.concatenate([b.blocks[0].positions for b in batches]).tolist() == [*range(70_001)]
    count(held, {})
    assert held.value(b"7") == 10


def test_no_total_passes_2_to_the_53() -> None:
    held = counters()
    fill(held, b"x")
    with pytest.raises(ClientError, match=r"2\^53"):
        held.add(b"x", 1)
    assert held.value(b"x") == COUNT_MAX


def test_what_waits_and_what_is_in_flight_both_count_towards_the_limit() -> None:
    held = counters()
    for _ in range(8):
        count(held, {b"y": 1})
        held.add(b"x", PENDING_AMOUNT_MAX - 2**20, COUNT_MAX)
        for batch in held.cut():
            held.apply(batch)
        held.writer.settle()
    left = COUNT_MAX - held.value(b"x")
    held.add(b"x", left - 1, COUNT_MAX)
    held.cut()  # in flight, neither applied nor abandoned
    held.add(b"x", 1)
    with pytest.raises(ClientError, match=r"2\^53"):
        held.add(b"x", 1)


def test_a_commit_that_failed_leaves_nothing_behind() -> None:
    held = counters()
    count(held, {b"old": 1})
    held.add(b"old", 5)
    held.add(b"new", 5)
    held.cut()
    held.writer.settle()  # the disk was full

    count(held, {b"new": 1})

    assert (held.value(b"old"), held.value(b"new")) == (1, 1)


def test_increments_go_on_gathering_while_a_batch_is_on_its_way_to_disk() -> None:
    held = counters()
    held.add(b"x", 1)
    first = held.cut()
    held.add(b"x", 2)
    for batch in first:
        held.apply(batch)
    held.writer.settle()
    assert held.value(b"x") == 1

    count(held, {})

    assert held.value(b"x") == 3


def test_a_new_column_begins_at_nothing_and_what_waits_goes_there() -> None:
    held = counters()
    count(held, {b"a": 3, b"b": 4})
    old = held.writer.own
    held.add(b"a", 10)
    held.reopen(ColumnId(b"\7" * 32))
    (batch,) = held.cut()
    held.apply(batch)
    held.writer.settle()
    assert (batch.column, batch.since, batch.version) == (ColumnId(b"\7" * 32), 0, 1)
    assert held.heads() == {old: 1, batch.column: 1}
    assert (held.value(b"a"), held.own_count(b"a"), held.own_count(b"b")) == (13, 10, 0)


def test_no_column_begins_while_the_one_before_is_in_flight() -> None:
    held = counters()
    held.add(b"a", 1)
    assert not held.writer.idle
    held.cut()
    assert not held.writer.idle
    with pytest.raises(AssertionError):
        held.reopen(ColumnId(b"\7" * 32))
