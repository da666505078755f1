"""The ports of a local cluster, and the fronts that listen on some of them.

Theory. A port is held by a bound, silent socket for as long as the cluster lives. Both ends set
SO_REUSEADDR, so the daemon can listen there, and nobody's outgoing connection is given the port
while the daemon is down: a connection to it is refused, as to any dead process.

This module refuses to know processes.
"""

from __future__ import annotations

import socket
from collections.abc import Collection
from contextlib import AsyncExitStack

import attrs
import trio

from tests.cluster.proxy import Cuts, Front, Tap

# From a node's real peer port to that of its front.
FRONT_PORT_OFFSET = 50


class PortTaken(Exception):
    """A port belongs to somebody else. For people to read."""


@attrs.frozen
class Ports:
    """Where one node listens, and where its front does; all on 127.0.0.1."""

    http: int
    peer: int
    front: int
    resp: int


@attrs.frozen
class Ground:
    """Takes ports, from `http_base`, `peer_base` and `resp_base` on; free ones where they are 0.

    known    the names of all nodes, for the fronts to know diallers by; it may grow
    held     gives the ports back when it ends
    nursery  runs the fronts
    tap      is shown all that passes a front
    """

    http_base: int
    peer_base: int
    resp_base: int
    cuts: Cuts
    known: Collection[str]
    held: AsyncExitStack
    nursery: trio.Nursery
    tap: Tap | None = None

    async def take(self, name: str, index: int) -> Ports:
        """Take the ports of the node that is `index`th, from 0, and put a front before it.

        Raises `PortTaken`.
        """
        http = self.held.enter_context(_hold_port(self.http_base and self.http_base + index))
        peer = self.held.enter_context(_hold_port(self.peer_base and self.peer_base + index))
        resp = self.held.enter_context(_hold_port(self.resp_base and self.resp_base + index))
        port = self.peer_base and self.peer_base + index + FRONT_PORT_OFFSET
        listener = await self.held.enter_async_context(await _listen(port))
        front = Front(name, peer.getsockname(), self.known, self.cuts, self.tap)
        self.nursery.start_soon(front.serve, listener)
        bound = (http, peer, listener.socket, resp)
        return Ports(*(sock.getsockname()[1] for sock in bound))


def _hold_port(port: int) -> socket.socket:
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind(("127.0.0.1", port))
    except OSError as error:
        holder.close()
        raise PortTaken(f"port {port} cannot be had: {error.strerror}") from error
    return holder


async def _listen(port: int) -> trio.SocketListener:
    try:
        [listener] = await trio.open_tcp_listeners(port, host="127.0.0.1")
    except OSError as error:
        raise PortTaken(f"port {port} cannot be had: {error.strerror}") from error
    return listener
