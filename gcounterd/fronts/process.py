"""A front: a process that takes client connections and answers what carries the load.

Theory. One process of Python has one core to itself. Where reading what clients say takes most of
it, others can do that: they share the port (SO_REUSEPORT), parse, gather, and ask the one process
that has the node, the *owner*. A front has no state, so it may die at any time; its
clients' requests under way are then of unknown outcome, and no count is wrong.

The owner opens the sockets and hands them on, so a front that is started again finds the clients
that came meanwhile. It ends when the owner says so or is gone, and only then: signals to a group
of processes are the owner's business.
"""

from __future__ import annotations

import gc
import json
import signal
import socket
import sys

import attrs
import trio

from gcounterd.api.access import Access
from gcounterd.api.doors import Door, accept
from gcounterd.api.guard import Guard
from gcounterd.api.hub import Hub
from gcounterd.api.limits import Limits
from gcounterd.api.listeners import Listener
from gcounterd.fronts.backend import FrontBackend
from gcounterd.fronts.http import open_http
from gcounterd.fronts.resp import open_resp
from gcounterd.fronts.way import Way
from gcounterd.security.tokens import Scope, Tokens

HTTP, RESP = "http", "resp"


@attrs.frozen
class Place:
    """A listener that a front is given.

    fd        of the listening socket
    protocol  what is spoken there
    guarded, local  as of `Listener`
    public   the scopes that need no token there
    tokens   there are tokens, which a front does not know
    """

    fd: int
    protocol: str
    address: str
    guarded: bool
    local: bool
    public: tuple[str, ...] = ()
    tokens: bool = False

    def access(self) -> Access:
        """Return what a front may judge: whoever shows a token is judged by the owner."""
        public = [Scope(scope) for scope in self.public]
        return Access(public, Tokens() if self.tokens else None)

    def open(self) -> Listener:
        """Return it as a listener of this process."""
        sock = socket.socket(fileno=self.fd)
        sock.setblocking(False)
        return Listener(sock, self.address, Guard() if self.guarded else None, self.local)


@attrs.frozen
class Orders:
    """What a front is started with.

    name     of the node
    number   of this front, of so many `fronts`
    stream   descriptor of the socket for questions
    channel  descriptor of the socket for handing over
    places   the listeners; their numbers are their places here
    limits   of its connections
    """

    name: str
    number: int
    fronts: int
    stream: int
    channel: int
    places: tuple[Place, ...]
    limits: Limits

    def write(self) -> str:
        """Return them as an argument of the process."""
        return json.dumps(attrs.asdict(self))


def read_orders(text: str) -> Orders:
    """Return what `Orders.write` wrote."""
    found = json.loads(text)
    places = [{**place, "public": tuple(place["public"])} for place in found["places"]]
    found["places"] = tuple(Place(**place) for place in places)
    found["limits"] = Limits(**found["limits"])
    return Orders(**found)


def main() -> None:
    """Be a front, until the owner has no more use for it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    orders = read_orders(sys.argv[1])
    gc.freeze()
    trio.run(_run, orders)


async def _run(orders: Orders) -> None:
    stream = trio.SocketStream(trio.socket.socket(fileno=orders.stream))
    channel = socket.socket(fileno=orders.channel)
    channel.setblocking(False)
    front = FrontBackend(stream, orders.name)
    turn = trio.Lock()
    ways = [Way(front, number, channel, turn) for number in range(len(orders.places))]
    doors = [_open(place, orders, way) for place, way in zip(orders.places, ways, strict=True)]
    hub = Hub(front, orders.limits, [*(door.tick for door in doors), front.tick])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(front.run)
        await nursery.start(hub.run)
        async with trio.open_nursery() as accepting:
            for door in doors:
                accepting.start_soon(accept, door, hub, front.count)
            front.count("front_started")
            front.tick()
            await front.stopping.wait()
            accepting.cancel_scope.cancel()
        with trio.move_on_after(orders.limits.drain_s):
            await hub.stop()
        nursery.cancel_scope.cancel()


def _open(place: Place, orders: Orders, way: Way) -> Door:
    if place.protocol == RESP:
        # The numbers of clients are the process' own as far as the others are concerned.
        return open_resp(place.open(), place.access(), way, orders.number + 1, orders.fronts)
    return open_http(place.open(), place.access(), orders.limits, way)


if __name__ == "__main__":
    main()
