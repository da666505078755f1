"""Laws of hot requests: what is recognised by its bytes is what the parser would have said."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gcounterd.api import hot
from gcounterd.api.intake import Intake, Stage

GOOD_HEADERS = [
    b"Host: localhost\r\n",
    b"Host: example.com:80\r\nAccept: */*\r\n",
    b"User-Agent: wrk HTTP/1.1\r\nhost: x\r\n",
    b"Host: x\r\nContent-Length: 0\r\n",
    b"Host: x\r\nConnection: keep-alive\r\nCookie: a=b; c=%d\r\n",
]
# Nothing to a counter; a visit they leave uncounted.
PREVIEWS = [b"Host: x\r\nSec-Purpose: prefetch\r\n", b"Purpose: prefetch\r\nHost: x\r\n"]
OTHER_HEADERS = [
    b"",
    b"Host: x\r\nOrigin: http://x\r\n",
    b"Host: x\r\nConnection: close\r\n",
    b"Host: x\r\nTransfer-Encoding: chunked\r\n",
    b"Host: x\r\nContent-Length: 3\r\n",
    b"Host: x\r\nExpect: 100-continue\r\n",
    b"Host: x\r\nIdempotency-Key: k\r\n",
    b"Host: x\r\nHost: y\r\n",
    b"Host: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n",
    b"Host: x\r\nA: %b\r\n" % (b"x" * hot.REMEMBERED_BYTES_MAX),
]
LINES = [
    b"POST /v1/counters/a",
    b"GET /v1/counters/a",
    b"POST /v1/counters/%b" % (b"k" * 1024),
    b"POST /v1/counters/a~!$&'()*+,;=:@-._b",
    b"GET /hit/a/b",
    b"POST /hit/a/%b" % (b"k" * 1022),
]
OTHER_LINES = [
    b"POST /v1/counters/",
    b"POST /v1/counters/%b" % (b"k" * 1025),
    b"POST /v1/counters/a%20b",
    b"POST /v1/counters/a/share",
    b"POST /v1/counters/a?ack=all",
    b"HEAD /v1/counters/a",
    b"HEAD /hit/a/b",
    b"GET /hit/a/b?bots=ignore",
    b"GET /hit/a/%b" % (b"k" * 1023),
    b"GET /hit/a",
    b"GET /hit/a/b/c",
    b"post /v1/counters/a",
    b"POST  /v1/counters/a",
    b"\r\nPOST /v1/counters/a",
    b"POST /v1/counters/\xc3\xa9",
    b"POST /v1/counters/a\nPOST /v1/counters/b",
    b"0\r\n\r\nPOST /v1/counters/a",
    b"GET /ping",
    b"",
]
ENDS = [b" HTTP/1.1\r\n", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b" HTTP/1.1\n", b"\r\n"]

headers = st.sampled_from(GOOD_HEADERS) | st.sampled_from(OTHER_HEADERS + PREVIEWS)
lines = st.sampled_from(LINES) | st.sampled_from(OTHER_LINES) | st.binary(max_size=30)


def parse(chunk: bytes) -> list[hot.Hot] | None:
    """Return what a parser makes of a chunk, if that is hot requests to its end; else None."""
    intake = Intake()
    requests = intake.feed(chunk)
    found = []
    for request in requests:
        asked = hot.read_request(request) if hot.is_plain(request.headers) else None
        if asked is None:
            return None
        found.append(asked)
    is_whole = intake.stage is Stage.IDLE and intake.failure is None and not intake.closed
    return found if is_whole and found else None


@st.composite
def chunks_like(draw: st.DrawFn, head: bytes) -> bytes:
    """Draw a chunk that is made of that head, nearly always, and of lines of all kinds."""
    chunk = b"".join(
        draw(lines) + draw(st.sampled_from([head] * 6 + [draw(st.sampled_from(ENDS)) + b"\r\n"]))
        for _ in range(draw(st.integers(1, 5)))
    )
    if draw(st.booleans()):
        return chunk
    at, byte = draw(st.integers(0, len(chunk) - 1)), draw(st.binary(max_size=2))
    return chunk[:at] + byte + chunk[at + draw(st.integers(0, 2)) :]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(LINES), min_size=1, max_size=3), headers, st.data())
def test_the_verdict_by_bytes_is_the_parsers(
    first: list[bytes], said: bytes, data: st.DataObject
) -> None:
    learnt_from = b"".join(line + b" HTTP/1.1\r\n" + said + b"\r\n" for line in first)
    head = hot.learn(learnt_from) if parse(learnt_from) else b""
    if not head:
        return
    chunk = data.draw(chunks_like(head))
    if not chunk.endswith(head):
        return
    one, counts = hot.read_one(chunk, head), hot.read_counts(chunk, head)
    # By the head of a counter nobody takes a visit.
    if one is not None and (one[0] != hot.HIT or b"/hit/" in first[0]):
        assert parse(chunk) == [one]
    if counts is not None:
        assert parse(chunk) == [(hot.COUNT, key) for key in counts]


@given(st.lists(st.sampled_from(LINES), min_size=1, max_size=4), st.sampled_from(GOOD_HEADERS))
def test_hot_requests_are_recognised(first: list[bytes], said: bytes) -> None:
    end = b" HTTP/1.1\r\n" + said + b"\r\n"
    chunk = b"".join(line + end for line in first)
    assert parse(chunk)
    head = hot.learn(chunk)
    assert head == end
    assert hot.read_one(first[0] + head, head) == parse(first[0] + head)[0]  # type: ignore[index]
    if all(line.startswith(b"POST /v1") for line in first):
        counts = hot.read_counts(chunk, head)
        assert counts is not None
        assert list(counts) == [key for _, key in parse(chunk) or []]


@given(st.sampled_from(LINES), headers)
def test_a_head_is_learnt_only_where_nothing_else_is_said(line: bytes, said: bytes) -> None:
    chunk = line + b" HTTP/1.1\r\n" + said + b"\r\n"
    is_hot = parse(chunk) is not None and len(said) < hot.REMEMBERED_BYTES_MAX
    assert is_hot == (said in GOOD_HEADERS or (said in PREVIEWS and b"/hit/" not in line))


def test_a_line_feed_within_a_line_does_not_make_two_of_it() -> None:
    head = b" HTTP/1.1\r\nHost: x\r\n\r\n"
    assert hot.read_counts(b"POST /v1/counters/a\nPOST /v1/counters/b" + head, head) is None


def test_a_line_before_a_head_with_a_body_is_never_taken() -> None:
    # The last of a chunk ends with the head of the first, but says more before.
    end = b" HTTP/1.1\r\nHost: x\r\n\r\n"
    chunk = b"POST /v1/counters/a" + end + b"POST /v1/counters/b HTTP/1.1\r\nA: b" + end
    assert parse(chunk) is not None
    assert hot.learn(chunk) == end
    assert hot.read_counts(chunk, end) is None
