"""Encrypted: client connections in TLS, decrypted beside the hub.

Theory. The hub reads sockets, and answers on them what it likes; none of it should exist twice. So
an encrypted connection has a task here that decrypts what comes into one end of a pair of sockets,
whose other end the hub has, and encrypts what comes out of it. Everything else (limits, streams,
uploads, ends) is that of other connections. What it costs is two more descriptors, a task more
for each direction and a copy each way.

Nobody is in the hub before the handshake is done, which has to be soon; so many may be shaking
hands at once. This module refuses to know what is said.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

import attrs
import trio

from gcounterd.api.limits import RECEIVE_BYTES

# A handshake takes two ways and some milliseconds of work.
HANDSHAKE_S = 5.0
# Connections whose handshake is under way; one more is closed.
HANDSHAKES_MAX = 256

# Descriptors of one connection: its socket, and both ends of the pair.
FILES_EACH = 3

# What is counted, under the protocol's name and this.
TLS_FAILED, TLS_REFUSED = ENCRYPTIONS = ("tls_failed", "tls_refused")


@attrs.define(eq=False)
class Encryption:
    """The certificate in force; replace the context for connections to come."""

    context: ssl.SSLContext
    shaking: int = 0


async def carry(
    sock: socket.socket,
    encryption: Encryption,
    enter: Callable[[socket.socket], None],
    failed: Callable[[], None],
    write_s: float,
) -> None:
    """Shake hands with a client, have the hub `enter` it, and carry until either side ends it.

    `failed` is called where no handshake came about; `write_s` is how long a client may take to
    read what was sent.
    """
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
    secret = trio.SSLStream(stream, encryption.context, server_side=True)
    if not await _shake_hands(secret, encryption):
        failed()
        await trio.aclose_forcefully(stream)
        return
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    inner = trio.SocketStream(trio.socket.from_stdlib_socket(far))
    async with inner:
        enter(near)
        await _carry(secret, inner, write_s)
    with trio.move_on_after(write_s), suppress(trio.BrokenResourceError):
        await secret.aclose()  # says that this is the end; closes where that cannot be said


async def _shake_hands(secret: trio.SSLStream[trio.SocketStream], encryption: Encryption) -> bool:
    encryption.shaking += 1
    try:
        with trio.fail_after(HANDSHAKE_S):
            await secret.do_handshake()
    except (trio.TooSlowError, trio.BrokenResourceError):
        return False
    finally:
        encryption.shaking -= 1
    return True


async def _carry(
    secret: trio.SSLStream[trio.SocketStream], inner: trio.SocketStream, write_s: float
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_carry_in, secret, inner)
        await _carry_out(inner, secret, write_s)
        nursery.cancel_scope.cancel()


async def _carry_in(secret: trio.SSLStream[trio.SocketStream], inner: trio.SocketStream) -> None:
    # Until the client says that nothing follows; the hub then answers what it has, and closes.
    with suppress(trio.BrokenResourceError):  # it went away without a word, or the hub did
        while data := await secret.receive_some(RECEIVE_BYTES):
            await inner.send_all(data)
    with suppress(trio.BrokenResourceError):
        await inner.send_eof()


async def _carry_out(
    inner: trio.SocketStream, secret: trio.SSLStream[trio.SocketStream], write_s: float
) -> None:
    # Until the hub closes its end, or the client takes nothing.
    with suppress(trio.BrokenResourceError, trio.TooSlowError):
        while data := await inner.receive_some(RECEIVE_BYTES):
            with trio.fail_after(write_s):
                await secret.send_all(data)
