"""The framer: limits, reasons, what it keeps."""

from __future__ import annotations

import pytest

from gcounterd.errors import PeerError
from gcounterd.wire.frames import (
    FRAME_BYTES_MAX,
    HELLO_BYTES_MAX,
    LENGTH_BYTES,
    Framer,
    wrap,
)


def reason_of(framer: Framer, chunk: bytes) -> str:
    with pytest.raises(PeerError) as caught:
        list(framer.feed(chunk))
    return caught.value.reason


def test_a_frame_is_its_length_and_its_body() -> None:
    assert wrap(b"body") == b"\x00\x00\x00\x04body"


def test_several_frames_in_one_chunk_come_out_in_order() -> None:
    assert list(Framer().feed(wrap(b"a") + wrap(b"bc") + wrap(b"def"))) == [b"a", b"bc", b"def"]


def test_a_frame_that_comes_byte_by_byte_comes_out_whole() -> None:
    framer = Framer()
    bodies = [body for byte in wrap(b"body") for body in framer.feed(bytes([byte]))]
    assert bodies == [b"body"]
    assert framer.held == 0


def test_the_limit_may_be_raised_between_two_frames_of_one_chunk() -> None:
    framer = Framer()
    long = b"x" * (HELLO_BYTES_MAX + 1)
    for body in framer.feed(wrap(b"hello") + wrap(long)):
        assert body == b"hello"
        break
    framer.raise_limit()
    assert list(framer) == [long]


def test_the_longest_allowed_frames_pass_and_one_byte_more_does_not() -> None:
    assert list(Framer().feed(wrap(b"x" * HELLO_BYTES_MAX))) == [b"x" * HELLO_BYTES_MAX]
    framer = Framer(FRAME_BYTES_MAX)
    assert list(framer.feed(wrap(b"x" * FRAME_BYTES_MAX))) == [b"x" * FRAME_BYTES_MAX]
    assert reason_of(Framer(), (HELLO_BYTES_MAX + 1).to_bytes(4, "big")) == "hello_too_large"
    assert reason_of(framer, (FRAME_BYTES_MAX + 1).to_bytes(4, "big")) == "frame_too_large"


def test_a_length_is_refused_before_its_body_has_come() -> None:
    framer = Framer()
    assert reason_of(framer, b"\xff\xff\xff\xff") == "hello_too_large"
    assert framer.held == LENGTH_BYTES


def test_an_empty_frame_is_refused() -> None:
    assert reason_of(Framer(), b"\x00\x00\x00\x00") == "empty_frame"


def test_frames_before_a_bad_one_in_the_same_chunk_still_come_out() -> None:
    framer = Framer()
    bodies = framer.feed(wrap(b"good") + b"\x00\x00\x00\x00")
    assert next(bodies) == b"good"
    with pytest.raises(PeerError):
        next(bodies)


def test_after_a_bad_length_nothing_comes_out_any_more() -> None:
    framer = Framer()
    assert reason_of(framer, b"\x00\x00\x00\x00") == "empty_frame"
    assert reason_of(framer, wrap(b"later")) == "empty_frame"


@pytest.mark.parametrize(
    "request_line",
    [b"GET / HTTP/1.1\r\n", b"POST /v1", b"PUT /x", b"HEAD /", b"DELETE /", b"OPTIONS *", b"PRI *"],
)
def test_http_on_the_peer_port_is_told_apart(request_line: bytes) -> None:
    assert reason_of(Framer(), request_line) == "http_on_peer_port"
    assert reason_of(Framer(FRAME_BYTES_MAX), request_line) == "http_on_peer_port"


def test_tls_on_the_peer_port_is_told_apart() -> None:
    assert reason_of(Framer(), b"\x16\x03\x01\x02\x00\x01\x00") == "tls_on_peer_port"


def test_what_is_kept_between_chunks_is_less_than_one_frame() -> None:
    framer = Framer(FRAME_BYTES_MAX)
    stream = wrap(b"x" * FRAME_BYTES_MAX) * 3
    chunk = 65_536 - 7
    for at in range(0, len(stream), chunk):
        list(framer.feed(stream[at : at + chunk]))
        assert framer.held < FRAME_BYTES_MAX + LENGTH_BYTES
    assert framer.held == 0
