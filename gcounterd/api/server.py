"""Server: accepts connections, ends those past their time, stops without losing answers.

Theory. Connections run in a nursery that cancellation does not reach: whoever cancels `serve`
closes the doors at once, while what was asked before is still answered, within `drain_s`. One
ticker looks at all deadlines, so an idle connection costs its task and nothing else.

When the house is full the connection that has been idle longest is closed: somebody new is worth
more than somebody silent. If none is idle the newcomer is closed.
"""

from __future__ import annotations

import errno
import socket
from collections import OrderedDict
from collections.abc import Sequence

import trio

from gcounterd.api.backend import Backend
from gcounterd.api.connection import Connection, End, Shared
from gcounterd.api.limits import ACCEPT_PAUSE_S, ACCEPTS_BEFORE_YIELD, Limits
from gcounterd.api.listeners import Listener
from gcounterd.api.responses import Heads
from gcounterd.api.routes import ROUTES
from gcounterd.api.routing import Router

# The system has no room for another socket; closing one helps.
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


async def serve(
    backend: Backend,
    listeners: Sequence[Listener],
    *,
    limits: Limits | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer requests on these listeners until cancelled; they are closed afterwards.

    Reports itself started when all listeners are being accepted on. Cancelling stops it: no new
    connections, answers in flight are finished within `limits.drain_s`.
    """
    shared = Shared(
        backend=backend,
        limits=limits or Limits(),
        heads=Heads(backend.name, backend.count),
        router=Router(ROUTES),
        now=trio.current_time(),
        connections=OrderedDict(),
    )
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        try:
            hall: trio.Nursery = await nursery.start(_hold, shared, stop)
            for listener in listeners:
                nursery.start_soon(_accept, listener, shared, hall)
            task_status.started()
            await trio.sleep_forever()
        finally:
            for listener in listeners:
                listener.close()
            stop.set()


async def _hold(
    shared: Shared, stop: trio.Event, *, task_status: trio.TaskStatus[trio.Nursery]
) -> None:
    # The nursery of the connections, out of reach of whoever cancels the server.
    with trio.CancelScope(shield=True) as scope:
        async with trio.open_nursery() as clock:
            clock.start_soon(_tick, shared)
            async with trio.open_nursery() as hall:
                task_status.started(hall)
                await stop.wait()
                scope.deadline = trio.current_time() + shared.limits.drain_s
                shared.stopping = True
                for connection in [item for item in shared.connections if item.parked]:
                    connection.end(End.STOPPED)
            clock.cancel_scope.cancel()


async def _tick(shared: Shared) -> None:
    while True:
        await trio.sleep(shared.limits.tick_s)
        shared.now = trio.current_time()
        shared.heads.refresh()
        for connection in [item for item in shared.connections if item.deadline < shared.now]:
            connection.end(End.EXPIRED)


async def _accept(listener: Listener, shared: Shared, hall: trio.Nursery) -> None:
    accepted = 0
    while True:
        try:
            sock, _ = listener.sock.accept()
        except BlockingIOError:
            accepted = 0
            await trio.lowlevel.wait_readable(listener.sock)
            continue
        except OSError as error:
            await _survive(error, shared)
            continue
        await _admit(sock, listener, shared, hall)
        accepted += 1
        if accepted % ACCEPTS_BEFORE_YIELD == 0:
            await trio.lowlevel.checkpoint()


async def _admit(
    sock: socket.socket, listener: Listener, shared: Shared, hall: trio.Nursery
) -> None:
    full = len(shared.connections) >= shared.limits.connections_max
    if full and not _evict(shared):
        shared.backend.count("http_refused")
        sock.close()
        return
    sock.setblocking(False)
    if sock.family != socket.AF_UNIX:
        # Answers are sent whole; waiting to fill a packet would only delay them.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    shared.backend.count("http_accepted")
    connection = Connection(sock, listener, shared)
    shared.connections[connection] = None
    hall.start_soon(connection.run)
    if full:
        await trio.lowlevel.checkpoint()  # lets the evicted one close its socket


def _evict(shared: Shared) -> bool:
    for connection in shared.connections:
        if connection.parked:
            connection.end(End.EVICTED)
            return True
    return False


async def _survive(error: OSError, shared: Shared) -> None:
    # A failed accept is the client's business, unless the system has no room for its socket.
    shared.backend.count("http_accept_failed")
    if error.errno in _NO_ROOM:
        _evict(shared)
        await trio.sleep(ACCEPT_PAUSE_S)
    else:
        await trio.lowlevel.checkpoint()
