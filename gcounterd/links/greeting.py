"""The greeting: what must be said before anything else is listened to.

The dialler says its hello first; the acceptor answers with a hello or a refusal. Each side judges
the other's hello; a refusal is said in words and ends the connection. Until then a stranger can
make us hold `HELLO_BYTES_MAX` bytes, for `hello_seconds` at most.
"""

from __future__ import annotations

import attrs
import trio

from gcounterd.errors import PeerError
from gcounterd.links.handler import Handler
from gcounterd.links.limits import Limits, frame_bytes_max
from gcounterd.links.sockets import part, tune
from gcounterd.node.grades import Grade
from gcounterd.node.messages import Channel, Hello, Refusal
from gcounterd.wire.frames import HELLO_BYTES_MAX, LENGTH_BYTES, Framer
from gcounterd.wire.hellos import decode_hello, encode_hello, encode_refusal


@attrs.frozen(eq=False)
class Met:
    """A peer that both sides accept; the framer may hold the beginning of what it says next."""

    stream: trio.SocketStream
    framer: Framer
    hello: Hello


@attrs.frozen
class Failure:
    """A dial that came to nothing."""

    grade: Grade
    refusal: Refusal | None = None


async def accept(stream: trio.SocketStream, handler: Handler, limits: Limits) -> Met | None:
    """Greet whoever dialled us. None: it was refused, said nothing sensible, or nothing in time."""
    framer = Framer()
    with trio.move_on_after(limits.hello_seconds):
        try:
            hello = await _read(stream, framer)
            if not isinstance(hello, Hello):
                handler.count("no_hello")
                return None
            refusal = handler.judge(hello)
            if refusal is not None:
                handler.count("hello_refused")
                await part(stream, limits.parting_seconds, encode_refusal(refusal))
                return None
            await stream.send_all(encode_hello(handler.hello(hello.channel)))
        except PeerError as error:
            handler.count(error.reason)
            return None
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            handler.count("no_hello")
            return None
        return _met(stream, framer, hello, limits)
    handler.count("hello_timeout")
    return None


async def introduce(
    stream: trio.SocketStream, channel: Channel, handler: Handler, limits: Limits
) -> Met | Failure:
    """Greet the peer that we dialled. The caller bounds the time."""
    framer = Framer()
    try:
        await stream.send_all(encode_hello(handler.hello(channel)))
        answer = await _read(stream, framer)
    except PeerError as error:
        handler.count(error.reason)
        return Failure(Grade.PROTOCOL)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        answer = None
    if answer is None:
        # It closed without a word: a process that is going, or a proxy in front of none.
        return Failure(Grade.REFUSED)
    if isinstance(answer, Refusal):
        return Failure(Grade.REJECTED, answer)
    if answer.channel is not channel:
        handler.count("wrong_channel")
        return Failure(Grade.PROTOCOL)
    refusal = handler.judge(answer)
    if refusal is not None:
        handler.count("hello_refused")
        await part(stream, limits.parting_seconds, encode_refusal(refusal))
        return Failure(Grade.UNWANTED, refusal)
    return _met(stream, framer, answer, limits)


async def _read(stream: trio.SocketStream, framer: Framer) -> Hello | Refusal | None:
    """Read one frame and leave the rest unparsed; None where the peer closes before its end."""
    while True:
        chunk = await stream.receive_some(LENGTH_BYTES + HELLO_BYTES_MAX)
        if not chunk:
            return None
        for body in framer.feed(chunk):
            return decode_hello(body)


def _met(stream: trio.SocketStream, framer: Framer, hello: Hello, limits: Limits) -> Met:
    framer.raise_limit(frame_bytes_max(hello.channel))
    tune(stream.socket, limits.write_seconds(hello.channel))
    return Met(stream, framer, hello)
