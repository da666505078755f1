"""Laws of HTTP: how bytes are cut into chunks changes nothing, and no bytes do harm."""

from __future__ import annotations

import itertools
import json
import re
import socket

import attrs
import h11
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from gcounterd.api.connection import Connection
from gcounterd.api.conversation import Shared
from gcounterd.api.guard import Guard
from gcounterd.api.hub import Hub
from gcounterd.api.intake import Intake
from gcounterd.api.limits import BODY_BYTES_MAX, Limits
from gcounterd.api.listeners import Listener
from gcounterd.api.responses import Heads
from gcounterd.api.routes import ROUTES
from gcounterd.api.routing import Router
from tests.unit.api.memory_backend import MemoryBackend

HOST = b"Host: localhost\r\n"
ROUTER = Router(ROUTES)


def request(line: bytes, headers: bytes = b"", body: bytes = b"") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    return line + b" HTTP/1.1\r\n" + HOST + headers + length + b"\r\n" + body


GOOD = [
    request(b"POST /v1/counters/a"),
    request(b"POST /v1/counters/a%2Fb", b"Accept: */*\r\n"),
    request(b"POST /v1/counters/a", body=b'{"by": 3}'),
    request(b"POST /v1/counters", body=b'{"counts": {"a": 1, "b": 2}}'),
    request(b"GET /v1/counters/a"),
    request(b"HEAD /v1/counters/a"),
    request(b"GET /v1/counters/a?as=string"),
    request(b"GET /v1/counters?key=a&key=b"),
    request(b"GET /ping"),
    request(b"OPTIONS /ping"),
    request(b"GET /lost"),
    request(b"DELETE /v1/top"),
    request(b"POST /v1/counters/a", b"Origin: http://example.com\r\n"),
    request(b"POST /v1/counters/a", body=b'{"by": 0}'),
    b"POST /counter/a HTTP/1.1\r\n"
    + HOST
    + b"Transfer-Encoding: chunked\r\n\r\n1\r\n7\r\n0\r\n\r\n",
    b"\r\n" + request(b"GET /v1/counters/b"),
]
LAST = [
    b"",
    b"nonsense\r\n\r\n",
    b"GET /ping HTTP/1.0\r\n" + HOST + b"\r\n",
    request(b"POST /v1/counters/a", b"Connection: close\r\n") + request(b"POST /v1/counters/a"),
    request(b"GET /ping", b"A: %b\r\n" % (b"x" * 17_000)),
    request(b"GET /%b" % (b"x" * 9_000)),
    b"POST /v1/counters HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1),
    b"GET /v1/counters/a HTTP/1.1\r\n\r\n",
    b"GET /v1/counters/a HTTP/1.1\r\n" + HOST,
]


@attrs.define
class Conversation:
    """What a client got, and what became of the counters."""

    answers: bytes
    values: dict[bytes, int]


def converse(pieces: list[bytes]) -> Conversation:
    """Send pieces, each received on its own, and return everything that came back."""
    return trio.run(_converse, pieces)


async def _converse(pieces: list[bytes]) -> Conversation:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    backend = MemoryBackend()
    shared = Shared(backend, Limits(), Heads("n1", backend.count), ROUTER)
    hub = Hub(backend, Limits())
    hub.enter(Connection(ours, Listener(ours, "pair", Guard(), local=True), shared, hub))
    received = bytearray()

    async def collect(nursery: trio.Nursery) -> None:
        while True:
            await trio.lowlevel.wait_readable(theirs)
            data = theirs.recv(65_536)
            if not data:
                return nursery.cancel_scope.cancel()
            received.extend(data)

    with theirs, trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(hub.run)
            nursery.start_soon(collect, nursery)
            for piece in pieces:
                await trio.testing.wait_all_tasks_blocked()
                try:
                    theirs.send(piece)
                except OSError:
                    break  # it was closed: what is left would not be read
            await trio.testing.wait_all_tasks_blocked()
            theirs.shutdown(socket.SHUT_WR)
    dated = re.sub(rb"Date: [^\r]*", b"Date: -", bytes(received))
    return Conversation(dated, backend.values)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges) if a < b]


def parse(answers: bytes, methods: list[str]) -> list[tuple[int, bytes]]:
    """Read answers as h11 does: status and body of each."""
    parsed = []
    rest = answers
    for method in methods:
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        parser.send(h11.EndOfMessage())
        parser.receive_data(rest)
        status, body = 0, b""
        while True:
            event = parser.next_event()
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                raise AssertionError(f"an answer is incomplete: {event}")
        parsed.append((status, body))
        rest = parser.trailing_data[0]
    assert rest == b""
    return parsed


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(GOOD), min_size=1, max_size=5),
    st.sampled_from(LAST),
    st.lists(st.integers(0, 2**20), max_size=12),
)
def test_answers_do_not_depend_on_how_requests_are_cut(
    requests: list[bytes], last: bytes, places: list[int]
) -> None:
    # One request after the other, each answered before the next is sent, is the measure: values
    # of a later commit may be seen by an earlier answer, so requests are not joined here.
    whole = converse([*requests, *([last] if last else [])])
    pieces = [piece for item in [*requests, last] for piece in cut(item, places)]
    assert converse(pieces) == whole


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(GOOD), min_size=1, max_size=6))
def test_byte_by_byte_and_pipelined_are_answered_in_order(requests: list[bytes]) -> None:
    methods = [item.split()[0].decode() for item in requests]
    data = b"".join(requests)
    pipelined = converse([data])
    single = converse([data[n : n + 1] for n in range(len(data))])
    # Reads see at least what was counted before them, and the end is the same.
    assert pipelined.values == single.values
    statuses = [status for status, _ in parse(pipelined.answers, methods)]
    assert statuses == [status for status, _ in parse(single.answers, methods)]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40) | st.sampled_from(GOOD + LAST), max_size=6), st.data())
def test_the_intake_gives_the_same_verdict_for_every_cut(
    parts: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(parts)
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=20))
    assert verdict([stream]) == verdict(cut(stream, places))


def verdict(pieces: list[bytes]) -> tuple[list[object], str | None, bool]:
    intake = Intake()
    requests = [request for piece in pieces if piece for request in intake.feed(piece)]
    failure = None if intake.failure is None else intake.failure.code
    return [attrs.astuple(request) for request in requests], failure, intake.closed


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=60) | st.sampled_from(GOOD), max_size=5))
def test_no_bytes_end_in_a_mistake_of_ours(parts: list[bytes]) -> None:
    conversation = converse([part for part in parts if part])
    assert b'"internal"' not in conversation.answers
    assert not conversation.answers or conversation.answers.startswith(b"HTTP/1.1 ")


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([b"GET", b"POST", b"PUT"]),
    st.sampled_from(
        ["/v1/counters", "/v1/counters/a", "/v1/counters/a/share", "/config", "/counter/a"]
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["by", "counts", "at_least", "actors", "a", ""]), inner, max_size=3
            )
        ),
        max_leaves=6,
    ),
    st.booleans(),
)
def test_any_json_is_answered_or_refused(
    method: bytes, path: str, value: object, quoted: bool
) -> None:
    body = json.dumps(value, ensure_ascii=quoted).encode(errors="surrogatepass")
    conversation = converse([request(method + b" " + path.encode(), body=body)])
    ((status, answer),) = parse(conversation.answers, [method.decode()])
    assert status in (200, 400, 405), answer
    if status != 200:
        assert conversation.values == {}
        assert json.loads(answer)["error"]["definite"] is True
