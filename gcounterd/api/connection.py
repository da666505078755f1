"""Connection: one client's socket, from its first byte to its close.

Theory. Waking a task costs more than answering a request, so the raw socket is read and written
first and the task parks only when the kernel says so. Everything complete in a received chunk is
answered before more is read, and everything is sent before more is answered by a handler: what a
connection holds unsent is one burst and one answer, whatever its client does, and a client that
does not read stops being read.

Nobody sets timers here: a parked connection says until when it may be, and the server, which
looks at all of them each second, ends those past it. Ending wakes the task through its socket.
"""

from __future__ import annotations

import enum
import math
import socket
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import attrs
import trio

from gcounterd.api.backend import Backend
from gcounterd.api.burst import HOT_LEVELS, HOT_TARGET, Burst, Style
from gcounterd.api.intake import Intake, Stage
from gcounterd.api.limits import (
    CHUNK_WORK,
    COLD_BEFORE_YIELD,
    LINGER_BYTES_MAX,
    LINGER_S,
    RECEIVE_BYTES,
    TIMEOUT_DEFAULT_S,
    WORK_BEFORE_YIELD,
    Limits,
)
from gcounterd.api.listeners import Listener
from gcounterd.api.opening import handle, open_call, too_late
from gcounterd.api.requests import Request
from gcounterd.api.responses import CONTINUE, Heads, Response, blame, refuse
from gcounterd.api.routing import Call, Router
from gcounterd.api.streams import chunk


class End(enum.StrEnum):
    """Why the server ends a connection; the value is what is counted."""

    EXPIRED = "http_expired"
    EVICTED = "http_evicted"
    STOPPED = "http_stopped"


@attrs.define(eq=False)
class Shared:
    """What the connections of a server have in common.

    now          the clock at the last tick, in Trio's seconds; up to `limits.tick_s` old
    connections  all of them, the one longest without an answer first
    """

    backend: Backend
    limits: Limits
    heads: Heads
    router: Router
    now: float
    stopping: bool = False
    connections: OrderedDict[Connection, None] = attrs.field(factory=OrderedDict)


class Connection:
    """One accepted connection.

    deadline  when the server should end it; infinite while it is not parked
    parked    it waits for its client to send
    """

    __slots__ = (
        "_end",
        "_intake",
        "_later",
        "_listener",
        "_shared",
        "_sock",
        "_until",
        "_upload_until",
        "deadline",
        "parked",
    )

    def __init__(self, sock: socket.socket, listener: Listener, shared: Shared) -> None:
        self._sock = sock
        self._listener = listener
        self._shared = shared
        self._intake = Intake(shared.router.uploads)
        self._later: list[Request] = []  # read behind an upload, to be answered after it
        self._upload_until = math.inf
        self._end: End | None = None
        self._until = self._from_now(shared.limits.idle_s)
        self.deadline = math.inf
        self.parked = False

    def end(self, why: End) -> None:
        """Make the connection close as soon as it has nothing to answer."""
        self._end = why
        self.parked = False
        self.deadline = math.inf
        self._shared.connections.pop(self, None)
        self._shared.backend.count(why.value)
        trio.lowlevel.notify_closing(self._sock)

    async def run(self) -> None:
        """Serve until either side is done; the socket is closed afterwards."""
        try:
            await self._serve()
        except (OSError, trio.ClosedResourceError):
            pass  # the client went away, or took too long to read
        except Exception as error:
            # A mistake of ours that one client can cause must not end the service of the others.
            self._shared.backend.count(f"http_{blame(error).code}")
        finally:
            self._shared.connections.pop(self, None)
            self._intake.release()
            self._sock.close()

    async def _serve(self) -> None:
        intake = self._intake
        work = 0
        while True:
            data = self._receive()
            if data is None:
                work = 0
                if await self._park():
                    continue
                return await self._give_up()
            if not data:
                return None
            before = intake.stage
            requests = intake.feed(data)
            if not await self._answer(requests):
                return await self._linger()
            if requests or intake.stage is not before:
                self._until = self._from_now(self._patience())
            work += CHUNK_WORK + len(requests)
            if work > WORK_BEFORE_YIELD:
                work = 0
                await trio.lowlevel.checkpoint()

    def _receive(self) -> bytes | None:
        try:
            return self._sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return None

    async def _park(self) -> bool:
        # Wait for the client to send; False when the server ended the connection.
        if self._end is not None:
            return False
        self.parked = True
        try:
            await self._wait(trio.lowlevel.wait_readable)
        except trio.ClosedResourceError:
            return False
        finally:
            self.parked = False
        return True

    async def _wait(self, wait: Callable[[socket.socket], Awaitable[None]]) -> None:
        self.deadline = self._until
        try:
            await wait(self._sock)
        finally:
            self.deadline = math.inf

    def _from_now(self, seconds: float) -> float:
        # The clock is up to a tick old; nobody is given less time than was promised.
        return self._shared.now + seconds + self._shared.limits.tick_s

    def _patience(self) -> float:
        limits = self._shared.limits
        match self._intake.stage:
            case Stage.IDLE:
                return limits.idle_s
            case Stage.HEAD:
                return limits.head_s
            case Stage.BODY:
                return limits.body_s

    async def _answer(self, requests: list[Request]) -> bool:
        # Answer the requests of a chunk; False if nothing may follow on this connection.
        shared, intake = self._shared, self._intake
        if requests:
            if shared.stopping:
                requests[-1].keep_alive = False
            shared.connections.move_to_end(self)
            answers = await self._answer_all(requests)
        else:
            answers = []
        while self._later:
            await self._send(b"".join(answers))
            requests, self._later = self._later, []
            answers = await self._answer_all(requests)
        if intake.failure is not None:
            answers.append(shared.heads.render(refuse(intake.failure), keep=False))
        elif intake.awaits_body and not intake.closed:
            answers.append(CONTINUE)
            intake.continued()
        if answers:
            await self._send(answers[0] if len(answers) == 1 else b"".join(answers))
        return intake.failure is None and not intake.closed and not shared.stopping

    async def _answer_all(self, requests: list[Request]) -> list[bytes]:
        shared = self._shared
        burst = Burst(shared.backend, shared.heads)
        guard = self._listener.guard
        cold = 0
        for request in requests:
            headers = request.headers
            # The two requests that carry the load, by as few steps as can be.
            if (
                len(headers) == 1
                and not request.body
                and request.keep_alive
                and not request.old
                and (guard is None or headers.get(b"host") in guard.hosts)
                and b"host" in headers
                and (match := HOT_TARGET.fullmatch(request.target))
                and (request.method == b"POST" or (request.method == b"GET" and not match[2]))
            ):
                if match[2]:
                    level = HOT_LEVELS[match[2]]
                    burst.take(request, match[1], 1, Style.HOT, level, TIMEOUT_DEFAULT_S)
                else:
                    amount = 1 if request.method == b"POST" else 0
                    burst.take(request, match[1], amount, Style.HOT)
                continue
            call = open_call(request, burst, shared.router, self._listener)
            cold += 1
            if call is not None or cold % COLD_BEFORE_YIELD == 0:
                # Never let others run with increments that nobody waits for yet: they could be
                # committed apart from the rest, and one outcome would be told for all.
                ready = await burst.settle()
                if ready:
                    await self._send(b"".join(ready))
                await trio.lowlevel.checkpoint()
            if call is not None:
                await self._answer_one(request, call, burst)
        return await burst.settle()

    async def _answer_one(self, request: Request, call: Call, burst: Burst) -> None:
        # Answer a request by its handler. What is streamed is sent here, all else by the burst.
        if request.upload is not None:
            self._upload_until = self._from_now(self._shared.limits.upload_s)
            request.upload.read_by(self._read_on)
        response = await handle(call, self._shared.backend)
        if request.upload is not None and not request.upload.complete:
            request.keep_alive = False
            self._intake.closed = True  # nobody knows where the next request would begin
        if response.pieces is None:
            burst.place(request, response)
        else:
            await self._stream(request, response, response.pieces)

    async def _read_on(self) -> None:
        # Read more of an upload; raise `ClientError` if it is not as it should be.
        intake = self._intake
        if intake.awaits_body:
            await self._send(CONTINUE)
            intake.continued()
        try:
            while (data := self._receive()) is None:
                if self._end is not None:
                    raise trio.ClosedResourceError
                self._until = min(self._from_now(self._shared.limits.body_s), self._upload_until)
                await self._wait(trio.lowlevel.wait_readable)
        except OSError:
            raise trio.ClosedResourceError from None
        except trio.ClosedResourceError:
            if self._end is not End.EXPIRED:
                raise
            self._end = None
            raise too_late() from None
        if not data:
            raise trio.ClosedResourceError
        self._later += intake.feed(data)
        if intake.failure is not None:
            failure, intake.failure = intake.failure, None
            intake.closed = True
            raise failure

    async def _stream(
        self, request: Request, response: Response, pieces: AsyncGenerator[bytes, None]
    ) -> None:
        # Send an answer that is made meanwhile. If that fails, the connection ends in the middle.
        if request.old:
            request.keep_alive = False
            self._intake.closed = True
        keep, old = request.keep_alive, request.old
        async with aclosing(pieces):
            shared = request.shared
            await self._send(self._shared.heads.render(response, keep=keep, old=old, shared=shared))
            if request.method == b"HEAD":
                return
            async for piece in pieces:
                await self._send(piece if old else chunk(piece))
                await trio.lowlevel.checkpoint()
            await self._send(b"" if old else chunk(b""))

    async def _send(self, data: bytes) -> None:
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            await self._send_rest(memoryview(data)[sent:])

    async def _send_rest(self, rest: memoryview) -> None:
        self._until = self._from_now(self._shared.limits.write_s)
        while rest:
            if self._end is not None:
                raise trio.ClosedResourceError
            await self._wait(trio.lowlevel.wait_writable)
            try:
                rest = rest[self._sock.send(rest) :]
            except BlockingIOError:
                continue
        self._until = self._from_now(self._patience())

    async def _give_up(self) -> None:
        # The server ended the connection. Say so to a client that had begun a request.
        if self._end is End.EXPIRED and self._intake.stage is not Stage.IDLE:
            self._end = None
            self._shared.connections[self] = None
            await self._send(self._shared.heads.render(refuse(too_late()), keep=False))
            await self._linger()

    async def _linger(self) -> None:
        # Closing a socket with unread bytes resets it, which can take our last answer from the
        # client. So say that we are done, and throw away what still comes, within bounds.
        self._sock.shutdown(socket.SHUT_WR)
        self._until = self._from_now(LINGER_S)
        read_bytes = 0
        while read_bytes < LINGER_BYTES_MAX:
            data = self._receive()
            if data is None:
                if not await self._park():
                    return
            elif not data:
                return
            else:
                read_bytes += len(data)
