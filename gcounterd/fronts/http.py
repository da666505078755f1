"""HTTP connections of a front: hot requests are answered here, whatever else is asked elsewhere.

Theory. A front parses as a node does, so it takes for hot what a node takes for hot. Beside that it
keeps the bytes that have not been answered, which is what the owner needs to go on: those of the
chunk at hand, and of a request that has only begun. A hot request has no body, so it ends with the
blank line behind its head, and what follows the last of those has only begun. Where a body begins
the client goes to the owner at once.

Reads are asked of the owner as increments are: a front holds no counters. Nor does it know tokens:
whoever shows one, or would need one, goes to the owner.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import cast

from gcounterd.api import hot
from gcounterd.api.access import Access
from gcounterd.api.backend import Backend
from gcounterd.api.connection import Connection
from gcounterd.api.conversation import Shared
from gcounterd.api.doors import Door
from gcounterd.api.hub import Hub
from gcounterd.api.intake import Stage
from gcounterd.api.limits import RECEIVE_BYTES, Limits
from gcounterd.api.listeners import Listener
from gcounterd.api.requests import Request
from gcounterd.api.responses import Heads
from gcounterd.api.routes import ROUTES
from gcounterd.api.routing import Router
from gcounterd.api.spoke import Taken
from gcounterd.fronts.handover import UNREAD_BYTES_MAX
from gcounterd.fronts.way import Way

_BLANK_LINE = b"\r\n\r\n"
# The owner lets a client finish what it began, so a head that grows goes there.
_KEPT_BYTES_MAX = UNREAD_BYTES_MAX - RECEIVE_BYTES


class FrontConnection(Connection):
    """One client of a front."""

    __slots__ = ("_free", "_goes", "_unread", "_way")

    def __init__(
        self, sock: socket.socket, listener: Listener, shared: Shared, hub: Hub, way: Way
    ) -> None:
        super().__init__(sock, listener, shared, hub)
        self._way = way
        self._free = shared.access.is_free(listener)  # nobody needs a token to count and read
        self._unread = b""  # of a request that has only begun
        self._goes = False  # to the owner, with what is unread

    def quick(self, data: bytes, keys: list[bytes]) -> Taken:
        """Take hot requests, and remember what was not answered."""
        unread = self._unread + data if self._unread else data
        taken = super().quick(data, keys)
        if taken is Taken.TASK or (taken is Taken.NOTHING and len(unread) > _KEPT_BYTES_MAX):
            self._unread, self._goes = unread, True
            return Taken.TASK
        if self._intake.stage is Stage.IDLE:
            self._unread = b""
        elif taken is Taken.NOTHING:
            self._unread = unread
        else:
            self._unread = unread[unread.rindex(_BLANK_LINE) + len(_BLANK_LINE) :]
        return taken

    def _read_hot(self, requests: Sequence[Request]) -> list[hot.Hot]:
        return super()._read_hot(requests) if self._free else []

    def _is_cold(self) -> bool:
        return super()._is_cold() or self._intake.stage is Stage.BODY

    def _take(self, asked: list[hot.Hot], keys: list[bytes]) -> Taken:
        for form, key in asked:
            if form == hot.READ:
                self._way.front.want(key)
        super()._take(asked, keys)
        return Taken.LATER

    async def _go_on(self) -> bool:
        # Stay if nothing came meanwhile, else go to the owner with it.
        if not self._goes:
            data = self._receive()
            if data is None:
                return not self._hub.stopping
            if not data:
                return False
            self._unread += data
        await self._way.send(self.sock, self._unread, {})
        return False


def open_http(listener: Listener, access: Access, limits: Limits, way: Way) -> Door:
    """Return the door of a front that speaks HTTP on this listener."""
    front = way.front
    # Connections here ask it for what hot requests need, and go to the owner before they ask more.
    backend = cast("Backend", front)
    heads = Heads(front.name, front.count)
    shared = Shared(backend, limits, heads, Router(ROUTES), access=access)

    def make(sock: socket.socket, hub: Hub) -> FrontConnection:
        return FrontConnection(sock, listener, shared, hub, way)

    return Door(listener, Connection.protocol, make, shared.tick)
