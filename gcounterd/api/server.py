"""Server: opens the doors, and stops without losing answers.

Theory. Connections live in a hub that cancellation does not reach: whoever cancels `serve` closes
the doors at once, while what was asked before is still answered, within `drain_s`.

This module refuses to know what the doors speak.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from gcounterd.api.backend import Backend
from gcounterd.api.doors import Door, accept
from gcounterd.api.hub import Hub
from gcounterd.api.limits import Limits


async def serve(
    backend: Backend,
    doors: Sequence[Door],
    *,
    limits: Limits | None = None,
    fronted: Sequence[Door] = (),
    task_status: trio.TaskStatus[Hub] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer at these doors until cancelled; their listeners are closed afterwards.

    Reports itself started, with the hub, when all doors are open. At `fronted` doors others accept.
    Cancelling stops it: no new connections, answers in flight are finished within `limits.drain_s`.
    """
    hub = Hub(backend, limits or Limits(), [door.tick for door in (*doors, *fronted)])
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        try:
            await nursery.start(_hold, hub, stop)
            for door in doors:
                nursery.start_soon(accept, door, hub, backend.count)
            task_status.started(hub)
            await trio.sleep_forever()
        finally:
            for door in (*doors, *fronted):
                door.listener.close()
            stop.set()


async def _hold(hub: Hub, stop: trio.Event, *, task_status: trio.TaskStatus[None]) -> None:
    # The hub, out of reach of whoever cancels the server.
    with trio.CancelScope(shield=True) as scope:
        async with trio.open_nursery() as house:
            await house.start(hub.run)
            task_status.started()
            await stop.wait()
            scope.deadline = trio.current_time() + hub.limits.drain_s
            await hub.stop()
            house.cancel_scope.cancel()
