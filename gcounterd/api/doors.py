"""Doors: from a listening socket to a connection of the hub.

Theory. What is accepted costs the same whatever it speaks: a descriptor, and a place among the
connections of this node. When the house is full the connection that has been idle longest is
ended: somebody new is worth more than somebody silent. If none is idle the newcomer is closed.

This module refuses to know protocols; a door brings what makes a connection of its own.
"""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Callable
from functools import partial

import attrs
import trio

from gcounterd.api.encrypted import HANDSHAKES_MAX, TLS_FAILED, TLS_REFUSED, Encryption, carry
from gcounterd.api.hub import Hub
from gcounterd.api.limits import ACCEPT_PAUSE_S, ACCEPTS_BEFORE_YIELD
from gcounterd.api.listeners import Listener
from gcounterd.api.spoke import Spoke
from gcounterd.security.rates import place_of

# What is counted of accepting, under the protocol's name and this.
ACCEPTED, ACCEPT_FAILED, REFUSED = ADMISSIONS = ("accepted", "accept_failed", "refused")
# The system has no room for another socket; closing one helps.
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


@attrs.frozen(eq=False)
class Door:
    """A listener, and what its connections are.

    protocol  the name under which its events are counted
    make      makes a connection of a socket
    tick      called each second
    encryption  its connections are in TLS; None: they are not
    """

    listener: Listener
    protocol: str
    make: Callable[[socket.socket, Hub], Spoke]
    tick: Callable[[], None] = lambda: None
    encryption: Encryption | None = None


async def accept(door: Door, hub: Hub, count: Callable[[str], None]) -> None:
    """Put those who come into the hub, until cancelled."""
    accepted = 0
    while True:
        try:
            sock, address = door.listener.sock.accept()
        except BlockingIOError:
            accepted = 0
            await trio.lowlevel.wait_readable(door.listener.sock)
            continue
        except OSError as error:
            await _survive(error, door, hub, count)
            continue
        await _admit(sock, place_of(address), door, hub, count)
        accepted += 1
        if accepted % ACCEPTS_BEFORE_YIELD == 0:
            await trio.lowlevel.checkpoint()


async def _admit(
    sock: socket.socket, client: str, door: Door, hub: Hub, count: Callable[[str], None]
) -> None:
    full = len(hub) >= hub.limits.connections_max
    if full and not hub.evict():
        count(f"{door.protocol}_{REFUSED}")
        sock.close()
        return
    sock.setblocking(False)
    if sock.family != socket.AF_UNIX:
        # Answers are sent whole; waiting to fill a packet would only delay them.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if door.encryption is None:
        _enter(client, door, hub, count, sock)
    else:
        _encrypt(sock, client, door, door.encryption, hub, count)
    if full:
        await trio.lowlevel.checkpoint()  # lets an evicted one's task close its socket


def _enter(
    client: str, door: Door, hub: Hub, count: Callable[[str], None], sock: socket.socket
) -> None:
    count(f"{door.protocol}_{ACCEPTED}")
    spoke = door.make(sock, hub)
    spoke.client = client
    hub.enter(spoke)


def _encrypt(
    sock: socket.socket,
    client: str,
    door: Door,
    encryption: Encryption,
    hub: Hub,
    count: Callable[[str], None],
) -> None:
    if encryption.shaking >= HANDSHAKES_MAX:
        count(f"{door.protocol}_{TLS_REFUSED}")
        sock.close()
        return
    failed = partial(count, f"{door.protocol}_{TLS_FAILED}")
    enter = partial(_enter, client, door, hub, count)
    hub.host(carry, sock, encryption, enter, failed, hub.limits.write_s)


async def _survive(error: OSError, door: Door, hub: Hub, count: Callable[[str], None]) -> None:
    # A failed accept is the client's business, unless the system has no room for its socket.
    if error.errno not in _NO_ROOM:
        count(f"{door.protocol}_{ACCEPT_FAILED}")
        await trio.lowlevel.checkpoint()
    elif _is_awaited(door.listener.sock):
        count(f"{door.protocol}_{ACCEPT_FAILED}")
        hub.evict()
        await trio.sleep(ACCEPT_PAUSE_S)
    else:
        await trio.lowlevel.wait_readable(door.listener.sock)


def _is_awaited(sock: socket.socket) -> bool:
    # The system looks for room before it looks whether anybody is there.
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
