"""The writer says no where no costs nothing, and otherwise counts exactly."""

import pytest
from counting import count, counters

from gcounterd.counters import writer
from gcounterd.counters.batches import COUNT_MAX
from gcounterd.counters.writer import AMOUNT_MAX, PENDING_AMOUNT_MAX
from gcounterd.errors import ClientError
from gcounterd.ids import ColumnId


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


def test_no_total_passes_2_to_the_53() -> None:
    held = counters()
    held.add(b"x", PENDING_AMOUNT_MAX, COUNT_MAX)
    while held.writer.waiting(b"x") or held.value(b"x") < COUNT_MAX:
        for batch in held.cut():
            held.apply(batch)
        held.writer.settle()
        missing = COUNT_MAX - held.value(b"x")
        if missing:
            held.add(b"x", min(missing, PENDING_AMOUNT_MAX), COUNT_MAX)
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
