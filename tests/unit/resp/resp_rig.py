"""A RESP session without a socket, and a server with one, over the backend in a dict."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import attrs
import hiredis
import trio

from gcounterd.api.access import LOOPBACK, Access
from gcounterd.api.limits import Limits
from gcounterd.api.listeners import listen_tcp
from gcounterd.api.server import serve
from gcounterd.errors import ClientError
from gcounterd.resp.doors import open_resp
from gcounterd.resp.session import Room, Session
from gcounterd.resp.table import OTHERS, TABLE
from tests.unit.api.memory_backend import MemoryBackend

# No test waits longer than this for anything; it is never reached when all is well.
PATIENCE_S = 20
LIFE = 7


def pack(*words: str | bytes | int) -> bytes:
    """Write a command as clients do."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    bulks = b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
    return b"*%d\r\n%b" % (len(parts), bulks)


def read_replies(data: bytes) -> list[object]:
    """Read replies as redis-py does; all of them must be whole."""
    reader = hiredis.Reader(replyError=lambda text: f"-{text}")
    reader.feed(data)
    replies = []
    while (reply := reader.gets()) is not False:
        replies.append(reply)
    assert not reader.has_data(), data
    return replies


class Player:
    """One connection, played without a socket."""

    def __init__(
        self,
        backend: MemoryBackend | None = None,
        life: int = LIFE,
        access: Access | None = None,
    ) -> None:
        """With `access` nobody is trusted for where he comes from."""
        self.backend = backend or MemoryBackend()
        base = LOOPBACK if access is None else access.public
        judged = access is not None
        room = Room(self.backend, TABLE, OTHERS, life, access or Access(), base, judged)
        self.session = Session(room, 1)

    async def play(self, chunks: Iterable[bytes]) -> bytes:
        """Return what is sent for these chunks, as they are received."""
        session, sent = self.session, b""
        for chunk in chunks:
            if session.closing:
                break
            session.feed(chunk)
            while session.gather():
                failure = None
                if session.burst.counting:
                    try:
                        session.committed(await self.backend.commit())
                    except ClientError as error:
                        failure = error
                sent += session.answers(failure)
                if session.waits:
                    sent += await session.perform()
        return sent

    async def ask(self, *commands: tuple[str | bytes | int, ...] | str) -> list[object]:
        """Send commands in one chunk; one that is text is split into words. Return the replies."""
        words = [
            tuple(command.split()) if isinstance(command, str) else command for command in commands
        ]
        return read_replies(await self.play([b"".join(pack(*each) for each in words)]))

    async def one(self, command: str) -> object:
        """Send one command and return its reply."""
        (reply,) = await self.ask(command)
        return reply


@attrs.define
class RespRig:
    """A server on a loopback port."""

    backend: MemoryBackend
    port: int
    cancel: trio.CancelScope
    streams: list[trio.SocketStream] = attrs.field(factory=list)

    async def connect(self) -> trio.SocketStream:
        """Open a connection; it is closed after the test."""
        self.streams.append(await trio.open_tcp_stream("127.0.0.1", self.port))
        return self.streams[-1]


@asynccontextmanager
async def resp_server(limits: Limits | None = None) -> AsyncIterator[RespRig]:
    """Run a server for the length of a test."""
    backend = MemoryBackend()
    listener = await listen_tcp("127.0.0.1", 0)

    async def run(scope: trio.CancelScope, *, task_status: trio.TaskStatus[None]) -> None:
        with scope:
            doors = [open_resp(backend, listener)]
            await serve(backend, doors, limits=limits, task_status=task_status)

    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            scope = trio.CancelScope()
            await nursery.start(run, scope)
            rig = RespRig(backend, listener.port, scope)
            try:
                yield rig
            finally:
                for stream in rig.streams:
                    await trio.aclose_forcefully(stream)
            scope.cancel()
