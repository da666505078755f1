"""The greeting: what must be said before anything else is listened to.

Where links are secured they shake hands first (`handshakes`). The dialler says its hello first; the
acceptor answers with a hello or a refusal. Each side judges the other's hello; a refusal is said in
words and ends the connection. Until then a stranger can make us hold `HELLO_BYTES_MAX` bytes, and
what a handshake takes, for `hello_seconds` at most.
"""

from __future__ import annotations

import ssl

import attrs
import trio

from gcounterd.errors import PeerError
from gcounterd.links import handshakes
from gcounterd.links.handler import Handler
from gcounterd.links.handshakes import judge, read_hello
from gcounterd.links.limits import Limits, frame_bytes_max
from gcounterd.links.mistrust import Reason, of_error, of_reason
from gcounterd.links.secrecy import Secrets, Stream
from gcounterd.links.sockets import part, tune
from gcounterd.node.grades import Grade
from gcounterd.node.messages import Channel, Hello, Refusal
from gcounterd.wire.frames import Framer
from gcounterd.wire.hellos import encode_hello, encode_refusal


@attrs.frozen(eq=False)
class Met:
    """A peer that both sides accept; the framer may hold the beginning of what it says next."""

    stream: Stream
    framer: Framer
    hello: Hello


@attrs.frozen
class Failure:
    """A dial that came to nothing."""

    grade: Grade
    refusal: Refusal | None = None


async def accept(
    plain: trio.SocketStream,
    origin: str,
    handler: Handler,
    limits: Limits,
    secrets: Secrets | None = None,
) -> Met | None:
    """Greet whoever dialled us. None: it was refused, said nothing sensible, or nothing in time."""
    stream: Stream | None = None
    with trio.move_on_after(limits.hello_seconds):
        try:
            stream = plain
            if secrets is not None:
                stream = None
                stream = await handshakes.answer(plain, origin, secrets, handler, limits)
                if stream is None:
                    return None
            return await _answer(stream, origin, handler, limits, secrets)
        except PeerError as error:
            handler.count(error.reason)
            if secrets is None and handshakes.is_tls(error):
                await handshakes.refuse_tls(plain, origin, handler, limits)
            return None
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            handler.count("no_hello")
            return None
    handler.count("hello_timeout")
    if stream is None:
        handler.mistrusted(origin, of_reason(Reason.TIMEOUT))
    return None


async def _answer(
    stream: Stream, origin: str, handler: Handler, limits: Limits, secrets: Secrets | None
) -> Met | None:
    """Hear the hello of whoever dialled us, and say ours or why not."""
    framer = Framer()
    hello = await read_hello(stream, framer)
    if not isinstance(hello, Hello):
        handler.count("no_hello")
        return None
    refusal = judge(stream, origin, hello, secrets, handler)
    if refusal is not None:
        handler.count("hello_refused")
        await part(stream, limits.parting_seconds, encode_refusal(refusal))
        return None
    await stream.send_all(encode_hello(handler.hello(hello.channel)))
    return _met(stream, framer, hello, limits)


async def introduce(
    plain: trio.SocketStream,
    address: str,
    channel: Channel,
    handler: Handler,
    limits: Limits,
    secrets: Secrets | None = None,
) -> Met | Failure:
    """Greet the peer that we dialled at `address`. The caller bounds the time."""
    stream: Stream = plain
    if secrets is not None:
        begun = await handshakes.begin(plain, address, secrets, handler)
        if isinstance(begun, Grade):
            return Failure(begun)
        stream = begun
    framer = Framer()
    try:
        await stream.send_all(encode_hello(handler.hello(channel)))
        answer = await read_hello(stream, framer)
    except PeerError as error:
        handler.count(error.reason)
        return Failure(Grade.PROTOCOL)
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        if isinstance(error.__cause__, ssl.SSLError):
            # In TLS 1.3 the dialler is done before the acceptor has looked at its certificate.
            handler.mistrusted(address, of_error(error.__cause__))
            return Failure(Grade.PROTOCOL)
        answer = None
    if answer is None:
        # It closed without a word: a process that is going, or a proxy in front of none.
        return Failure(Grade.REFUSED)
    if isinstance(answer, Refusal):
        return Failure(Grade.REJECTED, answer)
    if answer.channel is not channel:
        handler.count("wrong_channel")
        return Failure(Grade.PROTOCOL)
    refusal = judge(stream, address, answer, secrets, handler)
    if refusal is not None:
        handler.count("hello_refused")
        await part(stream, limits.parting_seconds, encode_refusal(refusal))
        return Failure(Grade.UNWANTED, refusal)
    return _met(stream, framer, answer, limits)


def _met(stream: Stream, framer: Framer, hello: Hello, limits: Limits) -> Met:
    framer.raise_limit(frame_bytes_max(hello.channel))
    tune(stream.socket, limits.write_seconds(hello.channel))
    return Met(stream, framer, hello)
