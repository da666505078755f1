"""Handlers for those who watch: probes, metrics, the cluster and this node in figures.

Theory. *Live* means that the loop runs, which answering shows; a supervisor restarts what is not
live. *Ready* means that traffic should come here; a balancer decides by its status code, people
read its reasons. The two must not be mixed: a node that waits for its peers is not ready, and
restarting it would not help.
"""

from __future__ import annotations

from gcounterd.api.backend import Backend
from gcounterd.api.limits import EVENT_NUMBER_MAX, EVENTS_DEFAULT, EVENTS_MAX
from gcounterd.api.requests import read_count, read_text, read_timeout
from gcounterd.api.responses import Response, answer, refuse
from gcounterd.api.routing import Call
from gcounterd.errors import ClientError

_METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


async def live(call: Call, backend: Backend) -> Response:
    """`GET /livez`: the loop runs."""
    return answer({"live": True})


async def ready(call: Call, backend: Backend) -> Response:
    """`GET /readyz`: 200 if this node should get traffic, else 503 with the reasons."""
    return _readiness(backend, {})


async def healthy(call: Call, backend: Backend) -> Response:
    """`GET /healthz`: the same, and what an operator should look at."""
    return _readiness(backend, {"warnings": list(backend.warnings())})


def _readiness(backend: Backend, details: dict[str, object]) -> Response:
    readiness = backend.readiness()
    shape = {"ready": readiness.ready, "reasons": list(readiness.reasons), **details}
    if readiness.ready:
        return answer(shape)
    return refuse(ClientError(503, "not_ready", "this node should not get traffic now"), shape)


async def metrics(call: Call, backend: Backend) -> Response:
    """`GET /metrics`: Prometheus text."""
    return Response(200, backend.metrics(), _METRICS_TYPE)


async def cluster(call: Call, backend: Backend) -> Response:
    """`GET /v1/cluster`: the members, as this node sees them."""
    return answer(backend.cluster())


async def status(call: Call, backend: Backend) -> Response:
    """`GET /v1/status`: this node in figures."""
    return answer(backend.status())


async def removals(call: Call, backend: Backend) -> Response:
    """`GET /v1/removals`: which nodes are being removed or were, and what came of it."""
    return answer(backend.removals())


async def events(call: Call, backend: Backend) -> Response:
    """`GET /v1/events`: what happened to the membership after event number `after` of a life."""
    after = read_count(call.query, "after", 0, EVENT_NUMBER_MAX, lowest=0)
    limit = read_count(call.query, "limit", EVENTS_DEFAULT, EVENTS_MAX)
    life = read_text(call.query, "life", "")
    seconds = read_timeout(call.query, 0)
    return answer(await backend.history(after, life, limit, seconds))
