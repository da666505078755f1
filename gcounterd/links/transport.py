"""The transport: all links of one process, the listener, and the dials under way.

Theory. Peers are reached over TCP, two connections per pair in use. This module turns addresses
into links and links into numbers, and keeps the promises that make a table of links simple:
`opened` and `closed` come in pairs, a dial ends in `opened` or `dial_failed`, one dial per address
and channel is under way at a time, and nothing that a peer does, or fails to do, delays another.
Dials hold no lock; sending never waits.

It offers and takes values; it refuses to know the node behind its handler.
"""

from __future__ import annotations

import errno
import itertools
from collections.abc import Iterable
from random import Random

import trio

from gcounterd.links import greeting
from gcounterd.links.dialling import Dialler
from gcounterd.links.greeting import Failure, Met
from gcounterd.links.handler import Handler
from gcounterd.links.limits import (
    ACCEPT_PAUSE_SECONDS,
    DIALS_MAX,
    HANDSHAKES_MAX,
    Limits,
)
from gcounterd.links.link import Link
from gcounterd.links.secrecy import Secrets
from gcounterd.links.sockets import listen_peers
from gcounterd.node.messages import Channel, Message, Refusal
from gcounterd.wire.codec import encode

# Accepting fails with these while the process or the host is out of something; that passes.
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Transport:
    """Links to peers. Its methods are for the event loop's thread.

    dials         how many have ended, well or not
    dial_seconds  how long those took together, without waiting for their turn
    """

    def __init__(
        self, handler: Handler, *, limits: Limits | None = None, rng: Random | None = None
    ) -> None:
        self.dials = 0
        self.dial_seconds = 0.0
        self._handler = handler
        self._limits = limits or Limits()
        self._dialler = Dialler(handler, self._limits, rng or Random())
        self._turns = trio.CapacityLimiter(DIALS_MAX)
        self._dialling: set[tuple[str, Channel]] = set()
        self._links: dict[int, Link] = {}
        self._numbers = itertools.count(1)
        self._inbound = 0
        self._greeting: dict[str, int] = {}
        self._nursery: trio.Nursery | None = None

    async def run(
        self,
        host: str,
        port: int,
        *,
        task_status: trio.TaskStatus[tuple[str, int]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Listen and serve until cancelled; every link is then closed and reported.

        `host` may be a name, an IPv4 or IPv6 address, or "" for all of both; port 0 is any free
        one. Started with the first address bound. Raises `ConfigError` where one cannot be had.
        """
        await self.serve(await listen_peers(host, port), task_status=task_status)

    async def serve(
        self,
        listeners: list[trio.SocketListener],
        *,
        task_status: trio.TaskStatus[tuple[str, int]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Do as `run`, on listeners that are open already; they are closed in the end."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                for listener in listeners:
                    nursery.start_soon(self._listen, listener)
                bound = listeners[0].socket.getsockname()
                task_status.started((bound[0], bound[1]))
        finally:
            self._nursery = None
            for listener in listeners:
                listener.socket.close()

    @property
    def secrets(self) -> Secrets | None:
        """Return what links are secured with, None where they are not."""
        return self._dialler.secrets

    @secrets.setter
    def secrets(self, secrets: Secrets | None) -> None:
        self._dialler.secrets = secrets

    def dial(self, address: str, channel: Channel) -> None:
        """Dial in the background; ends in `opened` or `dial_failed`, unless `run` ends before.

        Does nothing while the same dial is under way, or before and after `run`.
        """
        if self._nursery is None or (address, channel) in self._dialling:
            return
        self._dialling.add((address, channel))
        self._nursery.start_soon(self._dial, address, channel)

    def send(self, links: Iterable[int], message: Message) -> None:
        """Encode once and queue on each link; numbers of links that are gone are passed over.

        A message that no peer would accept, or that does not fit an outbox, is dropped and counted.
        """
        open_links = [self._links[number] for number in links if number in self._links]
        if not open_links:
            return
        try:
            frame = encode(message)
        except ValueError:
            self._handler.count("message_too_large")
            return
        for link in open_links:
            link.send(frame)

    def drop(
        self, link: int, reason: str, refusal: Refusal | None = None, *, gently: bool = False
    ) -> None:
        """Close a link, after saying why if `refusal` is given, or what is queued if `gently`.

        `closed` follows, later.
        """
        found = self._links.get(link)
        if found is not None:
            found.drop(reason, refusal, gently=gently)

    def queued(self, link: int) -> int:
        """Return how many bytes wait to be sent on a link, 0 where it is gone."""
        found = self._links.get(link)
        return 0 if found is None else found.queued

    async def _listen(self, listener: trio.SocketListener) -> None:
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._handler.count("accept_failed")
                await trio.sleep(ACCEPT_PAUSE_SECONDS)
            else:
                self._admit(stream)

    def _admit(self, stream: trio.SocketStream) -> None:
        """Start greeting a connection, or close it at once where there are too many."""
        try:
            origin = stream.socket.getpeername()[0]
        except OSError:
            stream.socket.close()  # it went away while it waited to be accepted
            return
        greeted = self._greeting.get(origin, 0)
        if self._inbound >= self._limits.inbound or greeted >= self._limits.greeting or self._busy:
            self._handler.count("inbound_excess")
            stream.socket.close()
            return
        assert self._nursery is not None
        self._inbound += 1
        self._greeting[origin] = greeted + 1
        self._nursery.start_soon(self._answer, stream, origin)

    @property
    def _busy(self) -> bool:
        """Say whether so many shake hands that one more would cost too much memory."""
        return self.secrets is not None and sum(self._greeting.values()) >= HANDSHAKES_MAX

    async def _answer(self, stream: trio.SocketStream, origin: str) -> None:
        try:
            try:
                secrets = self.secrets
                met = await greeting.accept(stream, origin, self._handler, self._limits, secrets)
            finally:
                self._greeting[origin] -= 1
                if not self._greeting[origin]:
                    del self._greeting[origin]
            if met is not None:
                await self._serve(met, None)
        finally:
            stream.socket.close()
            self._inbound -= 1

    async def _dial(self, address: str, channel: Channel) -> None:
        try:
            async with self._turns:
                began = trio.current_time()
                result = await self._dialler.dial(address, channel)
            self.dials += 1
            self.dial_seconds += trio.current_time() - began
        finally:
            self._dialling.discard((address, channel))
        if isinstance(result, Failure):
            self._handler.dial_failed(address, channel, result.grade, result.refusal)
        else:
            await self._serve(result, address)

    async def _serve(self, met: Met, dialled: str | None) -> None:
        link = Link(next(self._numbers), met, self._handler, self._limits)
        self._links[link.number] = link
        try:
            self._handler.opened(link.number, met.hello, dialled)
            await link.serve()
        finally:
            del self._links[link.number]
            met.stream.socket.close()
            self._handler.closed(link.number, link.reason or "stopped")
