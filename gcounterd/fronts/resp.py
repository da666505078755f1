"""RESP connections of a front: INCR, GET and the greetings of clients; all else at the owner.

Theory. A chunk of nothing but INCR, or of nothing but GET, is told by its bytes (`resp.hot`). What
clients say when they connect concerns the connection only, so it is answered here too, and goes
along with a connection that leaves. No command is begun here: bytes that are not whole commands are
kept as they are, and a transaction begins at the owner.
"""

from __future__ import annotations

import itertools
import math
import socket
from typing import cast

import trio

from gcounterd.api.access import Access
from gcounterd.api.backend import Backend
from gcounterd.api.doors import Door
from gcounterd.api.hub import Hub
from gcounterd.api.limits import RECEIVE_BYTES
from gcounterd.api.listeners import Listener
from gcounterd.api.spoke import Outcome, Taken
from gcounterd.fronts.handover import UNREAD_BYTES_MAX
from gcounterd.fronts.way import Way
from gcounterd.resp.burst import unready
from gcounterd.resp.connection import Connection
from gcounterd.resp.doors import open_room
from gcounterd.resp.hot import read_counts, read_gets
from gcounterd.resp.limits import PIPELINE_MAX
from gcounterd.resp.scanner import Scanner
from gcounterd.resp.session import Room
from gcounterd.resp.writing import bulk, null

# Commands that need no node, and no step of their own.
_GREETINGS = frozenset((b"AUTH", b"CLIENT", b"ECHO", b"HELLO", b"PING", b"SELECT"))
_SHOWING = frozenset((b"AUTH", b"HELLO"))
_KEPT_BYTES_MAX = UNREAD_BYTES_MAX - RECEIVE_BYTES


class FrontConnection(Connection):
    """One client of a front."""

    __slots__ = ("_free", "_gets", "_goes", "_way")

    def __init__(
        self, sock: socket.socket, hub: Hub, room: Room, number: int, way: Way, *, free: bool
    ) -> None:
        """`free`: nobody needs a token to count and read."""
        super().__init__(sock, hub, room, number)
        self._way = way
        self._free = free
        self._gets: list[bytes] = []
        self._goes = False  # to the owner, with what is unread

    def quick(self, data: bytes, keys: list[bytes]) -> Taken:
        """Take increments, reads and greetings."""
        unread = self._tail + data if self._tail else data
        stays = self._free and not self._hub.stopping
        if stays:
            if counts := read_counts(unread):
                keys += counts[0]
                self._counts, self._tail = len(counts[0]), counts[1]
                return Taken.LATER
            if gets := read_gets(unread):
                for key in gets[0]:
                    self._way.front.want(key)
                self._gets, self._tail = gets
                return Taken.LATER
        scanner = Scanner()
        scanner.feed(unread)
        commands = scanner.take(PIPELINE_MAX)
        stays = stays and not (self._session.permit.asked and _show_tokens(commands))
        if stays and _are_greetings(commands) and not _has_rest(scanner):
            self._tail = b""
            return super().quick(unread, keys)
        began = bool(self._tail)
        self._tail = unread
        broken = scanner.failure is not None
        if self._hub.stopping or commands or broken or len(unread) > _KEPT_BYTES_MAX:
            self._goes = True
            return Taken.TASK
        if not began:
            self.deadline = self._hub.from_now(self._hub.limits.body_s)
        return Taken.NOTHING

    def answer(self, outcome: Outcome, first: int) -> bytes:
        """Write the answers of what was taken."""
        if not self._gets:
            return super().answer(outcome, first)
        gets, self._gets = self._gets, []
        self.deadline = self._rest_until()
        front = self._way.front
        readiness = front.readiness()
        if not readiness.readable:
            return unready(readiness.reasons) * len(gets)
        nothing = null(self._session.protocol)
        values = map(front.value, gets)
        return b"".join([bulk(b"%d" % value) if value else nothing for value in values])

    async def serve(self, rest: bytes) -> bool:
        """Send the rest of an answer, or go to the owner."""
        self.deadline = math.inf
        if rest:
            await self._send(rest)
        if not self._goes:
            self.unfinished = False
            await self._go_on()  # greetings whose replies are more than one send
            try:
                data = self.sock.recv(RECEIVE_BYTES)
            except BlockingIOError:
                if self.ended is not None:
                    raise trio.ClosedResourceError from None
                self.deadline = self._rest_until()
                return not self._hub.stopping
            if not data:
                return False
            self._tail += data
        await self._way.send(self.sock, self._tail, self._session.state())
        return False


def _are_greetings(commands: list[list[bytes]]) -> bool:
    """Say whether there are commands, and all of them need no node."""
    return bool(commands) and all(args[0].upper() in _GREETINGS for args in commands)


def _show_tokens(commands: list[list[bytes]]) -> bool:
    """Say whether a client may say who it is, which the owner judges."""
    return any(args[0].upper() in _SHOWING for args in commands)


def _has_rest(scanner: Scanner) -> bool:
    """Say whether anything is left of what was scanned: half a command, more, or nonsense."""
    return scanner.begun or scanner.failure is not None


def open_resp(listener: Listener, access: Access, way: Way, first: int, step: int) -> Door:
    """Return the door of a front that speaks RESP; its clients have numbers `first`, + `step`, …"""
    # Greetings ask it for nothing but to count events.
    room = open_room(cast("Backend", way.front), access, listener)
    free = access.is_free(listener)
    numbers = itertools.count(first, step)

    def make(sock: socket.socket, hub: Hub) -> FrontConnection:
        return FrontConnection(sock, hub, room, next(numbers), way, free=free)

    return Door(listener, Connection.protocol, make)
