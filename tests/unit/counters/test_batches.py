"""Blocks agree with themselves, or are refused; they stay small."""

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcounterd.counters.batches import (
    BLOCK_BYTES_MAX,
    COUNT_MAX,
    _pack,
    _pack_few,
    make_block,
    read_block,
    split_blocks,
)
from gcounterd.errors import PeerError


def array(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_a_block_comes_back_as_it_was_made() -> None:
    block = make_block(3, [b"x", "é".encode()], array(0, 2, 3, 4), array(1, 300, 70_000, 2**40))

    again = read_block(block.encoded)

    assert again.first == 3
    assert again.names == (b"x", "é".encode())
    assert again.positions.tolist() == [0, 2, 3, 4]
    assert again.counts.tolist() == [1, 300, 70_000, 2**40]
    assert again.encoded == block.encoded
    assert again.end == 5


@pytest.mark.parametrize(
    ("top", "width"), [(255, 1), (256, 2), (65_535, 2), (65_536, 4), (2**32, 8)]
)
def test_counts_take_the_narrowest_width_that_fits_all(top: int, width: int) -> None:
    small = make_block(0, [], array(5, 6), array(1, 1))
    large = make_block(0, [], array(5, 6), array(1, top))

    assert len(large.encoded) - len(small.encoded) == 2 * (width - 1)


@given(
    st.lists(
        st.one_of(st.integers(0, 300), st.integers(0, 70_000), st.integers(0, 2**53)), max_size=70
    )
)
def test_few_are_written_as_many_are(values: list[int]) -> None:
    assert _pack_few(values) == _pack(array(*values))


def test_a_thousand_changes_among_a_million_counters_cost_at_most_six_bytes_each() -> None:
    rng = np.random.default_rng(1)
    positions = np.sort(rng.choice(1_000_000, 1000, replace=False)).astype(np.int64)
    counts = np.minimum(rng.zipf(1.3, 1000), 2**50).astype(np.int64)  # a few are huge

    block = make_block(0, [], positions, counts)

    assert len(block.encoded) <= 6 * 1000
    assert read_block(block.encoded).counts.tolist() == counts.tolist()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([0, [], 2, 0, b"\0", b"\1\1"], "block_malformed"),  # a gap of 0: the same position twice
        ([0, [], 2, 0, b"", b"\1\1"], "block_malformed"),  # a gap is missing
        ([0, [], 1, 0, b"", b"\1\1\1"], "block_malformed"),  # three bytes for one count
        ([0, [], 0, 1, b"", b""], "block_malformed"),  # a base without entries
        ([0, [], 1, -1, b"", b"\1"], "block_malformed"),
        ([0, [], 1, 2**63 - 1, b"", b"\1"], "block_malformed"),
        ([0, [], 1, 2**64 - 1, b"", b"\1"], "block_malformed"),
        ([2**64 - 1, [], 1, 0, b"", b"\1"], "block_malformed"),
        ([0, [b"a", b"a"], 2, 0, b"\1", b"\1\1"], "block_malformed"),  # a name twice
        ([0, [b""], 1, 0, b"", b"\1"], "bad_name"),
        ([0, [b"\xff"], 1, 0, b"", b"\1"], "bad_name"),
        ([0, [b"\xc3", b"\xa9"], 2, 0, b"\1", b"\1\1"], "bad_name"),
        ([0, [b"k" * 1025], 1, 0, b"", b"\1"], "bad_name"),
        ([0, [7], 1, 0, b"", b"\1"], "bad_name"),
        ([0, [], 2, 0, b"\1", [b"\1\1", b"\2\0\0\0", b"\1" * 8]], "block_malformed"),
        ([0, [], 2, 0, b"\1", [b"\1\1", b"\1\0\0\0", b"\1" * 7]], "block_malformed"),
        ([0, [], 2, 0, b"\1", [b"\1\1", b"", b"", b""]], "block_malformed"),
        ([0, [], 2, 0, [b"\0", b"\0\0\0\0", b"\xff" * 8], b"\1\1"], "block_malformed"),
        ([0, [], 1, 0, b"", 7], "block_malformed"),
        ([True, [], 1, 0, b"", b"\1"], "block_malformed"),
        ([0, [], 40_000, 0, b"\1" * 39_999, b"\1" * 40_000], "block_malformed"),
        ([0, [], 1, 0, b"", (COUNT_MAX + 1).to_bytes(8, "little")], "count_too_large"),
        ({}, "block_malformed"),
    ],
)
def test_a_block_that_contradicts_itself_is_refused(fields: object, reason: str) -> None:
    with pytest.raises(PeerError) as error:
        read_block(msgpack.packb(fields))
    assert error.value.reason == reason


def test_a_block_larger_than_a_frame_may_be_is_not_even_parsed() -> None:
    with pytest.raises(PeerError, match="block_too_large"):
        read_block(b"\xc0" * (BLOCK_BYTES_MAX + 1))


def test_a_flush_larger_than_a_frame_is_cut_and_nothing_is_lost() -> None:
    names = [b"%04d" % n + b"k" * 1000 for n in range(1000)]
    positions = np.arange(50_000, dtype=np.int64)
    counts = np.full(50_000, 2**40, np.int64)

    blocks = split_blocks(49_000, names, positions, counts)

    assert len(blocks) > 1
    assert all(len(read_block(block.encoded).encoded) <= BLOCK_BYTES_MAX for block in blocks)
    assert np.concatenate([block.positions for block in blocks]).tolist() == positions.tolist()
    assert [name for block in blocks for name in block.names] == names
    held = 49_000
    for block in blocks:
        assert block.first <= held  # no hole for whoever takes them in order
        held += len(block.names)


def test_the_names_of_a_block_are_few_enough_to_be_checked_in_one_step() -> None:
    names = [b"%05d" % number for number in range(10_000)]
    counts = np.ones(len(names), np.int64)
    blocks = split_blocks(0, names, np.arange(len(names), dtype=np.int64), counts)
    assert [len(block.names) for block in blocks] == [4096, 4096, 10_000 - 2 * 4096]
