"""Batches and roster entries as payloads for storage."""

from __future__ import annotations

import msgpack
import numpy as np
import pytest

from gcounterd.counters.batches import Batch, make_block
from gcounterd.errors import PeerError
from gcounterd.ids import ColumnId, Epoch, NodeId
from gcounterd.members.roster import MEMBERS_MAX, Entry, State
from gcounterd.wire.batches import decode_batch, encode_batch
from gcounterd.wire.entries import decode_entries, encode_entries

COLUMN = ColumnId(bytes(range(32)))
BLOCK = make_block(0, [b"a"], np.array([0, 5]), np.array([3, 4]))


def entry(number: int) -> Entry:
    node = NodeId(number.to_bytes(16, "big"))
    return Entry(node, Epoch(b"e" * 16), number, f"n{number}", "10.0.0.1:7700", State.JOINING)


def rows_of(payload: bytes) -> list[list[object]]:
    _, rows = msgpack.unpackb(payload)
    return [list(row) for row in rows]


def test_entries_that_a_version_before_wrote_are_read() -> None:
    entries = (entry(1), entry(2))
    rows = [row[:7] for row in rows_of(encode_entries(entries))]
    assert decode_entries(msgpack.packb(("entries", rows))) == entries


@pytest.mark.parametrize("size", [0, 6, 10])
def test_entries_with_other_numbers_of_fields_are_refused(size: int) -> None:
    rows = [[*row, 1, 1][:size] for row in rows_of(encode_entries((entry(1),)))]
    with pytest.raises(PeerError, match="bad_shape"):
        decode_entries(msgpack.packb(("entries", rows)))


def reason_of_batch(*fields: object) -> str:
    with pytest.raises(PeerError) as caught:
        decode_batch(msgpack.packb(fields))
    return caught.value.reason


@pytest.mark.parametrize("blocks", [0, 1, 2000])
def test_a_batch_of_any_number_of_blocks_comes_back(blocks: int) -> None:
    batch = Batch(COLUMN, 3, 9, (BLOCK,) * blocks)
    read = decode_batch(encode_batch(batch))
    assert (read.column, read.since, read.version) == (COLUMN, 3, 9)
    assert [block.encoded for block in read.blocks] == [BLOCK.encoded] * blocks


def test_the_payload_of_a_batch_keeps_its_format() -> None:
    expected = "94c420" + COLUMN.hex() + "030991c4" + f"{len(BLOCK.encoded):02x}"
    assert encode_batch(Batch(COLUMN, 3, 9, (BLOCK,))).hex() == expected + BLOCK.encoded.hex()


def test_a_batch_that_does_not_rise_is_refused() -> None:
    assert reason_of_batch(COLUMN, 9, 9, [BLOCK.encoded]) == "bad_field"


def test_a_batch_with_a_bad_column_or_block_is_refused() -> None:
    assert reason_of_batch(COLUMN[:31], 3, 9, [BLOCK.encoded]) == "bad_field"
    assert reason_of_batch(COLUMN, 3, 9, [3]) == "bad_field"
    assert reason_of_batch(COLUMN, 3, 9, [BLOCK.encoded + b"\x00"]) == "block_malformed"


def test_what_is_not_a_batch_is_refused() -> None:
    assert reason_of_batch(COLUMN, 3, 9) == "bad_shape"
    assert reason_of_batch(COLUMN, 3, 9, BLOCK.encoded) == "bad_shape"
    with pytest.raises(PeerError, match="not_msgpack"):
        decode_batch(b"\xc1")


def test_a_roster_of_the_largest_size_comes_back() -> None:
    entries = tuple(entry(number) for number in range(MEMBERS_MAX))
    assert decode_entries(encode_entries(entries)) == entries


def test_no_entries_come_back_as_none() -> None:
    assert decode_entries(encode_entries([])) == ()


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x90", b"\xc1", b"\x92\xa7entries", b"\x92\xa5other\x90", b"\x92\xa7entries\x01"],
)
def test_what_is_not_entries_is_refused(payload: bytes) -> None:
    with pytest.raises(PeerError):
        decode_entries(payload)


def test_a_member_that_stands_twice_is_refused() -> None:
    with pytest.raises(PeerError, match="twice"):
        decode_entries(encode_entries([entry(1), entry(1)]))
