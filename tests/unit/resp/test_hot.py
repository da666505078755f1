"""Chunks of nothing but INCR: taken for that if and only if the scanner finds just that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcounterd.resp.hot import read_counts, read_one, write_counts
from gcounterd.resp.scanner import Scanner
from tests.unit.resp.resp_rig import pack

keys = st.one_of(
    st.binary(max_size=30), st.sampled_from([b"\r\n", b"a\r\n$1", b"*2\r\n$4\r\nINCR"])
)
commands = st.one_of(
    st.tuples(st.sampled_from([b"INCR", b"incr", b"InCr", b"DECR"]), keys),
    st.tuples(st.just(b"INCR")),
    st.tuples(st.just(b"INCRBY"), keys, st.sampled_from([b"1", b"2", b"11"])),
).map(lambda words: pack(*words))
wrong = st.sampled_from(
    [b"*2\r\n$4\r\nINCR\r\n$2\r\na\r\n", b"*2\r\n$4\r\nINCR\r\n$0\r\nXX*1000000000\r\n", b"*2\r\n"]
)


@given(st.lists(st.one_of(commands, wrong), max_size=6).map(b"".join), st.integers(0, 300))
def test_what_is_read_at_once_is_what_the_scanner_reads(data: bytes, cut: int) -> None:
    data = data[:cut] if cut < 100 else data
    found = read_counts(data)
    key = read_one(data)
    assert key is None or found == ([key], b"")
    if found is not None:
        named, tail = found
        assert data.endswith(tail)
        scanner = Scanner()
        scanner.feed(data[: len(data) - len(tail)])
        commands = scanner.take(1000)
        assert [words[1] for words in commands] == named
        assert {words[0].upper() for words in commands} <= {b"INCR", b"INCRBY"}
        assert all(words[2:] in ([], [b"1"]) for words in commands)
        assert not scanner.begun
        assert scanner.failure is None


plain_keys = st.binary(min_size=1, max_size=30).filter(lambda key: b"\r\n" not in key)


@given(st.lists(plain_keys, min_size=1), st.sampled_from([(b"INCR",), (b"incrby", b"1")]))
def test_whole_chunks_of_increments_are_read_at_once(named: list[bytes], form: list[bytes]) -> None:
    data = b"".join(pack(form[0], key, *form[1:]) for key in named)
    assert read_counts(data) == (named, b"")
    assert read_one(data) == (named[0] if (len(named), form[0]) == (1, b"INCR") else None)
    for cut in range(1, len(pack(form[0], named[-1], *form[1:]))):
        left = read_counts(data[:-cut])
        assert left == (None if len(named) == 1 else (named[:-1], left[1] if left else b""))
        assert left is None or data[:-cut].endswith(left[1])


@pytest.mark.parametrize("data", [pack("INCR", b"k" * 1025), pack("INCR", "a")[:-1], b"INCR a\r\n"])
def test_what_is_left_to_the_scanner(data: bytes) -> None:
    assert read_counts(data) is None


@given(st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1))
def test_the_answers_are_those_of_counting_one_by_one(named: list[bytes]) -> None:
    counts: dict[bytes, int] = {b"a": 10}
    told = []
    for key in named:
        counts[key] = counts.get(key, 0) + 1
        told.append(b":%d\r\n" % counts[key])
    assert write_counts(named, [counts[key] for key in named]) == b"".join(told)
