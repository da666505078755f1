"""Sockets: how the kernel is told what a connection between peers is for.

Opening the port, the options of a connection, and a close that does not take away what was said
last. This module refuses to know what is said.
"""

from __future__ import annotations

import contextlib
import socket

import trio

from gcounterd.errors import ConfigError
from gcounterd.links.limits import (
    BACKLOG_CONNECTIONS,
    KEEPALIVE_EVERY_SECONDS,
    KEEPALIVE_IDLE_SECONDS,
    KEEPALIVE_TRIES,
    READ_BYTES,
)
from gcounterd.links.secrecy import Stream

_KEEPALIVE = [
    ("TCP_KEEPIDLE", KEEPALIVE_IDLE_SECONDS),
    ("TCP_KEEPINTVL", KEEPALIVE_EVERY_SECONDS),
    ("TCP_KEEPCNT", KEEPALIVE_TRIES),
]


async def listen_peers(host: str, port: int) -> list[trio.SocketListener]:
    """Listen for peers on every address of `host`; port 0 is any free one.

    `host` is a name, an IPv4 or IPv6 address, or "" for all interfaces of both. Raises
    `ConfigError` where it does not resolve or an address cannot be had.
    """
    try:
        return await trio.open_tcp_listeners(port, host=host or None, backlog=BACKLOG_CONNECTIONS)
    except OSError as error:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise ConfigError(f"cannot listen for peers on {where}: {error}") from None


def tune(sock: trio.socket.SocketType, silence_seconds: float) -> None:
    """Set what holds for peers; `silence_seconds` bounds how long sent bytes may stay unanswered.

    Without that bound, writes into a cut connection go on succeeding for a quarter of an hour,
    and keepalive does not look while bytes are unacknowledged. Where the platform lacks an option
    the deadlines of writes and the probes of members remain.
    """
    _set(sock, socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _set(sock, socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        if hasattr(socket, option):
            _set(sock, socket.IPPROTO_TCP, getattr(socket, option), value)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        _set(sock, socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(silence_seconds * 1000))


def _set(sock: trio.socket.SocketType, level: int, option: int, value: int) -> None:
    # A connection that the peer has reset meanwhile refuses options; reading will tell.
    with contextlib.suppress(OSError):
        sock.setsockopt(level, option, value)


async def part(stream: Stream, seconds: float, last: bytes = b"") -> None:
    """Say a last word and close, after the peer has closed or so many seconds.

    A connection that is closed with unread bytes is reset, and a reset takes what we sent last
    away from a peer that has not read it yet. So we read on, without looking, until it closes.
    """
    try:
        with trio.move_on_after(seconds):
            if last:
                await stream.send_all(last)
            await stream.send_eof()
            while await stream.receive_some(READ_BYTES):
                pass
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # the peer did not want to hear it
    finally:
        stream.socket.close()
