"""A node and one front of it in one process, with real sockets between all three."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio

from gcounterd.api.access import Access
from gcounterd.api.doors import Door, accept
from gcounterd.api.hub import Hub
from gcounterd.api.judged import open_doors
from gcounterd.api.limits import Limits
from gcounterd.api.listeners import listen_tcp
from gcounterd.api.server import serve
from gcounterd.fronts.backend import FrontBackend
from gcounterd.fronts.handover import open_channel
from gcounterd.fronts.http import open_http
from gcounterd.fronts.owner import Owner, arrival
from gcounterd.fronts.resp import open_resp as open_front_resp
from gcounterd.fronts.way import Way
from gcounterd.resp.doors import open_resp
from gcounterd.security.tokens import Tokens
from tests.unit.api.memory_backend import MemoryBackend

PATIENCE_S = 20
# The numbers of the clients of RESP: those of the first of three fronts.
FIRST, STEP = 1, 3


@attrs.define
class FrontRig:
    """The backend of the node, the ports of its front, and both ends of what is between them."""

    backend: MemoryBackend
    port: int
    resp: int
    owner: Owner
    front: FrontBackend
    hub: Hub
    house: Hub
    stream: trio.SocketStream


@asynccontextmanager
async def fronted(
    limits: Limits | None = None, access: Access | None = None
) -> AsyncIterator[FrontRig]:
    """Run a node whose clients come by a front, which knows no tokens."""
    limits, access = limits or Limits(), access or Access()
    backend = MemoryBackend()
    listener, other = await listen_tcp("127.0.0.1", 0), await listen_tcp("127.0.0.1", 0)
    doors = [*open_doors(backend, [listener], limits, access), open_resp(backend, other, access)]
    near, far = (trio.SocketStream(end) for end in trio.socket.socketpair())
    channel, far_channel = open_channel()
    with trio.fail_after(PATIENCE_S), channel, far_channel, near.socket, far.socket:
        async with trio.open_nursery() as nursery:
            house = await nursery.start(_serve, backend, doors, limits)
            owner = Owner(backend, near, channel, arrival(doors, house, backend.count))
            nursery.start_soon(owner.run)
            front = FrontBackend(far, backend.name)
            nursery.start_soon(front.run)
            blind = Access(access.public.scopes, None if access.tokens is None else Tokens())
            http = open_http(listener, blind, limits, Way(front, 0, far_channel))
            resp = open_front_resp(other, blind, Way(front, 1, far_channel), FIRST, STEP)
            hub = Hub(front, limits, [http.tick, front.tick])
            await nursery.start(hub.run)
            for door in (http, resp):
                nursery.start_soon(accept, door, hub, front.count)
            try:
                yield FrontRig(backend, listener.port, other.port, owner, front, hub, house, near)
            finally:
                nursery.cancel_scope.cancel()


async def _serve(
    backend: MemoryBackend,
    doors: list[Door],
    limits: Limits,
    *,
    task_status: trio.TaskStatus[Hub],
) -> None:
    await serve(backend, [], limits=limits, fronted=doors, task_status=task_status)
