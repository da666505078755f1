"""Doors: what makes a listening socket one of RESP.

It binds the connections of one listener to the commands and to the node behind them.
"""

from __future__ import annotations

import itertools
import random
import socket

from gcounterd.api.access import Access
from gcounterd.api.backend import Backend
from gcounterd.api.doors import Door
from gcounterd.api.encrypted import Encryption
from gcounterd.api.hub import Hub
from gcounterd.api.listeners import Listener
from gcounterd.resp.connection import Connection
from gcounterd.resp.judged import JudgedConnection
from gcounterd.resp.session import Room
from gcounterd.resp.table import OTHERS, TABLE

# A cursor holds it above a row, and both must fit into 63 bits.
_LIFE_BITS = 30


def open_room(backend: Backend, access: Access, listener: Listener) -> Room:
    """Return what the RESP connections of one listener of a process share."""
    life = random.SystemRandom().getrandbits(_LIFE_BITS) + 1
    base, judged = access.base(listener), access.judges(listener)
    return Room(backend, TABLE, OTHERS, life, access, base, judged)


def open_resp(
    backend: Backend,
    listener: Listener,
    access: Access | None = None,
    encryption: Encryption | None = None,
) -> Door:
    """Return the door that speaks RESP on this listener, in TLS with `encryption`."""
    access = access or Access()
    room = open_room(backend, access, listener)
    kind = JudgedConnection if room.judged else Connection
    numbers = itertools.count(1)

    def make(sock: socket.socket, hub: Hub) -> Connection:
        return kind(sock, hub, room, next(numbers))

    return Door(listener, Connection.protocol, make, access.tick, encryption)
