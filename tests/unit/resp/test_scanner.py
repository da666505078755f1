"""The scanner: what is a command, what is none, and that chunks make no difference."""

from __future__ import annotations

import tracemalloc

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcounterd.resp.limits import (
    ARGUMENTS_MAX,
    BULK_BYTES_MAX,
    COMMAND_BYTES_MAX,
    INLINE_BYTES_MAX,
    PIPELINE_MAX,
)
from gcounterd.resp.scanner import Scanner
from tests.unit.resp.resp_rig import pack

words = st.lists(st.binary(max_size=40), min_size=1, max_size=5)
pieces = st.one_of(
    words.map(lambda args: pack(*args)),
    st.sampled_from([b"\r\n", b"\n", b"PING\r\n", b"get  a b \n", b"*0\r\n", b"*-1\r\n"]),
)
hostile = st.one_of(
    st.sampled_from(
        [b"*", b"$", b"\r\n", b"*1\r\n", b"$5\r\n", b"*2\r\n$1\r\na\r\n*", b"*1000000000\r\n"]
    ),
    st.sampled_from(
        [b"%1\r\n", b":1\r\n", b"$-1\r\n", b"POST / HTTP/1.1\r\n", b"Host: a\r\n", b'"a"\n']
    ),
    st.binary(max_size=6),
    pieces,
)


def scan(*chunks: bytes, most: int = PIPELINE_MAX) -> tuple[list[list[bytes]], str | None]:
    scanner = Scanner()
    found = []
    for chunk in chunks:
        scanner.feed(chunk)
        while commands := scanner.take(most):
            found += commands
    return found, scanner.failure


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut bytes at these places."""
    ends = sorted(place % (len(data) + 1) for place in places)
    return [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)], strict=True) if a < b]


@given(st.lists(hostile).map(b"".join), st.lists(st.integers(0, 10_000), max_size=8))
def test_however_the_bytes_are_cut_the_commands_are_the_same(
    data: bytes, places: list[int]
) -> None:
    whole = scan(data)
    assert scan(*cut(data, places)) == whole
    assert scan(*(bytes([byte]) for byte in data)) == whole


@given(st.lists(words))
def test_commands_come_out_as_clients_packed_them(commands: list[list[bytes]]) -> None:
    packed = [hiredis.pack_command(tuple(args)) for args in commands]
    assert scan(b"".join(packed)) == (commands, None)


@given(st.lists(pieces).map(b"".join), st.integers(1, 5))
def test_commands_taken_in_portions_are_the_same(data: bytes, most: int) -> None:
    scanner = Scanner()
    scanner.feed(data)
    found = []
    while scanner.begun:
        commands = scanner.take(most)
        assert len(commands) <= most
        found += commands
    assert (found, None) == scan(data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"*1000000000\r\n", "more than 1024 arguments"),
        (b"*%d\r\n" % (ARGUMENTS_MAX + 1), "more than 1024 arguments"),
        (b"*" + b"9" * 13, "invalid multibulk length"),
        (b"*1x\r\n", "invalid multibulk length"),
        (b"*01\r\n$4\r\nPING\r\n", "invalid multibulk length"),
        (b"*1\r\n$04\r\nPING\r\n", "invalid bulk length"),
        (b"*1\r\n$%d\r\n" % (BULK_BYTES_MAX + 1), "an argument is at most 65536 bytes"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$4\r\nPINGS\r\n", "longer or shorter than it says"),
        (b"*1\r\n*1\r\n$1\r\na\r\n", "expected '$', got '*'"),
        (b"*1\r\n\xff", r"expected '$', got '\xff'"),
        (b"x" * INLINE_BYTES_MAX, "too big inline request"),
        (b'set "a b" 1\n', "no quotes in an inline command"),
        (b"*17\r\n" + b"$65536\r\n%b\r\n" % (b"x" * 65536) * 16, f"at most {COMMAND_BYTES_MAX}"),
    ],
)
def test_what_is_wrong_or_too_large_is_refused_with_what_it_is(data: bytes, why: str) -> None:
    commands, failure = scan(pack("PING") + data)
    assert commands == [[b"PING"]]
    assert failure is not None
    assert failure.startswith("Protocol error: ")
    assert why in failure


def test_a_length_reserves_nothing() -> None:
    tracemalloc.start()
    scan(b"*1024\r\n$65536\r\n")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


@pytest.mark.parametrize(
    "data",
    [
        b"POST /pay HTTP/1.1\r\n",
        b"GET /a HTTP/1.1\r\n",
        b"Host: example.com\r\n",
        b"post\r\n",
        b"OPTIONS * HTTP/1.0\r\n",
    ],
)
def test_what_a_browser_sends_ends_the_connection_without_a_word(data: bytes) -> None:
    assert scan(data + b"INCR stolen\r\n") == ([], "")


def test_what_is_announced_and_not_sent_is_waited_for() -> None:
    scanner = Scanner()
    scanner.feed(b"*2\r\n$4\r\nINCR\r\n$3\r\nab")
    assert scanner.take(9) == []
    assert scanner.begun
    scanner.feed(b"c\r\n")
    assert scanner.take(9) == [[b"INCR", b"abc"]]
    assert not scanner.begun
