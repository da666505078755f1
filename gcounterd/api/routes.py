"""The route table: all that this API answers, and the source of its documentation.

Each row is a `Route`; `/openapi.json` is generated from them, and a test walks through all of
them. Shapes are those of the interface document; nothing is answered that does not stand here.
"""

from __future__ import annotations

import functools

from gcounterd.api import challenge, counters, openapi, promises
from gcounterd.api.backend import Backend
from gcounterd.api.cluster_routes import ADMIN, WATCHING
from gcounterd.api.dashboard import DASHBOARD
from gcounterd.api.import_routes import IMPORTS
from gcounterd.api.limits import (
    AMOUNT_MAX,
    AMOUNT_MIN,
    KEYS_MAX,
)
from gcounterd.api.page_routes import PAGES
from gcounterd.api.reading import MIN
from gcounterd.api.reading import TIMEOUT as _TIMEOUT
from gcounterd.api.requests import LEVELS
from gcounterd.api.responses import Response, dump
from gcounterd.api.routing import Call, Parameter, Route, Schema
from gcounterd.api.schemas import (
    JSON,
    KEY,
    OBJECT,
    PLAIN,
    STRING,
    choice,
    exactly,
    limit,
    listed,
    shape,
)
from gcounterd.api.static import STATIC
from gcounterd.api.streaming import STREAMS
from gcounterd.counters.batches import COUNT_MAX

_NUMBER: Schema = {"type": ["integer", "string"], "description": "a string with `as=string`"}
_AMOUNT: Schema = {"type": "integer", "minimum": AMOUNT_MIN, "maximum": AMOUNT_MAX}
_CONFIG = shape(actors=listed(STRING), waiting_for=listed(STRING))
_DECIMAL: Schema = {"type": "string", "pattern": "^[0-9]+$"}
_COUNTER = shape(key=KEY, value=_NUMBER)
_LISTING = shape(counters={"type": "array", "items": _COUNTER}, next={"type": ["string", "null"]})
_IN_PATH = Parameter("key", "percent-encoded, `/` as `%2F`; a plus is a plus", KEY, "path")
_NAME = Parameter("name", "the counter", KEY, "path")
_AS = choice("as", "write numbers as strings", "number", "string")
_STALE = choice("stale", "read a node that is not ready", "ok")
_ACK = choice("ack", "who must hold it durably before the answer", *LEVELS)
_HELD_BY: Schema = {"type": "array", "items": STRING}
_COUNTED = "counted, but not yet held as `ack` says; do not repeat it; who is known to hold it"
_LIMIT = limit("counters")
_PREFIX = Parameter("prefix", "keys that begin so", STRING)
_AFTER = Parameter("after", "keys that sort after this one: the `next` of the last page", STRING)
_KEYS = Parameter(
    "key",
    "these counters, in this order; repeat it",
    {"type": "array", "items": KEY, "maxItems": KEYS_MAX},
)

_COUNTERS = (
    Route(
        "POST",
        "/v1/counters/{key}",
        "Add to a counter: 1, or what the body says",
        handler=counters.count_keyed,
        plan=counters.plan_increment,
        parameters=(_IN_PATH, _ACK, _TIMEOUT, _AS, *promises.PARAMETERS),
        body={JSON: exactly(by=_AMOUNT)},
        body_required=False,
        answers={
            200: ("counted, durably; the value here", JSON, _COUNTER),
            202: (_COUNTED, JSON, shape(key=KEY, value=_NUMBER, held_by=_HELD_BY)),
        },
        open=True,
    ),
    Route(
        "GET",
        "/v1/counters/{key}",
        "Read a counter; an unknown one is 0",
        handler=counters.read_value,
        plan=counters.plan_read,
        parameters=(
            _IN_PATH,
            choice("consistency", "`consistent` asks every member", "local", "consistent"),
            choice("by_node", "add the counts of each node", "false", "true"),
            MIN,
            _TIMEOUT,
            _STALE,
            _AS,
        ),
        answers={200: ("the value", JSON, _COUNTER)},
        open=True,
    ),
    Route(
        "GET",
        "/v1/counters/{key}/share",
        "Read what this node counted itself",
        handler=counters.read_share,
        parameters=(_IN_PATH, _STALE, _AS),
        answers={200: ("this node's share", JSON, shape(key=KEY, share=_NUMBER))},
    ),
    Route(
        "PUT",
        "/v1/counters/{key}/share",
        "Raise this node's share to at least n; idempotent, never lowers",
        handler=counters.raise_share,
        parameters=(_IN_PATH, _ACK, _TIMEOUT, _AS),
        body={JSON: exactly(at_least={"type": "integer", "minimum": 0, "maximum": COUNT_MAX})},
        answers={
            200: ("this node's share", JSON, shape(key=KEY, share=_NUMBER)),
            202: (_COUNTED, JSON, shape(key=KEY, share=_NUMBER, held_by=_HELD_BY)),
        },
    ),
    Route(
        "POST",
        "/v1/counters",
        "Add to many counters: all or nothing, one commit",
        handler=counters.count_many,
        parameters=(_ACK, _TIMEOUT, _AS, *promises.PARAMETERS),
        body={
            JSON: exactly(
                counts={
                    "type": "object",
                    "additionalProperties": _AMOUNT,
                    "propertyNames": KEY,
                    "maxProperties": KEYS_MAX,
                }
            )
        },
        answers={
            200: (
                "counted, durably; the values here",
                JSON,
                shape(values={"type": "object", "additionalProperties": _NUMBER}),
            ),
            202: (
                _COUNTED,
                JSON,
                shape(values={"type": "object", "additionalProperties": _NUMBER}, held_by=_HELD_BY),
            ),
        },
        open=True,
    ),
    Route(
        "GET",
        "/v1/counters",
        "Read counters by key, or in key order by prefix",
        handler=counters.list_counters,
        parameters=(_KEYS, _PREFIX, _AFTER, _LIMIT, _STALE, _AS),
        answers={200: ("counters, and the key to continue after", JSON, _LISTING)},
        open=True,
    ),
    Route(
        "GET",
        "/v1/top",
        "Read the largest counters",
        handler=counters.read_top,
        parameters=(_LIMIT, _PREFIX, _STALE, _AS),
        answers={200: ("counters, largest first", JSON, _LISTING)},
        open=True,
    ),
)

_CHALLENGE = (
    Route(
        "POST",
        "/config",
        "Join these nodes, and wait until all know each other",
        handler=challenge.configure,
        parameters=(_TIMEOUT,),
        body={JSON: exactly(actors=listed(STRING))},
        answers={200: ("the addresses, and who is still waited for", JSON, _CONFIG)},
        slash=True,
        tag="challenge",
    ),
    Route(
        "POST",
        "/counter/{name}",
        "Add an ASCII integer",
        handler=challenge.count,
        parameters=(_NAME, *promises.PARAMETERS),
        body={PLAIN: _DECIMAL},
        answers={200: ("the new value", PLAIN, _DECIMAL)},
        slash=True,
        tag="challenge",
    ),
    Route(
        "GET",
        "/counter/{name}/value",
        "Read what this node has",
        handler=challenge.read_value,
        parameters=(_NAME, MIN, _TIMEOUT, _STALE),
        answers={200: ("the value", PLAIN, _DECIMAL)},
        slash=True,
        tag="challenge",
    ),
    Route(
        "GET",
        "/counter/{name}/consistent_value",
        "Read what all members have",
        handler=challenge.read_consistent,
        parameters=(_NAME, MIN, _TIMEOUT),
        answers={200: ("the exact value", PLAIN, _DECIMAL)},
        slash=True,
        tag="challenge",
    ),
    Route(
        "GET",
        "/ping",
        "Are you there?",
        handler=challenge.ping,
        answers={200: ("OK", PLAIN, STRING)},
        slash=True,
        tag="challenge",
    ),
)


async def show_openapi(call: Call, backend: Backend) -> Response:
    """`GET /openapi.json`: this table, for programs."""
    return Response(200, _document())


@functools.cache
def _document() -> bytes:
    return dump(openapi.describe(ROUTES))


_DOCUMENTATION = (
    Route(
        "GET",
        "/openapi.json",
        "This description",
        handler=show_openapi,
        answers={200: ("OpenAPI 3.1", JSON, OBJECT)},
        tag="documentation",
    ),
)

ROUTES: tuple[Route, ...] = (
    *_COUNTERS,
    *PAGES,
    *STREAMS,
    *STATIC,
    *DASHBOARD,
    *IMPORTS,
    *WATCHING,
    *_CHALLENGE,
    *ADMIN,
    *_DOCUMENTATION,
)
