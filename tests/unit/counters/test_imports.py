"""Imports: the same counts under the same name are the same column, in whatever order they come."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcounterd.counters import imports
from gcounterd.counters.batches import COUNT_MAX, read_counts
from gcounterd.counters.counters import Counters, check_batch
from gcounterd.counters.imports import (
    SOURCE_BYTES_MAX,
    Content,
    Import,
    check_source,
    is_source_of,
    is_start,
    show_source,
    source_node,
    start_source,
)
from gcounterd.errors import ClientError
from gcounterd.ids import ColumnId, node_of
from tests.finishing import result_of

OWN = ColumnId(b"o" * 32)
GOLDEN = "2087d51adb9bed2ee114707d24787920cf4cec32d993b4cd31aee75c52c80601"
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).map(str.encode)


def arranged(counts: list[tuple[bytes, int]], source: str = "old", seed: int = 1) -> Import:
    content = Content()
    for key, count in counts:
        content.add(key, count)
    return result_of(content.arranged(source, Random(seed)))


@given(st.dictionaries(keys, st.integers(1, COUNT_MAX), min_size=1), st.randoms())
def test_the_order_in_which_counts_come_changes_nothing(
    counts: dict[bytes, int], rng: Random
) -> None:
    items = list(counts.items())
    rng.shuffle(items)
    one, other = arranged(list(counts.items())), arranged(items, seed=2)
    assert one.column == other.column
    assert [b.encoded for b in one.batch.blocks] == [b.encoded for b in other.batch.blocks]
    assert (one.keys, one.total) == (len(counts), sum(counts.values()))
    assert read_counts(one.batch) == counts


def test_a_heap_of_many_keys_is_put_in_order_slice_by_slice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts = [(b"%d" % (number * 37 % 101), 1 + number) for number in range(101)]
    whole = arranged(counts)
    monkeypatch.setattr(imports, "_KEYS_PER_SLICE", 4)
    sliced = arranged(counts)
    assert sliced.column == whole.column
    assert read_counts(sliced.batch) == dict(counts)
    assert len(sliced.batch.blocks) == 26
    with pytest.raises(ClientError, match="stands twice"):
        arranged([*counts, counts[7]])


@given(
    st.dictionaries(keys, st.integers(1, 9), min_size=1),
    st.dictionaries(keys, st.integers(1, 9), min_size=1),
)
def test_other_counts_are_another_column_of_the_same_source(
    one: dict[bytes, int], other: dict[bytes, int]
) -> None:
    first, second = arranged(list(one.items())), arranged(list(other.items()))
    assert (first.column == second.column) is (one == other)
    assert node_of(first.column) == node_of(second.column) == source_node("old")


def test_the_same_counts_of_another_source_are_another_column() -> None:
    assert arranged([(b"a", 1)]).column != arranged([(b"a", 1)], source="older").column


def test_columns_are_named_as_they_ever_were() -> None:
    # Two versions of this program must name the same import alike, or it would count twice.
    counts = [(b"b", 2), (b"a", 2**53), ("\u00fc".encode(), 1)]
    assert arranged(counts, source="the old one").column.hex() == GOLDEN


def test_many_keys_are_put_in_order_in_small_steps() -> None:
    # Beginning with what sorts last, and many times as much as one slice.
    counts = [(b"key-%06d" % number, number + 1) for number in reversed(range(20_000))]
    made = arranged(counts)
    names = [name for block in made.batch.blocks for name in block.names]
    assert names == sorted(names)
    assert check_batch(made.batch, 0) == made.keys == len(counts)
    counters = Counters(OWN, 100_000)
    counters.apply(made.batch)
    assert counters.value(b"key-019999") == 20_000
    assert int(counters.totals.sum()) == made.total


def test_a_counter_at_zero_is_none() -> None:
    assert arranged([(b"a", 1), (b"b", 0)]).column == arranged([(b"a", 1)]).column


@pytest.mark.parametrize("count", [-1, COUNT_MAX + 1])
def test_a_count_that_no_column_may_hold_is_refused(count: int) -> None:
    with pytest.raises(ClientError) as refused:
        Content().add(b"a", count)
    assert refused.value.code == "bad_amount"


def test_a_key_that_stands_twice_is_refused_wherever_it_stands() -> None:
    many = [(b"%d" % number, 1) for number in range(5000)]
    for counts in ([(b"a", 1), (b"a", 1)], [*many, (b"17", 5)], [(b"4999", 1), *many]):
        with pytest.raises(ClientError) as refused:
            arranged(counts)
        assert refused.value.code == "duplicate_key"


def test_nothing_is_no_import() -> None:
    with pytest.raises(ClientError) as refused:
        arranged([(b"a", 0)])
    assert refused.value.code == "nothing_to_import"


def test_counters_of_one_import_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "KEYS_MAX", 2)
    content = Content()
    content.add(b"a", 1)
    content.add(b"b", 1)
    with pytest.raises(ClientError) as refused:
        content.add(b"c", 1)
    assert refused.value.code == "too_many_keys"


def test_a_name_is_that_of_one_source() -> None:
    assert is_source_of("old", source_node("old"))
    assert not is_source_of("older", source_node("old"))


def test_a_start_is_shown_as_such_and_each_counter_has_its_own() -> None:
    assert start_source(b"visits") == "start-at visits"
    assert is_start(start_source(b"visits"))
    assert show_source("start-at visits") == "start-at"
    assert show_source("old") == "import:old"
    long = [b"k" * 1023 + end for end in (b"a", b"b")]
    sources = [start_source(key) for key in long]
    assert sources[0] != sources[1]
    assert max(len(source.encode()) for source in sources) <= SOURCE_BYTES_MAX
    assert all(map(is_start, sources))


@pytest.mark.parametrize("source", ["", "x" * 256, "a\nb", "\x1b[2J", "start-at visits"])
def test_a_source_is_printable_short_and_no_start(source: str) -> None:
    with pytest.raises(ClientError) as refused:
        check_source(source)
    assert refused.value.code == "bad_source"


def test_a_source_may_be_any_words() -> None:
    check_source("das alte System, 2019 (\u00fc)")
