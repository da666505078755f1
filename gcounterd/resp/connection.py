"""Connection: one RESP client in the hub.

Theory. A chunk of plain increments is counted with those of all other connections and answered by
one format operation (`resp.hot`). Any other is taken up by the session into a burst, which plain
code answers after the commit of its round. What is left then, because commands wait for something
or are too many for one step, goes to the connection's task, which has the socket until nothing is
left to read. Nothing more is read before all that came is answered.

Between commands a client may be silent for long, since Redis' clients keep their connections; one
that has begun a command has to end it soon, however slowly its bytes come.

This module refuses to know commands.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Mapping

import trio

from gcounterd.api.hub import Hub
from gcounterd.api.limits import LINGER_BYTES_MAX, LINGER_S, RECEIVE_BYTES
from gcounterd.api.responses import blame
from gcounterd.api.spoke import Outcome, Spoke, Taken
from gcounterd.errors import ClientError
from gcounterd.resp.hot import read_counts, read_one, write_counts
from gcounterd.resp.session import Room, Session

# Looking a member of an enumeration up by its class takes longer than all else of a step here.
_LATER = Taken.LATER


class Connection(Spoke):
    """One connection; see `Spoke` for what the hub asks of it."""

    __slots__ = ("_at_rest", "_counts", "_hub", "_session", "_tail")

    protocol = "resp"

    def __init__(self, sock: socket.socket, hub: Hub, room: Room, number: int) -> None:
        super().__init__(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._hub = hub
        self._session = Session(room, number)
        self._counts = 0  # how many increments were taken, where nothing else was
        self._tail = b""  # the beginning of one more
        self._at_rest = True  # certainly nothing is left of what came before
        self.deadline = hub.session_until

    def recall(self, state: Mapping[str, object]) -> None:
        """Go on where a front left this client."""
        self._session.recall(state)

    # -- in the hub -----------------------------------------------------------------------------

    def quick(self, data: bytes, keys: list[bytes]) -> Taken:
        """Take what can be done by plain code."""
        if self._at_rest:
            key = read_one(data)
            if key is not None:
                keys.append(key)
                self._counts = 1
                return _LATER
            self._at_rest = False
        session = self._session
        had_begun = bool(self._tail) or session.busy
        if not session.engaged:
            if self._tail:
                data, self._tail = self._tail + data, b""
            counts = read_counts(data)
            if counts is not None:
                keys += counts[0]
                self._counts, self._tail = len(counts[0]), counts[1]
                self._at_rest = not self._tail
                return _LATER
        return self._take_up(data, had_begun=had_begun)

    def _take_up(self, data: bytes, *, had_begun: bool) -> Taken:
        session = self._session
        session.feed(data)
        if not session.gather():
            if not had_begun:
                self.deadline = self._rest_until()
            return Taken.NOTHING
        if session.waits and not session.burst:
            return Taken.TASK
        return Taken.LATER if session.burst.counting else Taken.NOW

    def answer(self, outcome: Outcome, first: int) -> bytes:
        """Write the answers of what was taken."""
        number, self._counts = self._counts, 0
        session = self._session
        if outcome.mark:
            session.committed(outcome.mark)
        if number:
            is_idle = self._at_rest and not self._tail
            self.deadline = self._hub.session_until if is_idle else self._rest_until()
            end = first + number
            keys, values = outcome.keys[first:end], outcome.values[first:end]
            if outcome.plain:
                return write_counts(keys, values)
            refused = {at - first: outcome.refused[at] for at in outcome.refused if at >= first}
            return session.answer_counts(keys, refused, outcome.failure)
        replies = session.answers(outcome.failure)
        self.unfinished = session.more or session.waits or session.closing
        self._rest()
        return replies

    def _rest(self) -> None:
        # Nothing is under way; the beginning of a command may be here.
        self._at_rest = not (self._tail or self._session.engaged)
        self.deadline = self._hub.session_until if self._at_rest else self._rest_until()

    def _rest_until(self) -> float:
        limits = self._hub.limits
        return self._hub.from_now(
            limits.body_s if self._tail or self._session.busy else limits.session_s
        )

    # -- in a task ------------------------------------------------------------------------------

    async def serve(self, rest: bytes) -> bool:
        """Have the socket until nothing is left to read; return whether it goes back."""
        self.deadline = math.inf
        self.unfinished = self._at_rest = False
        if rest:
            await self._send(rest)
        session = self._session
        if self._tail:
            session.feed(self._tail)
            self._tail = b""
        await self._go_on()
        while not (session.closing or self._hub.stopping):
            try:
                data = self.sock.recv(RECEIVE_BYTES)
            except BlockingIOError:
                if self.ended is not None:
                    raise trio.ClosedResourceError from None
                self._rest()
                return True
            if not data:
                return False
            session.feed(data)
            await self._go_on()
            await trio.lowlevel.checkpoint()  # whatever it was: others run between two reads
        if session.scanner.failure is not None or self._hub.stopping:
            await self._linger()  # else the client asked for the end, and sends nothing more
        return False

    async def _go_on(self) -> None:
        # Answer all that is complete.
        session = self._session
        while True:
            if session.waits:
                await self._send(await session.perform())
            if not session.gather():
                return
            failure = await self._commit() if session.burst.counting else None
            self._hub.answered(self)
            await self._send(session.answers(failure))
            await trio.lowlevel.checkpoint()

    async def _commit(self) -> ClientError | None:
        try:
            self._session.committed(await self._session.backend.commit())
        except Exception as error:
            return blame(error)
        return None

    async def _linger(self) -> None:
        # Unread bytes would make closing a reset, which can take our last reply from the client.
        self.sock.shutdown(socket.SHUT_WR)
        read_bytes = 0
        with trio.move_on_after(LINGER_S):
            while read_bytes < LINGER_BYTES_MAX and self.ended is None:
                try:
                    data = self.sock.recv(RECEIVE_BYTES)
                except BlockingIOError:
                    await trio.lowlevel.wait_readable(self.sock)
                    continue
                if not data:
                    return
                read_bytes += len(data)

    async def _send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self.sock.send(rest) :]
                continue
            except BlockingIOError:
                self.deadline = self._hub.from_now(self._hub.limits.write_s)
            if self.ended is not None:
                raise trio.ClosedResourceError
            await trio.lowlevel.wait_writable(self.sock)
            self.deadline = math.inf
