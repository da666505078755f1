"""Handlers of the counters challenge, an API that other programs already speak.

Theory. Its texts agree on four requests: a config that names all hosts, an ASCII integer that is
added, and two reads, one local and one exact. Answers are plain decimals. The increment is a
non-negative integer there, so 0 is accepted: it adds nothing and answers the value.

Errors have the shape of all our errors. This module refuses to know the roster: addresses are
handed on, and joining them twice is joining them once.
"""

from __future__ import annotations

from gcounterd.api.backend import Backend, Counted
from gcounterd.api.bodies import check_address, read_ascii_amount, read_object
from gcounterd.api.counters import refuse_unready
from gcounterd.api.limits import ACTORS_MAX
from gcounterd.api.promises import count_once, is_keyed
from gcounterd.api.reading import find_value
from gcounterd.api.requests import read_timeout
from gcounterd.api.responses import TEXT_TYPE, Response, answer
from gcounterd.api.routing import Call
from gcounterd.errors import ClientError


async def configure(call: Call, backend: Backend) -> Response:
    """`POST /config {"actors": ["host[:peer port]", …]}`: join them, and wait until they are in."""
    actors = read_object(call.request.body, ["actors"])["actors"]
    if not isinstance(actors, list) or len(actors) > ACTORS_MAX:
        raise ClientError(400, "bad_actors", f"actors are a list of at most {ACTORS_MAX:,}")
    addresses = [check_address(actor, "bad_actors") for actor in actors]
    waiting = await backend.join(addresses, read_timeout(call.query))
    return answer({"actors": addresses, "waiting_for": list(waiting)})


async def count(call: Call, backend: Backend) -> Response:
    """`POST /counter/{name}` with an ASCII integer: the new value."""
    name, amount = call.keys["name"], read_ascii_amount(call.request.body)

    async def show(counted: Counted) -> Response:
        return _decimal(counted.values[0])

    if amount and is_keyed(call):
        return await count_once(call, backend, {name: amount}, show)
    if amount:
        backend.add(name, amount)
        await backend.commit()
    return _decimal(backend.value(name))


async def read_value(call: Call, backend: Backend) -> Response:
    """`GET /counter/{name}/value`: what this node has."""
    return await _read(call, backend, consistent=False)


async def read_consistent(call: Call, backend: Backend) -> Response:
    """`GET /counter/{name}/consistent_value`: exact, or 503 with the names missing."""
    return await _read(call, backend, consistent=True)


async def _read(call: Call, backend: Backend, *, consistent: bool) -> Response:
    unready = refuse_unready(backend, call.query)
    if unready is not None:
        return unready
    value = await find_value(backend, call.keys["name"], call.query, consistent=consistent)
    return value if isinstance(value, Response) else _decimal(value)


def _decimal(value: int) -> Response:
    return Response(200, b"%d" % value, TEXT_TYPE)


async def ping(call: Call, backend: Backend) -> Response:
    """`GET /ping`: `OK` and a newline, as its first implementation wrote it."""
    return Response(200, b"OK\n", TEXT_TYPE)
