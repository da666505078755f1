"""Increments of one, gathered by row: the same batches, values and refusals as one by one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcounterd.counters.counters import Counters
from gcounterd.counters.ones import FEW
from gcounterd.errors import ClientError
from gcounterd.ids import ColumnId

OWN = ColumnId(bytes(32))
KEYS = [b"key-%d" % number for number in range(40)]


def commit(counters: Counters) -> list[bytes]:
    """Cut and apply what waits; return what went into the journal."""
    batches = counters.cut()
    for batch in batches:
        counters.apply(batch)
    counters.writer.settle()
    return [block.encoded for batch in batches for block in batch.blocks]


def add_singly(counters: Counters, keys: list[bytes]) -> list[int]:
    refused = []
    for place, key in enumerate(keys):
        try:
            counters.add(key, 1)
        except ClientError:
            refused.append(place)
    return refused


chunks = st.lists(st.sampled_from([*KEYS, b"", b"\xff"]), min_size=1, max_size=100)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("each"), chunks),
        st.tuples(st.just("add"), st.lists(st.sampled_from(KEYS), min_size=1, max_size=2)),
        st.tuples(st.sampled_from(["commit", "abandon"]), st.just([])),
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_many_together_come_to_the_same_as_one_by_one(taken: list[tuple[str, list[bytes]]]) -> None:
    together, singly = Counters(OWN, 30), Counters(OWN, 30)
    for what, keys in [*taken, ("commit", [])]:
        if what == "each":
            _, refused = together.add_each(keys)
            assert list(refused) == add_singly(singly, keys)
        elif what == "add":
            assert add_singly(together, keys) == add_singly(singly, keys)
        elif what == "commit":
            assert len(commit(together)) == len(commit(singly))
        else:
            assert bool(together.cut()) == bool(singly.cut())
            together.writer.settle()
            singly.writer.settle()
        assert [together.value(key) for key in KEYS] == [singly.value(key) for key in KEYS]
        for key in KEYS:
            assert together.writer.waiting(key) == singly.writer.waiting(key)
        assert bool(together.writer) == bool(singly.writer)
        assert together.writer.idle == singly.writer.idle
    assert (together.recount() == together.totals).all()


@pytest.mark.parametrize("number", [1, FEW, FEW + 1, 2000])
def test_known_keys_are_cut_as_they_always_were(number: int) -> None:
    together, singly = Counters(OWN, 10_000), Counters(OWN, 10_000)
    keys = [b"key-%d" % (each * 7919 % 3000) for each in range(number)]
    for counters in (together, singly):
        add_singly(counters, keys)
        commit(counters)
    rows, refused = together.add_each(keys)
    add_singly(singly, keys)
    assert not refused
    assert commit(together) == commit(singly)
    assert together.values(keys, rows) == [2 * keys.count(key) for key in keys]


@pytest.mark.parametrize("number", [3, FEW, FEW + 1, 2000])
def test_a_new_key_among_known_ones_sends_only_itself_the_slow_way(number: int) -> None:
    together, singly = Counters(OWN, 10_000), Counters(OWN, 10_000)
    known = [b"key-%d" % each for each in range(number)]
    for counters in (together, singly):
        add_singly(counters, known)
        commit(counters)
        counters.add(known[2], 5)
    keys = [b"new-1", *known, known[0], b"new-2", b"new-1"]
    rows, refused = together.add_each(keys)
    add_singly(singly, keys)
    assert not refused
    assert together.writer.waiting(known[2]) == 6
    assert len(together.writer._ones) == number + 1
    assert commit(together) == commit(singly)
    assert together.values(keys, rows) == [singly.value(key) for key in keys]
    assert (together.value(b"new-1"), together.value(known[0]), together.value(known[2])) == (
        2,
        3,
        7,
    )


def test_a_key_that_only_others_counted_is_taken_with_its_name() -> None:
    other, counters = Counters(ColumnId(b"\1" * 32)), Counters(OWN)
    other.add(b"theirs", 5)
    for batch in other.cut():
        counters.apply(batch)
    rows, refused = counters.add_each([b"theirs"] * 3)
    assert not refused
    (batch,) = counters.cut()
    assert batch.blocks[0].names == (b"theirs",)
    counters.apply(batch)
    assert counters.values([b"theirs"] * 3, rows) == [8, 8, 8]


def test_what_would_pass_the_largest_total_is_refused_in_its_place() -> None:
    counters = Counters(OWN)
    for amount in [2**50] * 7 + [2**50 - 1]:
        counters.add(b"full", amount, 2**50)
        commit(counters)
    counters.add(b"free", 1)
    commit(counters)
    _, refused = counters.add_each([b"free", b"full", b"full", b"free"])
    assert {place: error.code for place, error in refused.items()} == {2: "too_large"}
    commit(counters)
    assert (counters.value(b"full"), counters.value(b"free")) == (2**53, 3)


def test_dropping_forgets_them() -> None:
    counters = Counters(OWN)
    counters.add(b"a", 1)
    commit(counters)
    counters.add_each([b"a"])
    assert counters.writer.gathered(b"a") == 1
    counters.add_each([b"a"])
    counters.writer.drop()
    assert not counters.writer
    assert counters.cut() == []
