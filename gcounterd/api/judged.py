"""Judged: an HTTP connection whose client may not do everything, and the doors of both kinds.

Theory. Where everybody may count and read, hot requests are answered without a look at who asks.
Elsewhere the verdict is kept beside the head that is remembered (`api.hot`): the head holds the
token, so the same head is the same client. What is left for each key is whether it begins as
it must. Whatever is not allowed at a glance is taken back, and goes to the connection's task,
where it is refused in its place like any other request.

This module refuses to know where tokens come from.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from gcounterd.api import hot
from gcounterd.api.access import Access
from gcounterd.api.backend import Backend
from gcounterd.api.connection import Connection
from gcounterd.api.conversation import Shared
from gcounterd.api.doors import Door
from gcounterd.api.encrypted import Encryption
from gcounterd.api.hub import Hub
from gcounterd.api.limits import Limits
from gcounterd.api.listeners import Listener
from gcounterd.api.requests import Request
from gcounterd.api.responses import Heads
from gcounterd.api.routes import ROUTES
from gcounterd.api.routing import Router
from gcounterd.api.spoke import Taken
from gcounterd.errors import ClientError
from gcounterd.security.tokens import NOTHING, Scope


class JudgedConnection(Connection):
    """One connection of a client that may need a token."""

    __slots__ = ("_generation", "_grant", "_header", "_may_count", "_may_read", "_parsed")

    def __init__(self, sock: socket.socket, listener: Listener, shared: Shared, hub: Hub) -> None:
        super().__init__(sock, listener, shared, hub)
        self._generation = -1  # of what was found out about the header below
        self._header: bytes | None = None
        self._grant = NOTHING
        self._may_count: tuple[bytes, ...] = ()  # prefixes of keys
        self._may_read: tuple[bytes, ...] = ()
        self._parsed = False

    def quick(self, data: bytes, keys: list[bytes]) -> Taken:
        """Take hot requests that are allowed; leave everything else to the task."""
        before = len(keys)
        self._parsed = False
        taken = super().quick(data, keys)
        if self._parsed or self._allows(keys[before:]):
            return taken
        del keys[before:]
        self._counts, self._asked = 0, []
        return self._parse(data, keys)

    def _allows(self, counted: Sequence[bytes]) -> bool:
        """Say whether what was taken by a head that is known may be done."""
        if self._generation != self._shared.access.generation:
            return False
        read = [key for form, key in self._asked if form == hot.READ]
        may = _cover(self._may_count, counted) and _cover(self._may_read, read)
        return may and self._spend(max(len(counted), len(self._asked)))

    def _spend(self, number: int) -> bool:
        return self._shared.access.spend(self._grant, self.client, number)

    def _parse(self, data: bytes, keys: list[bytes]) -> Taken:
        self._parsed = True
        return super()._parse(data, keys)

    def _is_plain(self, request: Request) -> bool:
        return hot.is_plain(request.headers, b"authorization" in request.headers)

    def _read_hot(self, requests: Sequence[Request]) -> list[hot.Hot]:
        found = []
        for request, asked in zip(requests, super()._read_hot(requests), strict=False):
            self._look_up(request.headers.get(b"authorization"))
            prefixes = self._may_count if asked[0] == hot.COUNT else self._may_read
            if asked[0] == hot.HIT or not asked[1].startswith(prefixes):
                break  # visits are for the task
            found.append(asked)
        # The task charges each that is left to it.
        return found if len(found) == len(requests) and self._spend(len(found)) else []

    def _look_up(self, header: bytes | None) -> None:
        """Find out what somebody may do; the task says why where it is nothing."""
        access = self._shared.access
        if header == self._header and self._generation == access.generation:
            return
        try:
            grant = access.read_header(header, self._listener)
        except ClientError:
            grant = NOTHING
        self._header, self._generation, self._grant = header, access.generation, grant
        # Who shows a wrong token is told so, also where none is needed.
        knocks = grant is not NOTHING
        self._may_count = access.prefixes(grant, Scope.COUNT) if knocks else ()
        self._may_read = access.prefixes(grant, Scope.READ) if knocks else ()


def _cover(prefixes: tuple[bytes, ...], keys: Sequence[bytes]) -> bool:
    return prefixes == (b"",) or all(key.startswith(prefixes) for key in keys)


def open_doors(
    backend: Backend,
    listeners: Sequence[Listener],
    limits: Limits | None = None,
    access: Access | None = None,
    encryption: Encryption | None = None,
) -> list[Door]:
    """Return the doors that speak HTTP on these listeners, in TLS with `encryption`."""
    limits, access = limits or Limits(), access or Access()
    heads = Heads(backend.name, backend.count)
    shared = Shared(backend, limits, heads, Router(ROUTES), access=access)

    def open_door(listener: Listener) -> Door:
        kind = JudgedConnection if access.judges(listener) else Connection

        def make(sock: socket.socket, hub: Hub) -> Connection:
            return kind(sock, listener, shared, hub)

        return Door(listener, Connection.protocol, make, shared.tick, encryption)

    return [open_door(listener) for listener in listeners]
