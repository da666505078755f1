"""Doors: what makes a listening socket one of RESP.

It binds the connections of one listener to the commands and to the node behind them.
"""

from __future__ import annotations

import itertools
import random
import socket

from gcounterd.api.access import LOOPBACK, Access
from gcounterd.api.backend import Backend
from gcounterd.api.doors import Door
from gcounterd.api.hub import Hub
from gcounterd.api.listeners import Listener
from gcounterd.resp.connection import Connection
from gcounterd.resp.judged import JudgedConnection
from gcounterd.resp.session import Room
from gcounterd.resp.table import OTHERS, TABLE
from gcounterd.security.tokens import Grant

# A cursor holds it above a row, and both must fit into 63 bits.
_LIFE_BITS = 30


def open_room(backend: Backend, access: Access | None = None, base: Grant = LOOPBACK) -> Room:
    """Return what the RESP connections of a process share."""
    life = random.SystemRandom().getrandbits(_LIFE_BITS) + 1
    return Room(backend, TABLE, OTHERS, life, access or Access(), base)


def open_resp(backend: Backend, listener: Listener, access: Access | None = None) -> Door:
    """Return the door that speaks RESP on this listener."""
    access = access or Access()
    room = open_room(backend, access, access.base(listener))
    kind = JudgedConnection if access.judges(listener) else Connection
    numbers = itertools.count(1)

    def make(sock: socket.socket, hub: Hub) -> Connection:
        return kind(sock, hub, room, next(numbers))

    return Door(listener, Connection.protocol, make, access.tick)
