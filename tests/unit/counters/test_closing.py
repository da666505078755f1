"""Closing moves nothing: values stand and late batches count once, whatever disk and crashes do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from counting import counters
from forgetful import Replica, life

from gcounterd.counters import columns
from gcounterd.counters.batches import Batch
from gcounterd.counters.checkpoint import Checkpoint
from gcounterd.counters.counters import Counters
from gcounterd.counters.settled import Closing, Line
from gcounterd.errors import StorageError
from gcounterd.ids import node_of

OLD, OWN = life("a", 1), life("b", 1)


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(columns, "SEGMENT_BITS", 2)
    monkeypatch.setattr(columns, "SEGMENT_SIZE", 4)
    monkeypatch.setattr(columns, "_OFFSET_MASK", 3)
    return


def written(lives: int = 3) -> list[Batch]:
    """Return what a process counted in so many commits, each of which changes an old count too."""
    writer = Replica(OLD)
    batches = []
    for number in range(lives):
        batches += writer.count({b"x": 10**number, b"new/%d" % number: 1})
    return batches


def check(held: Counters, value: int) -> None:
    """Check a value, and that the totals are what the columns and the base add up to."""
    assert held.value(b"x") == value
    assert held.recount().tolist() == held.totals.tolist()


def test_closing_changes_no_value_and_says_whose_counts_they_are() -> None:
    replica = Replica(OWN)
    replica.take(*written())
    before = replica.counters.totals.tolist()
    replica.close(OLD)
    assert replica.counters.totals.tolist() == before
    check(replica.counters, 111)
    row = replica.counters.keys.find(b"x")
    assert row is not None
    assert [found for found in replica.counters.share_of_row(row) if found] == [(node_of(OLD), 111)]
    assert replica.counters.heads() == {}
    assert replica.counters.all_heads() == {OLD: 3}


def test_many_late_counts_at_once_are_whose_they_are_by_their_rise() -> None:
    writer, replica = Replica(OLD), Replica(OWN)
    keys = [b"key%d" % number for number in range(100)]
    replica.take(*writer.count(dict.fromkeys(keys, 5)))
    replica.close(OLD)
    replica.take(*writer.count(dict.fromkeys(keys, 2)))
    row = replica.counters.keys.find(keys[99])
    assert row is not None
    assert replica.counters.base.at(node_of(OLD), row) == 7


def test_closing_twice_is_closing_once_and_the_final_version_is_kept() -> None:
    replica = Replica(OWN)
    replica.take(*written(2))
    replica.close(OLD)
    replica.close(OLD, final=3)
    replica.close(OLD, final=1)
    check(replica.counters, 11)
    assert replica.counters.settled.get(OLD) == Line(2, 3, 3)


def test_a_column_closed_before_anything_of_it_came_takes_it_in_once() -> None:
    replica = Replica(OWN)
    replica.close(OLD)
    batches = written()
    replica.take(*batches)
    replica.take(*batches)
    check(replica.counters, 111)
    assert replica.counters.base.at(node_of(OLD), replica.counters.keys.find(b"x") or 0) == 111
    assert replica.counters.settled.get(OLD) == Line(3, 0, 4)


@pytest.mark.usefixtures("small_segments")
def test_between_two_slices_of_closing_the_column_is_as_open_as_before() -> None:
    replica = Replica(OWN)
    replica.take(*written(7))
    held, row = replica.counters, replica.counters.keys.find(b"new/6")
    assert row is not None
    heads, value = held.heads(), held.value(b"x")
    seen = 0
    for _ in held.closing([Closing(OLD, 7)]):
        seen += 1
        assert held.heads() == held.all_heads() == heads  # what a consistent read is told
        assert held.value(b"x") == value
        assert sum(found[1] for found in held.share_of_row(row) if found) == 1
        assert held.base.segments == seen // 2  # it is made ready, then added
    assert seen == 4
    assert held.all_heads() == heads
    check(held, value)


def test_many_columns_of_which_nothing_is_known_are_closed_in_slices() -> None:
    held = counters("b")
    lives = [
        life("a", 0)[:16] + bytes([0] * 13) + number.to_bytes(3, "big") for number in range(1000)
    ]
    slices = sum(1 for _ in held.closing([Closing(each) for each in lives]))  # type: ignore[arg-type]
    assert slices == 7
    assert len(held.settled) == 1000


def test_a_writer_does_not_go_on_in_a_closed_column_and_loses_nothing_of_what_waits() -> None:
    replica = Replica(OWN)
    replica.count({b"x": 1})
    replica.counters.add(b"x", 5)
    replica.close(OWN)
    assert replica.counters.cut() == []
    replica.counters.reopen(life("b", 2))
    replica.count({})
    check(replica.counters, 6)
    assert replica.counters.all_heads() == {OWN: 1, life("b", 2): 1}


# -- the disk -------------------------------------------------------------------------------------


def chilled(batches: list[Batch], final: int = 0) -> Replica:
    """Return a replica that has a closed column on disk only."""
    replica = Replica(OWN)
    replica.take(*batches)
    replica.close(OLD, final=final)
    replica.checkpoint()
    assert replica.counters.is_cold(OLD)
    return replica


def test_a_closed_column_leaves_memory_when_it_is_on_disk_and_not_before() -> None:
    replica = Replica(OWN)
    replica.take(*written())
    assert not replica.counters.may_chill(OLD)  # open
    replica.close(OLD)
    assert not replica.counters.may_chill(OLD)  # its line is in the journal only
    replica.checkpoint()
    assert OLD not in replica.counters.columns
    check(replica.counters, 111)
    assert (replica.counters.head(OLD), replica.counters.size(OLD)) == (3, 4)


def test_a_late_batch_of_a_cold_column_counts_once_and_keeps_it_warm_until_written() -> None:
    batches = written(5)
    replica = chilled(batches[:2])
    replica.take(*batches[1:])
    replica.take(*batches)
    check(replica.counters, 11_111)
    assert not replica.counters.may_chill(OLD)
    replica.checkpoint()
    assert replica.counters.is_cold(OLD)
    check(replica.counters, 11_111)


def test_a_batch_that_nobody_warmed_a_cold_column_for_is_a_mistake_of_ours() -> None:
    batches = written()
    replica = chilled(batches[:1])
    with pytest.raises(AssertionError, match="warmed"):
        replica.counters.apply(batches[1])


def test_a_column_read_before_it_was_raised_does_not_come_into_memory_over_it() -> None:
    batches = written()
    replica = chilled(batches[:1])
    stale = replica.counters.read_cold(OLD, replica.read(OLD))
    replica.take(*batches[1:])
    replica.checkpoint()
    replica.counters.warm(stale)
    assert replica.counters.is_cold(OLD)


def test_images_that_were_read_before_a_raise_are_not_believed_to_be_of_the_line_after_it() -> None:
    batches = written()
    replica = chilled(batches[:1])
    line, images = replica.counters.settled.get(OLD), replica.read(OLD)
    replica.take(*batches[1:])
    replica.checkpoint()
    read = replica.counters.read_cold(OLD, images, line)
    assert (read.head, read.size) == (1, 2)
    replica.counters.warm(read)
    assert replica.counters.is_cold(OLD)


def test_a_cold_column_of_which_a_segment_is_missing_cannot_be_read() -> None:
    replica = chilled(written())
    with pytest.raises(StorageError, match="missing"):
        replica.counters.read_cold(OLD, [])


def test_a_final_version_learnt_of_a_cold_column_is_written_without_reading_it() -> None:
    replica = chilled(written())
    replica.close(OLD, final=3)
    assert replica.counters.is_cold(OLD)
    replica.checkpoint()
    replica.crash()
    assert replica.counters.settled.get(OLD) == Line(3, 3, 4)
    assert replica.counters.is_cold(OLD)
    check(replica.counters, 111)


def test_a_column_raised_during_a_checkpoint_stays_until_the_next() -> None:
    batches = written()
    replica = Replica(OWN)
    replica.take(*batches[:1])
    replica.close(OLD)
    round_ = Checkpoint(replica.counters, 0)
    images = list(round_.images())
    replica.take(*batches[1:])
    replica.put([*images, *round_.columns()])
    round_.done()
    assert not replica.counters.may_chill(OLD)
    replica.checkpoint()
    assert replica.counters.is_cold(OLD)


def test_after_a_checkpoint_that_failed_nothing_leaves_memory() -> None:
    replica = Replica(OWN)
    replica.take(*written())
    replica.close(OLD)
    round_ = Checkpoint(replica.counters, 0)
    list(round_.images())
    round_.undo()
    assert not replica.counters.may_chill(OLD)


# -- recovery -------------------------------------------------------------------------------------


def test_closed_columns_come_back_from_the_journal_alone() -> None:
    replica = Replica(OWN)
    replica.take(*written())
    replica.close(OLD, final=3)
    replica.crash()
    check(replica.counters, 111)
    assert replica.counters.settled.get(OLD) == Line(3, 3, 4)
    assert replica.counters.warm_columns() == [OLD]  # no image of it is on disk yet


def test_closed_columns_come_back_cold_from_images_alone() -> None:
    replica = chilled(written())
    replica.rows.clear()
    replica.crash()
    check(replica.counters, 111)
    assert replica.counters.is_cold(OLD)
    assert not replica.counters.settled.dirty


def test_a_late_batch_in_the_journal_is_counted_once_over_the_images() -> None:
    batches = written()
    replica = chilled(batches[:2])
    replica.take(batches[2])
    for _ in range(3):
        replica.crash()
        check(replica.counters, 111)
        assert replica.counters.settled.get(OLD) == Line(3, 0, 4)


@pytest.mark.usefixtures("small_segments")
@pytest.mark.parametrize("crash_at", range(14))
def test_a_crash_between_any_two_writes_to_the_disk_changes_nothing(crash_at: int) -> None:
    """Batches, the closing, a late batch, and between all of them images one at a time."""
    batches = written(5)
    replica = Replica(OWN)
    operations: Iterator[None] = script(replica, batches)
    for _ in range(crash_at):
        next(operations, None)
    replica.crash()
    known = replica.counters.head(OLD)
    check(replica.counters, int("1" * known) if known else 0)
    replica.take(*batches)
    replica.close(OLD)
    check(replica.counters, 11_111)
    replica.checkpoint()
    replica.crash()
    check(replica.counters, 11_111)
    assert replica.counters.is_cold(OLD)


def script(replica: Replica, batches: list[Batch]) -> Iterator[None]:
    """Yield after each write."""
    replica.take(*batches[:3])
    yield
    round_ = Checkpoint(replica.counters, 0)
    images = round_.images()
    replica.put([next(images)])
    yield
    replica.close(OLD)
    yield
    for image in images:
        replica.put([image])
        yield
    upto = 1
    replica.put(round_.columns())
    replica.rows = {row: body for row, body in replica.rows.items() if row > upto}
    round_.done()
    yield
    replica.take(batches[3])
    yield
    round_ = Checkpoint(replica.counters, 0)
    images = round_.images()
    replica.put([next(images)])
    yield
    replica.take(batches[4])
    yield
    for image in images:
        replica.put([image])
        yield
    replica.put(round_.columns())
    replica.rows = {row: body for row, body in replica.rows.items() if row > 3}
    round_.done()
    yield
