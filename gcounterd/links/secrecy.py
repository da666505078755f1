"""Secrecy: a connection that speaks TLS, and how one begins.

Theory. The bytes of a link are the same with TLS as without; only their way is another. So a
`SecretStream` looks like the stream below it, and whoever reads frames from it knows no difference.
It is made of OpenSSL's memory buffers instead of Trio's own wrapper for two reasons: a handshake
that fails must still send its alert, or the other side is never told why; and one receive gives all
records that have come and not one of 16 KiB.

Frames say how long they are and links say goodbye in words, so that a connection ends without
TLS's own farewell means nothing here: its end is that of the stream below.

A stranger who has not sent the first byte of a handshake costs a socket and no more; who has, a
bounded piece of memory and one deadline, which the caller sets. What is made of the certificate is
the business of `Secrets`.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from typing import Any, Protocol

import trio

from gcounterd.links.limits import HANDSHAKE_BYTES_MAX, READ_BYTES
from gcounterd.node.messages import Hello, Refusal

# What a handshake begins with on the wire: a record of type 22.
_TLS_START = b"\x16"
# One record of TLS, which is what OpenSSL decrypts at a time.
_RECORD_BYTES = 16 * 1024


class Secrets(Protocol):
    """What a node needs to speak TLS with its peers; replaced as a whole when it is reloaded."""

    @property
    def server(self) -> ssl.SSLContext:
        """Return what connections are accepted with."""

    @property
    def client(self) -> ssl.SSLContext:
        """Return what connections are opened with."""

    def judge(self, certificate: Mapping[str, Any], hello: Hello) -> Refusal | None:
        """Return why who showed this certificate may not say this hello, or None."""


class SecretStream:
    """A TLS connection over a socket; one task may read while another one writes."""

    def __init__(self, plain: trio.SocketStream, context: ssl.SSLContext, *, accepts: bool) -> None:
        self._plain = plain
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=accepts)

    @property
    def socket(self) -> trio.socket.SocketType:
        """Return the socket below."""
        return self._plain.socket

    @property
    def certificate(self) -> Mapping[str, Any]:
        """Return what the peer showed, as `ssl.SSLSocket.getpeercert` gives it."""
        return self._tls.getpeercert() or {}

    async def shake_hands(self) -> None:
        """Agree on keys and look at each other's certificates; the caller bounds the time.

        Raises `ssl.SSLError`, after the peer was told, or Trio's errors of a broken connection.
        """
        received = 0
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._plain.receive_some(_RECORD_BYTES)
                received += len(data)
                if not data or received > HANDSHAKE_BYTES_MAX:
                    raise trio.BrokenResourceError from ssl.SSLEOFError() if not data else None
                self._incoming.write(data)
            except ssl.SSLError:
                await self._flush()
                raise
            else:
                return await self._flush()

    async def _flush(self) -> None:
        if data := self._outgoing.read():
            await self._plain.send_all(data)

    async def receive_some(self, most: int) -> bytes:
        """Return up to so many bytes, b"" at the end; as `trio.SocketStream` does."""
        waited = False
        while not (data := self._decrypt(most)):
            chunk = await self._plain.receive_some(READ_BYTES)
            if not chunk:
                return b""
            self._incoming.write(chunk)
            waited = True
        if not waited:
            await trio.lowlevel.cancel_shielded_checkpoint()
        return data

    def _decrypt(self, most: int) -> bytes:
        """Return what has come in whole records, b"" where there is none."""
        pieces: list[bytes] = []
        size = 0
        try:
            while size < most and (piece := self._tls.read(min(_RECORD_BYTES, most - size))):
                pieces.append(piece)
                size += len(piece)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            if not pieces:
                raise trio.BrokenResourceError from error  # else it comes again
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def send_all(self, data: bytes) -> None:
        """Send everything; after a cancellation nothing more can be sent."""
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise trio.BrokenResourceError from error
        await self._flush()

    async def send_eof(self) -> None:
        """Say that nothing more is sent, on the stream below."""
        await self._plain.send_eof()


Stream = trio.SocketStream | SecretStream


async def begins_tls(stream: trio.SocketStream) -> bool:
    """Wait for the first byte and say whether a handshake begins; the byte stays unread."""
    try:
        return await stream.socket.recv(1, socket.MSG_PEEK) == _TLS_START
    except OSError as error:
        raise trio.BrokenResourceError from error
