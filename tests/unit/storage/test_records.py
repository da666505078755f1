"""What was written as a journal row is read back, whatever its size; anything else is an error."""

import pytest
from counting import column, count, counters
from nodes import entry, node_id

from gcounterd.counters.batches import Batch
from gcounterd.errors import StorageError
from gcounterd.members.approvals import Approval
from gcounterd.node.receipts import Claim, Receipt
from gcounterd.node.records import Group, TakeApprovals, TakeBatch, TakeEntries, TakeReceipts
from gcounterd.storage.records import decode_group, encode_group


def batches(number: int) -> list[Batch]:
    return count(counters("a"), {b"key-%d" % n: n + 1 for n in range(number)})


APPROVAL = Approval("n4", b"h" * 32, 1_800_000_000_000, node_id("a"))


def test_small_and_large_batches_and_facts_come_back() -> None:
    several = batches(40_000)
    merged = Batch(column("a"), 0, len(several), tuple(b.blocks[0] for b in several))
    receipts = tuple(
        Receipt(Claim(key * 16, b"r" * 16), 2**41, column("a"), 3, (2**53, 0))
        for key in (b"1", b"2")
    )
    entries = TakeEntries((entry("a"), entry("b")))
    facts = (TakeApprovals((APPROVAL,)), entries, TakeReceipts(receipts))
    records = (TakeBatch(several[0]), TakeBatch(merged), *facts)

    one, many, *others = decode_group(encode_group(Group(records, True, True)))

    assert one.batch.blocks[0].encoded == several[0].blocks[0].encoded
    assert (many.batch.column, many.batch.since, many.batch.version) == (
        merged.column,
        0,
        merged.version,
    )
    assert [b.encoded for b in many.batch.blocks] == [b.encoded for b in merged.blocks]
    assert tuple(others) == facts


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\x91\x92\x07\xc4\x00",
        b"\x91\x01",
        b"\x93",
        b"\x91\x92\x05\xc4\x00",
        b"\x91\x92\x05\xc4\x03\x93\x00\x90",
        b"\x91\x92\x05\xc4\x08\x93\x00\x91\xc4\x01k\x91\x01",
        b"\x91\x92\x05\xc4\x04\x93\x00\x91\x01\x90",
        b"\x91\x92\x05\xc4\x04\x93\xff\x90\x90",
    ],
)
def test_a_row_that_is_not_ours_is_an_error_of_the_store(body: bytes) -> None:
    with pytest.raises(StorageError):
        decode_group(body)
