"""A link: one accepted connection to a peer, for one channel.

Theory. Two tasks: a reader, which hands over what comes in, and a writer, which sends what waits in
the outbox. Neither ever waits for the other, so a peer that does not read cannot stop us from
hearing it, and the other way round. A peer that sends what the protocol forbids, or that does not
read for longer than a write may take, loses this link and no other one.

This module refuses to know what messages mean and which other links there are.
"""

from __future__ import annotations

import errno

import trio

from gcounterd.errors import PeerError
from gcounterd.links.greeting import Met
from gcounterd.links.handler import Handler
from gcounterd.links.limits import (
    BYTES_PER_STEP,
    MESSAGES_PER_STEP,
    READ_BYTES,
    WRITE_BYTES,
    Limits,
)
from gcounterd.links.outbox import Outbox
from gcounterd.links.sockets import part
from gcounterd.node.messages import Channel, Message, Refusal
from gcounterd.wire.codec import decode
from gcounterd.wire.hellos import decode_hello, encode_refusal

_GONE = (trio.BrokenResourceError, trio.ClosedResourceError)
_DROPPED = {Channel.CONTROL: "control_dropped", Channel.BULK: "bulk_dropped"}


class Link:
    """One connection, from the greeting on.

    `reason` says why it ended or is about to: a short constant, "" while it goes on.
    """

    def __init__(self, number: int, met: Met, handler: Handler, limits: Limits) -> None:
        self.number = number
        self.reason = ""
        self.channel = met.hello.channel
        self._stream = met.stream
        self._framer = met.framer
        self._handler = handler
        self._limits = limits
        self._outbox = Outbox(limits.queue_bytes(self.channel))
        self._last: bytes | None = None
        self._gently = False
        self._reading = trio.CancelScope()
        # Shielded, so that what waits can still be sent when everything is being stopped; `_end`
        # bounds how long.
        self._writing = trio.CancelScope(shield=True)

    @property
    def queued(self) -> int:
        """Return how many bytes wait to be sent."""
        return self._outbox.queued

    def send(self, frame: bytes) -> None:
        """Queue a frame and count it; drop it where the outbox is full."""
        if self.reason:
            return
        if self._outbox.put(frame):
            self._handler.count("frames_sent")
        else:
            self._handler.count(_DROPPED[self.channel])

    def drop(self, reason: str, refusal: Refusal | None = None, *, gently: bool = False) -> None:
        """End the link soon, after saying `refusal` if given, or what is queued if `gently`.

        The first reason counts.
        """
        if not self.reason:
            self.reason = reason
            self._gently = gently
            self._last = encode_refusal(refusal) if refusal else None
            self._reading.cancel()

    async def serve(self) -> None:
        """Read and write until the link ends; the connection is then closed and `reason` set."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                try:
                    with self._reading:
                        await self._read()
                finally:
                    self._end()
        finally:
            self._stream.socket.close()

    def _end(self) -> None:
        self._gently = self._gently or not self.reason
        self.reason = self.reason or "stopped"
        if self._last is None and not self._gently:
            self._writing.cancel()
            return
        self._outbox.finish(self._last)
        self._writing.deadline = trio.current_time() + self._limits.parting_seconds

    def _over(self) -> bool:
        return self.reason != ""

    async def _read(self) -> None:
        try:
            await self._hand_over()
            while not self._over():
                chunk = await self._stream.receive_some(READ_BYTES)
                if not chunk:
                    self.drop("closed_by_peer")
                    return
                self._handler.count("bytes_received", len(chunk))
                self._framer.feed(chunk)
                await self._hand_over()
        except PeerError as error:
            self._handler.count(error.reason)
            self.drop(error.reason)
        except _GONE as error:
            self._lose(error)

    async def _hand_over(self) -> None:
        """Hand over every message that is here in whole, some at a time."""
        messages = size = 0
        while not self._over():
            body = next(self._framer, None)
            if body is None:
                break
            message = _read_message(body)
            if isinstance(message, Refusal):
                self._handler.refused(self.number, message)
                raise PeerError(f"refused_{message.reason}", message.text)
            self._handler.received(self.number, message)
            messages, size = messages + 1, size + len(body)
            if messages >= MESSAGES_PER_STEP or size >= BYTES_PER_STEP:
                messages = size = 0
                await self._make_room()
                await trio.lowlevel.checkpoint()
        if not self._over():
            await self._make_room()

    async def _make_room(self) -> None:
        """Wait until there is room for state. Probes never wait: they must not look unanswered."""
        if self.channel is Channel.BULK:
            await self._handler.room()

    async def _write(self) -> None:
        seconds = self._limits.write_seconds(self.channel)
        try:
            with self._writing:
                while (data := await self._outbox.take(WRITE_BYTES)) is not None:
                    with trio.move_on_after(seconds) as deadline:
                        await self._stream.send_all(data)
                    if deadline.cancelled_caught:
                        self._handler.count("slow_reader")
                        self.drop("slow_reader")
                        return
                    self._handler.count("bytes_sent", len(data))
                await part(self._stream, self._limits.parting_seconds)
        except _GONE as error:
            self._lose(error)

    def _lose(self, error: Exception) -> None:
        """End the link because the connection is gone: reset, or silent for too long."""
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno == errno.ETIMEDOUT and not self.reason:
            self._handler.count("unanswered")
            self.drop("unanswered")
        self.drop("reset")


def _read_message(body: bytes) -> Message | Refusal:
    """Decode a body, or the peer's refusal, which ends a link; raise `PeerError`."""
    try:
        return decode(body)
    except PeerError as error:
        if error.reason != "out_of_place":
            raise
    refusal = decode_hello(body)
    if isinstance(refusal, Refusal):
        return refusal
    raise PeerError("hello_again", "a second hello")
