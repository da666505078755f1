"""A value is the sum of the newest version of every column."""

import numpy as np
import pytest
from counting import column, contents, count, counters

from gcounterd.counters.batches import Batch, make_block
from gcounterd.counters.checkpoint import Checkpoint
from gcounterd.counters.counters import Counters, check_batch
from gcounterd.counters.loading import load
from gcounterd.errors import PeerError, StorageError


def block(first: int, names: list[bytes], positions: list[int], counts: list[int]):
    return make_block(first, names, np.array(positions, np.int64), np.array(counts, np.int64))


def test_increments_show_only_when_they_are_applied() -> None:
    held = counters()
    held.add(b"visits", 3)
    (batch,) = held.cut()
    assert held.value(b"visits") == 0

    held.apply(batch)

    assert held.value(b"visits") == 3
    assert held.head(column("a")) == 1


def test_values_add_up_over_columns() -> None:
    a, b = counters("a"), counters("b")
    for batch in count(a, {b"x": 5, b"y": 1}):
        b.apply(batch)
    count(b, {b"y": 2})

    assert (b.value(b"x"), b.value(b"y"), b.value(b"z")) == (5, 3, 0)


def test_a_batch_that_comes_twice_counts_once() -> None:
    a, b = counters("a"), counters("b")
    batches = count(a, {b"x": 5}) + count(a, {b"x": 1, b"y": 2})

    for batch in [*batches, *batches]:
        b.apply(batch)

    assert (b.value(b"x"), b.value(b"y")) == (6, 2)
    assert b.recount().tolist() == b.totals.tolist()


def test_a_batch_that_overlaps_what_is_held_adds_only_the_rest() -> None:
    held = counters("b")
    source = column("a")
    held.apply(Batch(source, 0, 2, (block(0, [b"x"], [0], [4]),)))

    held.apply(Batch(source, 0, 3, (block(0, [b"x", b"y"], [0, 1], [6, 1]),)))

    assert contents(held, source) == {b"x": 6, b"y": 1}
    assert held.head(source) == 3


def test_readers_see_a_large_batch_grow_but_its_head_stands_until_the_end() -> None:
    a, b = counters("a"), counters("b")
    names = {b"key-%d" % n: 1 for n in range(10_000)}
    (batch, *rest) = count(a, names)
    merged = Batch(batch.column, 0, len(rest) + 1, tuple(x.blocks[0] for x in [batch, *rest]))
    seen = []

    for _ in b.applying(merged):
        seen.append((int(b.totals.sum()), b.head(column("a"))))

    assert len(seen) > 1
    assert [total for total, _ in seen] == sorted(total for total, _ in seen)
    assert {head for _, head in seen} == {0}
    assert int(b.totals.sum()) == 10_000
    assert b.head(column("a")) == merged.version


def test_a_gap_is_never_applied() -> None:
    held = counters("b")
    with pytest.raises(AssertionError, match="gap"):
        held.apply(Batch(column("a"), 1, 2, (block(0, [b"x"], [0], [1]),)))


@pytest.mark.parametrize(
    "bad",
    [
        block(1, [b"y"], [1], [1]),  # leaves position 0 without a name
        block(0, [b"x"], [0, 1], [1, 1]),  # position 1 has no name
    ],
)
def test_names_without_holes_are_asked_for(bad) -> None:
    with pytest.raises(PeerError, match="bad_batch"):
        check_batch(Batch(column("a"), 0, 1, (bad,)), size=0)


def test_a_key_named_at_two_positions_by_a_faulty_peer_still_adds_up() -> None:
    held = counters("b")
    first = [b"%d" % n for n in range(40)]
    held.apply(Batch(column("a"), 0, 1, (block(0, first, list(range(40)), [1] * 40),)))
    held.apply(Batch(column("a"), 1, 2, (block(40, [b"0"], [0, 40], [2, 5]),)))

    assert held.value(b"0") == 7
    assert held.recount().tolist() == held.totals.tolist()


def test_merged_counters_may_pass_the_limit_that_stops_new_keys() -> None:
    a, b = counters("a"), counters("b", max_counters=10)

    for batch in count(a, {b"key-%d" % n: 1 for n in range(100)}):
        b.apply(batch)
    count(b, {b"key-99": 1})

    assert b.value(b"key-99") == 2


def reloaded(held: Counters, images, letter: str = "z") -> Counters:
    fresh = counters(letter)
    load(fresh, sorted(images, key=lambda image: (image.kind, image.column, image.number)))
    return fresh


def test_images_bring_everything_back() -> None:
    held = counters("a")
    count(held, {b"key-%d" % n: n + 1 for n in range(70_000)})
    count(held, {b"key-7": 2**31})
    round_ = Checkpoint(held, 0)
    images = [*round_.images(), *round_.columns()]

    again = reloaded(held, images)

    assert contents(again, column("a")) == contents(held, column("a"))
    assert again.heads() == held.heads()
    assert again.value(b"key-7") == 8 + 2**31
    assert list(again.keys.names) == list(held.keys.names)


def test_a_round_writes_only_what_changed_since_the_last() -> None:
    held = counters("a")
    count(held, {b"key-%d" % n: 1 for n in range(70_000)})
    first = Checkpoint(held, 0)
    assert len(list(first.images())) == 5 + 2  # names and segments

    count(held, {b"key-69999": 1})
    second = Checkpoint(held, first.names)

    assert [image.number for image in second.images()] == [1]


def test_a_round_that_was_taken_back_is_written_again() -> None:
    held = counters("a")
    count(held, {b"x": 1})
    round_ = Checkpoint(held, 0)
    written = list(round_.images())
    round_.undo()

    assert len(list(Checkpoint(held, 0).images())) == len(written)


def test_an_image_newer_than_its_head_is_replayed_over_without_counting_twice() -> None:
    held = counters("a")
    journal = count(held, {b"x": 1, b"y": 1})
    round_ = Checkpoint(held, 0)
    images = round_.images()
    names = next(images)
    journal += count(held, {b"x": 5, b"new": 2})  # between two images of one round
    late = [names, *images, *round_.columns()]

    again = reloaded(held, late)
    for batch in journal:
        again.apply(batch)

    assert contents(again, column("a")) == {b"x": 6, b"y": 1, b"new": 2}
    assert again.recount().tolist() == again.totals.tolist()


def test_a_missing_segment_is_said() -> None:
    held = counters("a")
    count(held, {b"key-%d" % n: 1 for n in range(70_000)})
    round_ = Checkpoint(held, 0)
    images = [*round_.images(), *round_.columns()]

    with pytest.raises(StorageError):
        reloaded(held, [i for i in images if (i.kind, i.number) != ("segment", 0)])
    with pytest.raises(StorageError):
        reloaded(held, [i for i in images if (i.kind, i.number) != ("segment", 1)])
    with pytest.raises(StorageError):
        reloaded(held, [i for i in images if i.kind != "names"])
