"""Streaming: counters that a page watches, as server-sent events.

Theory. A stream tells state and never steps: first all counts by original node, then those that
are different, whichever way they came to be so. A reader keeps the largest count of each node, so
events may be lost, repeated or come from several nodes, and what it shows never falls.
`Last-Event-ID` needs no history: whoever has seen the present state is not sent it again.

`min` is what it is for a read: a stream does not begin below it. From there on a node's own values
do not fall, and a reader that goes to another node brings its own.

An operator's stream tells of the cluster as well, and so is not for pages of other origins. It goes
on where the node is not ready, since that is what operators come to see.

This module refuses to know how a change is noticed, and sockets.
"""

from __future__ import annotations

from gcounterd.api.backend import Backend
from gcounterd.api.feeds import Wish
from gcounterd.api.reading import MIN, TIMEOUT, find_value, read_least
from gcounterd.api.requests import Query, check_key, read_count
from gcounterd.api.responses import Response
from gcounterd.api.routing import Call, Parameter, Route
from gcounterd.api.schemas import KEY, STRING
from gcounterd.errors import ClientError

# Counters of one stream: what a page shows, and what fits into a target.
KEYS_MAX = 256
TOP_MAX = 100
# The largest counters that an operator's stream shows beside the cluster.
TOP_DEFAULT = 12
EVENTS = "text/event-stream"
# nginx hands each event on at once where it is told so.
_HEADERS = ((b"X-Accel-Buffering", b"no"),)


async def stream(call: Call, backend: Backend) -> Response:
    """`GET /v1/stream`: the state, then changes, until either side ends it."""
    wish, least = read_wish(call.query), read_least(call.query)
    if call.request.method == b"HEAD":
        return Response(content_type=EVENTS.encode(), headers=_HEADERS)
    if least:
        if len(wish.keys) != 1:
            raise ClientError(400, "bad_parameter", "min is of one counter: give one key with it")
        value = await find_value(backend, wish.keys[0], call.query, consistent=False)
        if isinstance(value, Response):
            return value
    seen = call.request.headers.get(b"last-event-id", b"")
    live = await backend.follow(wish, seen, fresh=least > 0)
    return Response(content_type=EVENTS.encode(), headers=_HEADERS, live=live)


async def stream_cluster(call: Call, backend: Backend) -> Response:
    """`GET /v1/cluster/stream`: what an operator sees, and the largest counters."""
    most = read_count(call.query, "top", TOP_DEFAULT, TOP_MAX)
    if call.request.method == b"HEAD":
        return Response(content_type=EVENTS.encode(), headers=_HEADERS)
    seen = call.request.headers.get(b"last-event-id", b"")
    live = await backend.follow(Wish((), most, cluster=True), seen, fresh=False)
    return Response(content_type=EVENTS.encode(), headers=_HEADERS, live=live)


def read_wish(query: Query) -> Wish:
    """Return what a stream is about: `key`, which may stand often, or `top`."""
    if ("key" in query) == ("top" in query):
        raise ClientError(400, "bad_parameter", "a stream takes either key or top")
    if "top" in query:
        return Wish((), read_count(query, "top", 1, TOP_MAX))
    keys = tuple(dict.fromkeys(check_key(key) for key in query["key"]))
    if len(keys) > KEYS_MAX:
        raise ClientError(400, "too_many_keys", f"one stream shows at most {KEYS_MAX} counters")
    return Wish(keys)


_SEEN = Parameter("Last-Event-ID", "the last event seen, wherever it was", STRING, "header")

STREAMS: tuple[Route, ...] = (
    Route(
        "GET",
        "/v1/stream",
        "Watch counters: their counts by original node, then what changes",
        handler=stream,
        parameters=(
            Parameter(
                "key",
                "these counters; repeat it",
                {"type": "array", "items": KEY, "maxItems": KEYS_MAX},
            ),
            Parameter(
                "top",
                "the largest counters, in place of `key`",
                {"type": "integer", "minimum": 1, "maximum": TOP_MAX},
            ),
            MIN,
            TIMEOUT,
            _SEEN,
        ),
        answers={200: ("events `state`, `change` and `leave`, without end", EVENTS, STRING)},
        open=True,
        tag="pages",
    ),
    Route(
        "GET",
        "/v1/cluster/stream",
        "Watch the cluster as the dashboard does: members, how far they are, events, and the "
        "largest counters",
        handler=stream_cluster,
        parameters=(
            Parameter(
                "top",
                "how many of the largest counters",
                {"type": "integer", "minimum": 1, "maximum": TOP_MAX, "default": TOP_DEFAULT},
            ),
            _SEEN,
        ),
        answers={
            200: (
                "events `state` and `change` as in `/v1/stream`, `cluster`, `pulse`, `events`",
                EVENTS,
                STRING,
            )
        },
        tag="cluster",
    ),
)
