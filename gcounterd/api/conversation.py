"""Conversation: what the task of one HTTP connection does, for as long as it has one.

Theory. The hub answers what can be answered by plain code; here is the rest. Everything complete
in a received chunk is answered before more is read, and everything is sent before more is answered
by a handler: what a connection holds unsent is one burst and one answer, whatever its client does,
and a client that does not read stops being read. The raw socket is read and written first, and the
task parks only when the kernel says so; when nothing is left to read, the socket goes back.

Nobody sets timers here: a waiting connection says until when it may, and the hub, which looks at
all of them each second, ends those past it. Ending wakes the task through its socket.
"""

from __future__ import annotations

import math
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, closing

import attrs
import trio

from gcounterd.api.access import Access
from gcounterd.api.backend import Backend
from gcounterd.api.burst import HOT_LEVELS, HOT_TARGET, Burst, Style
from gcounterd.api.hub import Hub
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
from gcounterd.api.responses import CONTINUE, Heads, Live, Response, refuse
from gcounterd.api.routing import Call, Router
from gcounterd.api.spoke import End, Spoke
from gcounterd.api.streams import chunk


@attrs.define(eq=False)
class Shared:
    """What the HTTP connections of a server have in common.

    rest_until  until when one may be idle that is answered now
    access      who needs which token
    """

    backend: Backend
    limits: Limits
    heads: Heads
    router: Router
    rest_until: float = 0.0
    access: Access = attrs.field(factory=Access)

    def __attrs_post_init__(self) -> None:
        self.rest_until = trio.current_time() + self.limits.idle_s + 2 * self.limits.tick_s

    def tick(self) -> None:
        """Note the time, for dates and for idle connections."""
        self.heads.refresh()
        self.access.tick()
        # The next tick may come a tick late, and so may the look at deadlines.
        self.rest_until = trio.current_time() + self.limits.idle_s + self.limits.tick_s


class Conversation(Spoke):
    """One connection, as far as it needs a task."""

    __slots__ = (
        "_given",
        "_hub",
        "_intake",
        "_later",
        "_listener",
        "_shared",
        "_until",
        "_upload_until",
    )

    protocol = "http"

    def __init__(self, sock: socket.socket, listener: Listener, shared: Shared, hub: Hub) -> None:
        super().__init__(sock)
        self._hub = hub
        self._listener = listener
        self._shared = shared
        self._intake = Intake(shared.router.uploads, tokens=shared.access.tokens is not None)
        self._given: list[Request] | None = None  # what the hub read, to be answered first
        self._later: list[Request] = []  # read behind an upload, to be answered after it
        self._upload_until = math.inf
        self._until = self.deadline = hub.from_now(shared.limits.idle_s)

    def release(self) -> None:
        """Let go of the parser."""
        self._intake.release()

    def has_last_word(self, why: End) -> bool:
        """Say whether a request had begun whose client has to be told that it took too long."""
        return why is End.EXPIRED and self._intake.stage is not Stage.IDLE

    async def serve(self, rest: bytes) -> bool:
        """Have the socket until nothing is left to read; return whether it goes back."""
        self.deadline = math.inf
        if self.ended is not None:
            await self._give_up()
            return False
        if rest:
            await self._send_rest(memoryview(rest))
        if not await self._go_on():
            return False
        if self.ended is not None:
            raise trio.ClosedResourceError  # it was ended just before it had no need to wait
        self.deadline = self._until
        return True

    async def _go_on(self) -> bool:
        # Answer what the hub has left, and read on; False if nothing may follow on this connection.
        if await self._answer_given() and await self._read_all():
            return True
        await self._linger()
        return False

    async def _answer_given(self) -> bool:
        # Answer what the hub has read; False if nothing may follow on this connection.
        given, self._given = self._given, None
        if given is None:
            return not self._hub.stopping
        stays = await self._answer(given)
        self._until = self._hub.from_now(self._patience())
        return stays

    async def _read_all(self) -> bool:
        # Read and answer until nothing is there; False if nothing may follow on this connection.
        intake = self._intake
        work = 0
        while (data := self._receive()) is not None:
            if not data:
                raise trio.ClosedResourceError
            before = intake.stage
            requests = intake.feed(data)
            if not await self._answer(requests):
                return False
            if requests or intake.stage is not before:
                self._until = self._hub.from_now(self._patience())
            work += CHUNK_WORK + len(requests)
            if work > WORK_BEFORE_YIELD:
                work = 0
                await trio.lowlevel.checkpoint()
        return True

    def _receive(self) -> bytes | None:
        try:
            return self.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return None

    async def _wait(self, wait: Callable[[socket.socket], Awaitable[None]]) -> None:
        self.deadline = self._until
        try:
            await wait(self.sock)
        finally:
            self.deadline = math.inf

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
            if self._hub.stopping:
                requests[-1].keep_alive = False
            self._hub.answered(self)
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
        return intake.failure is None and not intake.closed and not self._hub.stopping

    async def _answer_all(self, requests: list[Request]) -> list[bytes]:
        shared = self._shared
        burst = Burst(shared.backend, shared.heads)
        guard, access = self._listener.guard, shared.access
        free = access.is_free(self._listener)
        cold = 0
        for request in requests:
            headers = request.headers
            # The two requests that carry the load, by as few steps as can be.
            if (
                free
                and len(headers) == 1
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
            call = open_call(request, burst, shared.router, self._listener, access, self.client)
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
            self._upload_until = self._hub.from_now(self._shared.limits.upload_s)
            request.upload.read_by(self._read_on)
        response = await handle(call, self._shared.backend, self._shared.access)
        if request.upload is not None and not request.upload.complete:
            request.keep_alive = False
            self._intake.closed = True  # nobody knows where the next request would begin
        if response.live is not None:
            await self._lend(request, response, response.live)
        elif response.pieces is None:
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
                if self.ended is not None:
                    raise trio.ClosedResourceError
                self._until = min(
                    self._hub.from_now(self._shared.limits.body_s), self._upload_until
                )
                await self._wait(trio.lowlevel.wait_readable)
        except OSError:
            raise trio.ClosedResourceError from None
        except trio.ClosedResourceError:
            if self.ended is not End.EXPIRED:
                raise
            self.ended = None
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

    async def _lend(self, request: Request, response: Response, live: Live) -> None:
        # Leave the socket to an answer that has no end. Nothing more is read from it.
        self._intake.closed = True
        with closing(live):
            shared = request.shared
            await self._send(self._shared.heads.render(response, keep=False, shared=shared))
            await live.run(self.sock)

    async def _send(self, data: bytes) -> None:
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            await self._send_rest(memoryview(data)[sent:])

    async def _send_rest(self, rest: memoryview) -> None:
        self._until = self._hub.from_now(self._shared.limits.write_s)
        while rest:
            if self.ended is not None:
                raise trio.ClosedResourceError
            await self._wait(trio.lowlevel.wait_writable)
            try:
                rest = rest[self.sock.send(rest) :]
            except BlockingIOError:
                continue
        self._until = self._hub.from_now(self._patience())

    async def _give_up(self) -> None:
        # Tell a client that had begun a request that it took too long.
        self.ended = None
        await self._send(self._shared.heads.render(refuse(too_late()), keep=False))
        await self._linger()

    async def _linger(self) -> None:
        # Closing a socket with unread bytes resets it, which can take our last answer from the
        # client. So say that we are done, and throw away what still comes, within bounds.
        self.sock.shutdown(socket.SHUT_WR)
        self._until = self._hub.from_now(LINGER_S)
        read_bytes = 0
        while read_bytes < LINGER_BYTES_MAX and self.ended is None:
            data = self._receive()
            if data is None:
                self.parked = True
                try:
                    await self._wait(trio.lowlevel.wait_readable)
                finally:
                    self.parked = False
            elif not data:
                return
            else:
                read_bytes += len(data)
