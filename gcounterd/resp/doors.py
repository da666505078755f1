"""Doors: what makes a listening socket one of RESP.

It binds the connections of one listener to the commands and to the node behind them.
"""

from __future__ import annotations

import itertools
import random
import socket

from gcounterd.api.backend import Backend
from gcounterd.api.doors import Door
from gcounterd.api.hub import Hub
from gcounterd.api.listeners import Listener
from gcounterd.resp.connection import Connection
from gcounterd.resp.session import Room
from gcounterd.resp.table import OTHERS, TABLE

# A cursor holds it above a row, and both must fit into 63 bits.
_LIFE_BITS = 30


def open_room(backend: Backend) -> Room:
    """Return what the RESP connections of a process share."""
    life = random.SystemRandom().getrandbits(_LIFE_BITS) + 1
    return Room(backend, TABLE, OTHERS, life)


def open_resp(backend: Backend, listener: Listener) -> Door:
    """Return the door that speaks RESP on this listener."""
    room = open_room(backend)
    numbers = itertools.count(1)

    def make(sock: socket.socket, hub: Hub) -> Connection:
        return Connection(sock, hub, room, next(numbers))

    return Door(listener, Connection.protocol, make)
