"""The owner's side of one front: its questions, and the connections that it hands over.

Theory. The owner is the process that has the node. A question is a round like those of its own hub:
the increments are added in one call, the commit is awaited with whatever else waits for it, and one
frame answers all. Questions of one front are answered in order, so one waits for the commit while
the next gathers. A connection that is handed over enters the hub as if it had been accepted here.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

import attrs
import trio

from gcounterd.api.backend import Backend, Gathering, Tally
from gcounterd.api.doors import REFUSED, Door
from gcounterd.api.hub import Hub
from gcounterd.api.responses import blame
from gcounterd.errors import ClientError
from gcounterd.fronts.frames import STOP, Asked, FrameError, Frames, Told, read_asked, write_told
from gcounterd.fronts.handover import Parcel, take_over
from gcounterd.node.levels import Mark
from gcounterd.security.rates import place_of

# Questions of one front that wait for their commits; more are not read.
QUESTIONS_MAX = 8
_READ_BYTES = 256 * 1024


_NO_TALLY = Tally(())


@attrs.frozen(eq=False)
class _Waiting:
    """A question whose commit is under way."""

    asked: Asked
    tally: Tally = _NO_TALLY
    commit: Gathering | None = None  # None where nothing is counted


def arrival(
    doors: Sequence[Door], hub: Hub, count: Callable[[str], None]
) -> Callable[[socket.socket, Parcel], None]:
    """Return what takes connections into the hub that came by a front, at one of these doors."""

    def enter(sock: socket.socket, parcel: Parcel) -> None:
        door = doors[parcel.door]
        if len(hub) >= hub.limits.connections_max and not hub.evict():
            count(f"{door.protocol}_{REFUSED}")
            sock.close()
            return
        spoke = door.make(sock, hub)
        with suppress(OSError):  # it is gone; whoever reads it sees that too
            spoke.client = place_of(sock.getpeername())
        spoke.recall(parcel.state)
        hub.enter(spoke, parcel.unread)

    return enter


class Owner:
    """Answers one front; `enter` takes a connection that came by it."""

    def __init__(
        self,
        backend: Backend,
        stream: trio.SocketStream,
        channel: socket.socket,
        enter: Callable[[socket.socket, Parcel], None],
    ) -> None:
        self._backend = backend
        self._stream = stream
        self._channel = channel
        self._enter = enter
        self._sending = trio.Lock()

    async def run(self) -> None:
        """Serve until the front is gone, or has broken the rules, which ends it as well."""
        try:
            await self._serve()
        except Exception as error:
            # A mistake of ours that one client can cause must not end the service of the others.
            self._backend.count(f"http_{blame(error).code}")

    async def _serve(self) -> None:
        send, receive = trio.open_memory_channel[_Waiting](QUESTIONS_MAX)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._take_over)
            nursery.start_soon(self._answer, receive)
            with suppress(trio.BrokenResourceError, FrameError):
                await self._listen(send)
            nursery.cancel_scope.cancel()

    async def stop(self) -> None:
        """Tell the front to take no more clients, and to end when those have their answers."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._send(STOP)

    async def _send(self, frame: bytes) -> None:
        async with self._sending:
            await self._stream.send_all(frame)

    async def _listen(self, send: trio.MemorySendChannel[_Waiting]) -> None:
        frames, backend = Frames(), self._backend
        while data := await self._stream.receive_some(_READ_BYTES):
            for frame in frames.feed(data):
                asked = read_asked(frame)
                for event, number in asked.events.items():
                    for _ in range(number):
                        backend.count(event)
                if asked.keys:
                    tally, commit = backend.add_each(asked.keys), backend.gathering()
                    await send.send(_Waiting(asked, tally, commit))
                else:
                    await send.send(_Waiting(asked))

    async def _answer(self, receive: trio.MemoryReceiveChannel[_Waiting]) -> None:
        async for waiting in receive:
            failure: ClientError | None = None
            mark: Mark = ()
            try:
                if waiting.commit is not None:
                    mark = await waiting.commit.wait()
            except Exception as error:
                failure = blame(error)
            told = self._tell(waiting, failure, mark)
            await self._send(write_told(told))

    def _tell(self, waiting: _Waiting, failure: ClientError | None, mark: Mark) -> Told:
        backend, asked, tally = self._backend, waiting.asked, waiting.tally
        unread: tuple[str, ...] = ()
        shown: list[int] = []
        if asked.reads:
            readiness = backend.readiness()
            unread = () if readiness.readable else readiness.reasons
            shown = list(map(backend.value, asked.reads))
        counted = asked.keys and failure is None
        values = backend.read_each(tally) if counted else ()
        return Told(values, shown, tally.refused, failure, unread, mark)

    async def _take_over(self) -> None:
        try:
            while (taken := await take_over(self._channel)) is not None:
                self._enter(*taken)
                await trio.lowlevel.checkpoint()
        except OSError:
            return  # the front is gone; `_listen` sees it too
