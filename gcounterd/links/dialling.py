"""Dialling: from an address in words to a peer that has been greeted.

Theory. A name is resolved anew at every dial, since the hosts behind it come and go. Its addresses
are tried in random order, so that one name may stand for all members of a cluster and each dial
may find another; the next address gets its chance a moment after the last, and whichever answers
first is taken. One deadline holds for all of it: to whoever probes, a dial is part of the probe.

This module refuses to know when to dial again.
"""

from __future__ import annotations

import socket
from functools import partial
from random import Random

import trio

from gcounterd.links.grades import grade_of, surest
from gcounterd.links.greeting import Failure, Met, introduce
from gcounterd.links.handler import Handler
from gcounterd.links.limits import RESOLVERS_MAX, STAGGER_SECONDS, TARGETS_MAX, Limits
from gcounterd.links.secrecy import Secrets
from gcounterd.links.sockets import tune
from gcounterd.node.grades import Grade
from gcounterd.node.messages import Channel

# Family and socket address, as getaddrinfo gives them.
Target = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]
PORT_MAX = 65_535


class Dialler:
    """Dials; keeps nothing but the bound on its threads and its randomness.

    secrets  what links are secured with, if they are
    """

    def __init__(self, handler: Handler, limits: Limits, rng: Random) -> None:
        self.secrets: Secrets | None = None
        self._handler = handler
        self._limits = limits
        self._rng = rng
        self._resolvers = trio.CapacityLimiter(RESOLVERS_MAX)

    async def dial(self, address: str, channel: Channel) -> Met | Failure:
        """Connect and greet within `dial_seconds`."""
        split = split_address(address)
        if split is None:
            return Failure(Grade.NAME)
        late = Grade.NAME
        with trio.move_on_after(self._limits.dial_seconds):
            try:
                targets = await self._resolve(*split)
            except (OSError, ValueError):  # ValueError: no name at all, such as one with a NUL
                return Failure(Grade.NAME)
            late = Grade.TIMEOUT
            found = await connect(targets, self._limits.write_seconds(channel))
            if isinstance(found, Grade):
                return Failure(found)
            return await self._introduce(found, address, channel)
        return Failure(late)

    async def _introduce(
        self, connected: trio.socket.SocketType, address: str, channel: Channel
    ) -> Met | Failure:
        stream = trio.SocketStream(connected)
        result: Met | Failure | None = None
        try:
            secrets = self.secrets
            result = await introduce(stream, address, channel, self._handler, self._limits, secrets)
        finally:
            if not isinstance(result, Met):
                connected.close()
        return result

    async def _resolve(self, host: str, port: int) -> list[Target]:
        try:
            found = _look_up(host, port, socket.AI_NUMERICHOST)
        except OSError:
            found = await trio.to_thread.run_sync(
                partial(_look_up, host, port, 0),
                limiter=self._resolvers,
                abandon_on_cancel=True,
            )
        self._rng.shuffle(found)
        return found[:TARGETS_MAX]


def split_address(address: str) -> tuple[str, int] | None:
    """Take "host:port" or "[v6]:port" apart; None where it is neither."""
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        return None
    if not (host and colon and port.isascii() and port.isdigit() and len(port) <= 5):
        return None
    return (host, int(port)) if 0 < int(port) <= PORT_MAX else None


def _look_up(host: str, port: int, flags: int) -> list[Target]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, sockaddr) for family, _, _, _, sockaddr in found]  # type: ignore[misc]


async def connect(targets: list[Target], silence_seconds: float) -> trio.socket.SocketType | Grade:
    """Return the first connection that any target gives, or the surest of all their grades.

    `targets` is not empty. The caller bounds the time.
    """
    race = _Race(silence_seconds)
    try:
        async with trio.open_nursery() as nursery:
            for target in targets:
                failed = trio.Event()
                nursery.start_soon(race.run, target, failed, nursery.cancel_scope)
                with trio.move_on_after(STAGGER_SECONDS):
                    await failed.wait()
    except BaseException:
        # Our caller gave up in the very step in which somebody answered.
        if race.winner is not None:
            race.winner.close()
        raise
    return race.winner or surest(race.grades)


class _Race:
    """Attempts to connect, of which the first to succeed ends the others."""

    def __init__(self, silence_seconds: float) -> None:
        self._silence_seconds = silence_seconds
        self.winner: trio.socket.SocketType | None = None
        self.grades: list[Grade] = []

    async def run(self, target: Target, failed: trio.Event, others: trio.CancelScope) -> None:
        family, address = target
        try:
            sock = trio.socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            self.grades.append(grade_of(error))
            failed.set()
            return
        try:
            tune(sock, self._silence_seconds)
            await sock.connect(address)
            if self.winner is None:
                self.winner = sock
                others.cancel()
        except OSError as error:
            self.grades.append(grade_of(error))
            failed.set()
        finally:
            if self.winner is not sock:
                sock.close()
