"""The route table: all that this API answers, and the source of its documentation.

Each row is a `Route`; `/openapi.json` is generated from them, and a test walks through all of
them. Shapes are those of the interface document; nothing is answered that does not stand here.
"""

from __future__ import annotations

import functools

from gcounterd.api import admin, challenge, counters, health, nodes, openapi
from gcounterd.api.backend import Backend
from gcounterd.api.limits import (
    AMOUNT_MAX,
    AMOUNT_MIN,
    EVENT_NUMBER_MAX,
    EVENTS_DEFAULT,
    EVENTS_MAX,
    KEYS_MAX,
    LISTING_DEFAULT,
    LISTING_MAX,
    TIMEOUT_DEFAULT_S,
    TIMEOUT_MAX_S,
    TTL_MAX_S,
    TTL_MIN_S,
)
from gcounterd.api.responses import Response, dump
from gcounterd.api.routing import Call, Parameter, Route, Schema
from gcounterd.counters.batches import COUNT_MAX, KEY_BYTES_MAX

JSON = "application/json"
TEXT = "text/plain"

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": ["integer", "string"], "description": "a string with `as=string`"}
_AMOUNT: Schema = {"type": "integer", "minimum": AMOUNT_MIN, "maximum": AMOUNT_MAX}
_KEY: Schema = {"type": "string", "minLength": 1, "maxLength": KEY_BYTES_MAX}
_DECIMAL: Schema = {"type": "string", "pattern": "^[0-9]+$"}
_TTL: Schema = {"type": "integer", "minimum": TTL_MIN_S, "maximum": TTL_MAX_S}
_ANY: Schema = {"type": "object"}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _exactly(**properties: Schema) -> Schema:
    return {**_object(**properties), "additionalProperties": False}


def _flag(name: str, summary: str, *values: str) -> Parameter:
    return Parameter(name, summary, {"type": "string", "enum": list(values)})


_COUNTER = _object(key=_KEY, value=_NUMBER)
_LISTING = _object(counters={"type": "array", "items": _COUNTER}, next={"type": ["string", "null"]})
_EVENTS = _object(
    node=_TEXT,
    life=_TEXT,
    events={
        "type": "array",
        "items": _object(number={"type": "integer"}, time=_TEXT, event=_TEXT),
    },
    next={"type": "integer"},
)
_ACCUSATION = _object(by=_TEXT, ago_s={"type": "number"}, why=_TEXT, path=_TEXT)
_MEMBER = _object(
    id=_TEXT,
    name=_TEXT,
    roster=_TEXT,
    liveness=_TEXT,
    since_s={"type": ["number", "null"]},
    incarnation={"type": "integer"},
    accusations={"type": "array", "items": _ACCUSATION},
    address=_TEXT,
    epoch=_TEXT,
    columns={"type": "integer"},
)
_CLUSTER = _object(
    cluster=_TEXT,
    self=_TEXT,
    ready={"type": "boolean"},
    nodes={"type": "array", "items": _MEMBER},
    approvals={"type": "array", "items": _object(name=_TEXT, expires=_TEXT)},
    removals={"type": "array", "items": _ANY},
    health={"type": "integer"},
    alone={"type": "boolean"},
)
_READINESS = _object(ready={"type": "boolean"}, reasons={"type": "array", "items": _TEXT})

_INVITATION = _object(
    name=_TEXT,
    token=_TEXT,
    expires=_TEXT,
    admission={"type": "string", "enum": ["open", "approved"]},
    command=_TEXT,
    join={"type": "array", "items": _TEXT},
)

_IN_PATH = Parameter("key", "percent-encoded, `/` as `%2F`; a plus is a plus", _KEY, "path")
_NAME = Parameter("name", "the counter", _KEY, "path")
_AS = _flag("as", "write numbers as strings", "number", "string")
_STALE = _flag("stale", "read a node that is not ready", "ok")
_ACK = _flag("ack", "where it must be durable before the answer", "local")
_TIMEOUT = Parameter(
    "timeout",
    f"seconds, decimal; {TIMEOUT_DEFAULT_S} by default",
    {"type": "number", "minimum": 0, "maximum": TIMEOUT_MAX_S},
)
_LIMIT = Parameter(
    "limit",
    "how many counters",
    {"type": "integer", "minimum": 1, "maximum": LISTING_MAX, "default": LISTING_DEFAULT},
)
_PREFIX = Parameter("prefix", "keys that begin so", _TEXT)
_AFTER = Parameter("after", "keys that sort after this one: the `next` of the last page", _TEXT)
_KEYS = Parameter(
    "key",
    "these counters, in this order; repeat it",
    {"type": "array", "items": _KEY, "maxItems": KEYS_MAX},
)

_COUNTERS = (
    Route(
        "POST",
        "/v1/counters/{key}",
        "Add to a counter: 1, or what the body says",
        plan=counters.plan_increment,
        parameters=(_IN_PATH, _ACK, _TIMEOUT, _AS),
        body={JSON: _exactly(by=_AMOUNT)},
        body_required=False,
        answers={200: ("counted, durably; the value here", JSON, _COUNTER)},
    ),
    Route(
        "GET",
        "/v1/counters/{key}",
        "Read a counter; an unknown one is 0",
        handler=counters.read_value,
        plan=counters.plan_read,
        parameters=(
            _IN_PATH,
            _flag("consistency", "`consistent` asks every member", "local", "consistent"),
            _flag("by_node", "add the counts of each node", "false", "true"),
            _TIMEOUT,
            _STALE,
            _AS,
        ),
        answers={200: ("the value", JSON, _COUNTER)},
    ),
    Route(
        "GET",
        "/v1/counters/{key}/share",
        "Read what this node counted itself",
        handler=counters.read_share,
        parameters=(_IN_PATH, _STALE, _AS),
        answers={200: ("this node's share", JSON, _object(key=_KEY, share=_NUMBER))},
    ),
    Route(
        "PUT",
        "/v1/counters/{key}/share",
        "Raise this node's share to at least n; idempotent, never lowers",
        handler=counters.raise_share,
        parameters=(_IN_PATH, _AS),
        body={JSON: _exactly(at_least={"type": "integer", "minimum": 0, "maximum": COUNT_MAX})},
        answers={200: ("this node's share", JSON, _object(key=_KEY, share=_NUMBER))},
    ),
    Route(
        "POST",
        "/v1/counters",
        "Add to many counters: all or nothing, one commit",
        handler=counters.count_many,
        parameters=(_ACK, _TIMEOUT, _AS),
        body={
            JSON: _exactly(
                counts={
                    "type": "object",
                    "additionalProperties": _AMOUNT,
                    "propertyNames": _KEY,
                    "maxProperties": KEYS_MAX,
                }
            )
        },
        answers={
            200: (
                "counted, durably; the values here",
                JSON,
                _object(values={"type": "object", "additionalProperties": _NUMBER}),
            )
        },
    ),
    Route(
        "GET",
        "/v1/counters",
        "Read counters by key, or in key order by prefix",
        handler=counters.list_counters,
        parameters=(_KEYS, _PREFIX, _AFTER, _LIMIT, _STALE, _AS),
        answers={200: ("counters, and the key to continue after", JSON, _LISTING)},
    ),
    Route(
        "GET",
        "/v1/top",
        "Read the largest counters",
        handler=counters.read_top,
        parameters=(_LIMIT, _PREFIX, _STALE, _AS),
        answers={200: ("counters, largest first", JSON, _LISTING)},
    ),
)

_WATCHING = (
    Route(
        "GET",
        "/v1/cluster",
        "The members, as this node sees them",
        handler=health.cluster,
        answers={200: ("roster and liveness", JSON, _CLUSTER)},
        tag="cluster",
    ),
    Route(
        "GET",
        "/v1/status",
        "This node in figures",
        handler=health.status,
        answers={200: ("figures", JSON, _ANY)},
        tag="cluster",
    ),
    Route(
        "GET",
        "/v1/events",
        "What this node saw happen to the membership",
        handler=health.events,
        parameters=(
            Parameter(
                "after",
                "events after this number: the `next` of the last answer",
                {"type": "integer", "minimum": 0, "maximum": EVENT_NUMBER_MAX, "default": 0},
            ),
            Parameter(
                "life",
                "the `life` of the last answer: in another one `after` counts as 0",
                _TEXT,
            ),
            Parameter(
                "limit",
                "how many events",
                {"type": "integer", "minimum": 1, "maximum": EVENTS_MAX, "default": EVENTS_DEFAULT},
            ),
            Parameter(
                "timeout",
                "seconds, decimal, to wait where nothing follows yet; 0 by default",
                {"type": "number", "minimum": 0, "maximum": TIMEOUT_MAX_S},
            ),
        ),
        answers={
            200: ("events, oldest first; `lost` if some are not kept any more", JSON, _EVENTS)
        },
        tag="cluster",
    ),
    Route(
        "GET",
        "/livez",
        "Whether the loop runs",
        handler=health.live,
        answers={200: ("it does", JSON, _object(live={"type": "boolean"}))},
        tag="health",
    ),
    Route(
        "GET",
        "/readyz",
        "Whether traffic should come here",
        handler=health.ready,
        answers={200: ("it should", JSON, _READINESS)},
        tag="health",
    ),
    Route(
        "GET",
        "/healthz",
        "The same, with what an operator should look at",
        handler=health.healthy,
        answers={200: ("ready", JSON, _READINESS)},
        tag="health",
    ),
    Route(
        "GET",
        "/metrics",
        "Prometheus text",
        handler=health.metrics,
        answers={200: ("metrics of this node; no counter names", TEXT, _TEXT)},
        tag="health",
    ),
)

_CHALLENGE = (
    Route(
        "POST",
        "/config",
        "Join these nodes",
        handler=challenge.configure,
        body={JSON: _exactly(actors={"type": "array", "items": _TEXT})},
        answers={200: ("the addresses that are tried", JSON, _ANY)},
        slash=True,
        tag="challenge",
    ),
    Route(
        "POST",
        "/counter/{name}",
        "Add an ASCII integer",
        handler=challenge.count,
        parameters=(_NAME,),
        body={TEXT: _DECIMAL},
        answers={200: ("the new value", TEXT, _DECIMAL)},
        slash=True,
        tag="challenge",
    ),
    Route(
        "GET",
        "/counter/{name}/value",
        "Read what this node has",
        handler=challenge.read_value,
        parameters=(_NAME, _STALE),
        answers={200: ("the value", TEXT, _DECIMAL)},
        slash=True,
        tag="challenge",
    ),
    Route(
        "GET",
        "/counter/{name}/consistent_value",
        "Read what all members have",
        handler=challenge.read_consistent,
        parameters=(_NAME, _TIMEOUT),
        answers={200: ("the exact value", TEXT, _DECIMAL)},
        slash=True,
        tag="challenge",
    ),
    Route(
        "GET",
        "/ping",
        "Are you there?",
        handler=challenge.ping,
        answers={200: ("OK", TEXT, _TEXT)},
        slash=True,
        tag="challenge",
    ),
)

_ADMIN = (
    Route(
        "POST",
        "/v1/cluster/nodes",
        "Approve a newcomer of this name: a one-time token, and the line to run on its host",
        handler=nodes.add_node,
        body={JSON: {**_exactly(name=_TEXT, address=_TEXT, ttl_s=_TTL), "required": ["name"]}},
        answers={200: ("the line to run, and what it is made of", JSON, _INVITATION)},
        local=True,
        tag="admin",
    ),
    Route(
        "POST",
        "/v1/admin/verify",
        "Check the store",
        handler=admin.verify,
        answers={200: ("what was checked and found", JSON, _ANY)},
        local=True,
        tag="admin",
    ),
    Route(
        "POST",
        "/v1/admin/backup",
        "Copy the store to a new file",
        handler=admin.back_up,
        body={JSON: _exactly(path=_TEXT)},
        answers={200: ("the file", JSON, _object(path=_TEXT, bytes={"type": "integer"}))},
        local=True,
        tag="admin",
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
        answers={200: ("OpenAPI 3.1", JSON, _ANY)},
        tag="documentation",
    ),
)

ROUTES: tuple[Route, ...] = (*_COUNTERS, *_WATCHING, *_CHALLENGE, *_ADMIN, *_DOCUMENTATION)
