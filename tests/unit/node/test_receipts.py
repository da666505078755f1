"""Receipts: what is counted once, what is forgotten first, and what comes back from images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcounterd.counters.slices import finish
from gcounterd.errors import ClientError
from gcounterd.ids import ColumnId
from gcounterd.node import receipts as module
from gcounterd.node.receipts import (
    CHUNK,
    PENDING_RECEIPTS_MAX,
    PENDING_VALUES_MAX,
    RECEIPT_AGE_S_MAX,
    RECEIPTS_MAX,
    RING,
    VALUES_PER_SLICE,
    Chunk,
    Claim,
    Receipt,
    Receipts,
    unpack,
)

COLUMN = ColumnId(b"c" * 32)
DAY_MS = RECEIPT_AGE_S_MAX * 1000


def claim(number: int, request: bytes = b"r") -> Claim:
    return Claim(number.to_bytes(16, "big"), request * 16)


def cut(
    receipts: Receipts, value: Callable[[bytes], int], column: ColumnId, version: int, wall_ms: int
) -> tuple[Receipt, ...]:
    receipts.begin()
    return finish(receipts.cutting(value, column, version, wall_ms))


def receipt(number: int, wall_ms: int = 0, values: tuple[int, ...] = (1,)) -> Receipt:
    return Receipt(claim(number), wall_ms, COLUMN, 7, values)


def kept(receipts: Receipts) -> list[int]:
    return [int.from_bytes(key, "big") for key in receipts._kept]


def test_a_claim_is_pending_until_it_is_settled_and_kept_when_it_was_taken() -> None:
    receipts = Receipts()
    assert not receipts.is_pending(claim(1))
    receipts.gather(claim(1), {b"x": 5})
    assert receipts.is_pending(claim(1))
    made = cut(receipts, {b"x": 10}.__getitem__, COLUMN, 3, 99)
    assert made == (Receipt(claim(1), 99, COLUMN, 3, (15,)),)
    assert receipts.is_pending(claim(1))
    assert receipts.find(claim(1), 99) is None
    receipts.settle()
    receipts.take(made)
    assert not receipts.is_pending(claim(1))
    assert receipts.find(claim(1), 99) == made[0]


def test_a_cut_is_made_in_slices_and_what_comes_meanwhile_waits_for_the_next() -> None:
    receipts = Receipts()
    many = {b"%d" % number: 1 for number in range(VALUES_PER_SLICE + 1)}
    for number in range(3):
        receipts.gather(claim(number), many)
    receipts.begin()
    work = receipts.cutting(lambda key: 1, COLUMN, 1, 0)
    next(work)
    receipts.gather(claim(3), {b"x": 1})
    assert all(receipts.is_pending(claim(number)) for number in range(4))
    next(work)
    assert [made.claim for made in finish(work)] == [claim(0), claim(1), claim(2)]
    receipts.settle()
    assert [receipts.is_pending(claim(number)) for number in (2, 3)] == [False, True]


def test_what_was_refused_or_dropped_leaves_nothing() -> None:
    receipts = Receipts()
    receipts.gather(claim(1), {b"x": 5})
    cut(receipts, lambda key: 0, COLUMN, 1, 0)
    receipts.gather(claim(2), {b"x": 5})
    receipts.settle()
    receipts.drop()
    assert not receipts.is_pending(claim(1))
    assert not receipts.is_pending(claim(2))
    assert cut(receipts, lambda key: 0, COLUMN, 1, 0) == ()


@pytest.mark.parametrize("stage", ["gathered", "in flight", "kept"])
def test_one_key_with_two_requests_is_refused_for_certain(stage: str) -> None:
    receipts = Receipts()
    receipts.gather(claim(1), {b"x": 5})
    if stage != "gathered":
        made = cut(receipts, lambda key: 0, COLUMN, 1, 0)
    if stage == "kept":
        receipts.settle()
        receipts.take(made)
    look = partial(receipts.find, wall_ms=0) if stage == "kept" else receipts.is_pending
    with pytest.raises(ClientError) as said:
        look(claim(1, b"s"))
    assert (said.value.status, said.value.code, said.value.definite) == (409, "key_reused", True)


def test_more_than_one_commit_can_tell_is_refused() -> None:
    receipts = Receipts()
    receipts.check_room(PENDING_VALUES_MAX)
    with pytest.raises(ClientError, match="wait for the disk"):
        receipts.check_room(PENDING_VALUES_MAX + 1)
    for number in range(PENDING_RECEIPTS_MAX):
        receipts.check_room(1)
        receipts.gather(claim(number), {b"x": 1})
    with pytest.raises(ClientError, match="wait for the disk"):
        receipts.check_room(1)


def test_the_oldest_go_by_age(monkeypatch: pytest.MonkeyPatch) -> None:
    receipts = Receipts()
    receipts.take([receipt(1, 1000), receipt(2, 2000)])
    assert receipts.find(claim(1), 1000 + DAY_MS) is not None
    assert receipts.find(claim(1), 1001 + DAY_MS) is None
    assert kept(receipts) == [2]
    receipts.take([receipt(1, 2001 + DAY_MS)])
    assert kept(receipts) == [1]
    monkeypatch.setattr(module, "EXPIRED_PER_STEP", 1)
    receipts = Receipts()
    receipts.take([receipt(number) for number in range(4)])
    assert receipts.find(claim(3), DAY_MS + 1) is None, "too old, although it is still there"
    assert kept(receipts) == [1, 2, 3]


def test_a_key_that_is_too_old_is_counted_anew_also_where_it_is_still_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "EXPIRED_PER_STEP", 0)
    receipts = Receipts()
    receipts.take([receipt(number) for number in range(3)])
    again = receipt(1, DAY_MS + 1, (9,))
    receipts.take([again])
    assert receipts.find(claim(1), DAY_MS + 1) == again
    assert kept(receipts) == [0, 2, 1]
    restored = Receipts()
    restored.load(receipts.unwritten())
    assert kept(restored) == [0, 2, 1]
    assert (restored._first, restored._values) == (receipts._first, receipts._values) == (1, 3)


def test_the_oldest_go_by_number_and_by_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECEIPTS_MAX", 3)
    monkeypatch.setattr(module, "RECEIPT_VALUES_MAX", 10)
    receipts = Receipts()
    receipts.take([receipt(number) for number in range(5)])
    assert kept(receipts) == [2, 3, 4]
    receipts.take([receipt(5, values=(1,) * 9)])
    assert kept(receipts) == [4, 5]
    receipts.take([receipt(6, values=(1,) * 10)])
    assert kept(receipts) == [6]


def test_a_packed_receipt_comes_back_and_nothing_else_does() -> None:
    one = receipt(3, 2**40, (0, 2**53))
    assert unpack(one.claim.key, one.pack()) == one
    for key, body in [(b"k", one.pack()), (one.claim.key, b""), (one.claim.key, one.pack()[:-1])]:
        with pytest.raises(ValueError, match="no receipt"):
            unpack(key, body)


def test_only_chunks_with_new_receipts_are_written_again() -> None:
    receipts = Receipts()
    receipts.take([receipt(number) for number in range(CHUNK + 1)])
    first, second = receipts.unwritten()
    assert (first.first, len(first.keys), first.place) == (0, CHUNK, 0)
    assert (second.first, len(second.keys), second.place) == (CHUNK, 1, 1)
    assert receipts.unwritten() == []
    receipts.rewrite([second])
    receipts.take([receipt(-1 % 2**64)])
    (again,) = receipts.unwritten()
    assert (again.first, len(again.keys)) == (CHUNK, 2)


def test_no_chunk_of_the_window_shares_its_place_with_another() -> None:
    """However the window lies over the chunks."""
    for first in range(CHUNK):
        chunks = range(first // CHUNK, (first + RECEIPTS_MAX - 1) // CHUNK + 1)
        assert len(chunks) <= RING


@attrs.define
class Disk:
    """What was written: by place the last chunk."""

    places: dict[int, Chunk] = attrs.field(factory=dict)

    def write(self, receipts: Receipts) -> None:
        for chunk in receipts.unwritten():
            self.places[chunk.place] = chunk


@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=60))
def test_a_window_comes_back_as_it_was_from_its_last_images_and_what_came_after(
    steps: list[tuple[int, bool]],
) -> None:
    """With chunks of 4 and a window of 10, whose ring is 4: laps are soon run."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("CHUNK", 4), ("RECEIPTS_MAX", 10), ("RING", 10 // 4 + 2)):
            patch.setattr(module, name, value)
        live, disk, after, number = Receipts(), Disk(), [], 0
        for many, written in steps:
            for _ in range(many):
                number += 1
                live.take([receipt(number)])
                after.append(receipt(number))
            if written:
                disk.write(live)
                after = []
        restored = Receipts()
        restored.load(disk.places.values())
        restored.take(after)
        assert restored._kept == live._kept
        assert list(restored._kept) == list(live._kept)
        assert (restored._first, restored._values) == (live._first, live._values)
