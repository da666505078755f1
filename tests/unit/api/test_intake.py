"""The parser's account: what is complete, what fails, what is forgotten."""

from __future__ import annotations

import pytest

from gcounterd.api.intake import Intake, Stage
from gcounterd.api.limits import HEAD_BYTES_MAX, RECEIVE_BYTES

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


def test_the_stage_tells_what_is_waited_for() -> None:
    intake = Intake()
    stages = []
    for piece in (b"", b"P", b"OST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n", b"a", b"b"):
        if piece:
            intake.feed(piece)
        stages.append(intake.stage)
    assert stages == [Stage.IDLE, Stage.HEAD, Stage.BODY, Stage.BODY, Stage.IDLE]


def test_only_headers_that_mean_something_are_kept() -> None:
    (request,) = Intake().feed(
        b"GET /a HTTP/1.1\r\nHOST:  x \r\nCookie: y\r\nOrigin: z\r\nConnection: keep-alive\r\n\r\n"
    )
    assert request.headers == {b"host": b"x", b"origin": b"z"}


def test_headers_of_one_request_are_not_seen_by_the_next() -> None:
    first = b"POST /a HTTP/1.1\r\nHost: x\r\nOrigin: y\r\nContent-Length: 1\r\n\r\n1"
    requests = Intake().feed(first + GET)
    assert [(r.headers, r.body) for r in requests] == [
        ({b"host": b"x", b"origin": b"y"}, b"1"),
        ({b"host": b"x"}, b""),
    ]


@pytest.mark.parametrize("header", [b"Host", b"Origin", b"Idempotency-Key"])
def test_a_header_that_decides_something_may_not_stand_twice(header: bytes) -> None:
    intake = Intake()
    twice = b"%b: a\r\n%b: a\r\n" % (header, header.upper())
    assert intake.feed(b"GET /a HTTP/1.1\r\n%b\r\n" % twice) == []
    assert intake.failure is not None
    assert intake.failure.code == "malformed"


def test_requests_cut_at_the_same_place_again_and_again_are_no_large_head() -> None:
    intake = Intake()
    intake.feed(GET[:5])
    for _ in range(10):
        requests = intake.feed(GET[5:] + GET * 500 + GET[:5])
        assert len(requests) == 501
    assert intake.failure is None


def test_a_header_without_end_fails_within_one_chunk_of_the_limit() -> None:
    intake = Intake()
    intake.feed(b"GET / HTTP/1.1\r\nA: ")
    fed = 0
    while intake.failure is None:
        intake.feed(b"x" * 1000)
        fed += 1000
    assert fed <= HEAD_BYTES_MAX + RECEIVE_BYTES + 1000
    assert intake.failure.status == 431


def test_nothing_is_read_after_a_failure() -> None:
    intake = Intake()
    assert intake.feed(GET + b"nonsense\r\n\r\n") != []
    failure = intake.failure
    assert failure is not None
    assert intake.feed(GET) == []
    assert intake.failure is failure


def test_the_shortest_requests_of_one_chunk_are_fewer_than_a_thousand() -> None:
    shortest = b"GET / HTTP/1.1\r\nHost:\r\n\r\n"
    requests = Intake().feed(shortest * (RECEIVE_BYTES // len(shortest)))
    assert 600 < len(requests) < 1000


def test_a_released_intake_takes_nothing_in() -> None:
    intake = Intake()
    intake.release()
    assert intake.feed(GET) == []
