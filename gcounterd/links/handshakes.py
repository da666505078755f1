"""Handshakes: from a connection to one that only this cluster's nodes can read, or none.

Theory. A handshake comes before the hello, within the same deadline, and fails in words: whoever
owns the links is told why (`mistrust`), and the other side as well as it can understand. One that
speaks TLS gets an alert. One that speaks none says its hello in plain; it is read as on any
unsecured port, and answered with a refusal.

This module refuses to know what a hello says.
"""

from __future__ import annotations

import ssl

import trio

from gcounterd.errors import PeerError
from gcounterd.links.handler import Handler
from gcounterd.links.limits import Limits
from gcounterd.links.mistrust import Mistrust, Reason, of_error, of_reason
from gcounterd.links.secrecy import Secrets, SecretStream, Stream, begins_tls
from gcounterd.links.sockets import part
from gcounterd.node.grades import Grade
from gcounterd.node.messages import Channel, Hello, Refusal, Refused
from gcounterd.wire.frames import HELLO_BYTES_MAX, LENGTH_BYTES, Framer
from gcounterd.wire.hellos import decode_hello, encode_refusal

_BROKEN = (ssl.SSLError, trio.BrokenResourceError, trio.ClosedResourceError)
_SECURE = (
    "links of this cluster are secured: start with --tls-cert, --tls-key and --tls-ca, or with "
    "--cluster-key-file"
)
_PLAIN = "links of this node are not secured: start all with --tls-cert or --cluster-key-file"


async def answer(
    plain: trio.SocketStream, origin: str, secrets: Secrets, handler: Handler, limits: Limits
) -> SecretStream | None:
    """Shake hands with whoever dialled us, or None: the handler knows why. The caller bounds it.

    Raises Trio's errors of a broken connection where nothing was said at all.
    """
    if not await begins_tls(plain):
        await _refuse_plain(plain, origin, handler, limits)
        return None
    stream = SecretStream(plain, secrets.server, accepts=True)
    failed = await _shake(stream)
    if failed is None:
        return stream
    handler.mistrusted(origin, failed)
    await part(plain, limits.parting_seconds)
    return None


async def begin(
    plain: trio.SocketStream, address: str, secrets: Secrets, handler: Handler
) -> SecretStream | Grade:
    """Shake hands with the peer that we dialled, or say what kind of failure it was, likewise."""
    stream = SecretStream(plain, secrets.client, accepts=False)
    failed = await _shake(stream)
    if failed is None:
        return stream
    handler.mistrusted(address, failed)
    # Closed without a word: a process that is going, or a proxy in front of none.
    return Grade.REFUSED if failed.reason is Reason.CLOSED else Grade.PROTOCOL


async def _shake(stream: SecretStream) -> Mistrust | None:
    try:
        await stream.shake_hands()
    except ssl.SSLError as error:
        return of_error(error)
    except _BROKEN as error:
        return of_error(error.__cause__)
    return None


async def _refuse_plain(
    plain: trio.SocketStream, origin: str, handler: Handler, limits: Limits
) -> None:
    """Read a hello without TLS and say what is missing; raises `PeerError` for anything else."""
    hello = await read_hello(plain, Framer())
    if not isinstance(hello, Hello):
        handler.count("no_hello")
        return
    handler.mistrusted(origin, of_reason(Reason.PLAIN))
    refusal = Refusal(Refused.UNSECURED, _SECURE, handler.hello(hello.channel).address)
    await part(plain, limits.parting_seconds, encode_refusal(refusal))


async def refuse_tls(plain: Stream, origin: str, handler: Handler, limits: Limits) -> None:
    """Answer a handshake at a port without TLS so that the other side sees what answers it."""
    handler.mistrusted(origin, Mistrust(Reason.PLAIN, "it speaks TLS, and this node does not"))
    refusal = Refusal(Refused.UNSECURED, _PLAIN, handler.hello(Channel.CONTROL).address)
    await part(plain, limits.parting_seconds, encode_refusal(refusal))


def judge(
    stream: Stream, where: str, hello: Hello, secrets: Secrets | None, handler: Handler
) -> Refusal | None:
    """Return why a hello is refused, or None: may its sender say it, and the rest."""
    if secrets is not None and isinstance(stream, SecretStream):
        refusal = secrets.judge(stream.certificate, hello)
        if refusal is not None:
            handler.mistrusted(where, Mistrust(Reason.NAME, refusal.text))
            return refusal
    return handler.judge(hello)


async def read_hello(stream: Stream, framer: Framer) -> Hello | Refusal | None:
    """Read one frame and leave the rest unparsed; None where the peer closes before its end."""
    while True:
        chunk = await stream.receive_some(LENGTH_BYTES + HELLO_BYTES_MAX)
        if not chunk:
            return None
        for body in framer.feed(chunk):
            return decode_hello(body)


def is_tls(error: PeerError) -> bool:
    """Say whether what was refused as a frame is a handshake."""
    return error.reason == "tls_on_peer_port"
