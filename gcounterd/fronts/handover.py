"""Handover: a client's connection goes from a front to the owner, with what it has said.

Theory. A front answers what carries the load and nothing else. For anything else the client's
socket itself is sent (SCM_RIGHTS, unix(7)), with the bytes that were read from it and not answered,
and the owner goes on as if it had accepted it and read them. So every answer, error and limit is
that of a node without fronts, by construction.

A message is a whole packet (SOCK_SEQPACKET), so its descriptor cannot be taken for another's. The
channel holds a bounded number of them; a front that finds it full waits.
"""

from __future__ import annotations

import socket

import attrs
import msgpack
import trio

# What a front keeps of a client that has not said anything whole; more goes to the owner.
UNREAD_BYTES_MAX = 64 * 1024
# What stands beside the unread bytes: names, numbers, where increments lie.
_MESSAGE_BYTES_MAX = UNREAD_BYTES_MAX + 32 * 1024
_CHANNEL_BYTES = 4 * _MESSAGE_BYTES_MAX


@attrs.frozen
class Parcel:
    """A connection on its way.

    door    the number of the listener that it came in by
    unread  what was read from it and not answered
    state   what its protocol remembers of it
    """

    door: int
    unread: bytes
    state: dict[str, object]


def open_channel() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a channel, neither of which blocks."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _CHANNEL_BYTES)
    return ends


async def hand_over(channel: socket.socket, sock: socket.socket, parcel: Parcel) -> None:
    """Send a connection; it stays open here too, to be closed. Raises `OSError`.

    One at a time: nobody else may wait for the channel.
    """
    message = msgpack.packb([parcel.door, parcel.unread, parcel.state])
    while True:
        try:
            socket.send_fds(channel, [message], [sock.fileno()])
        except BlockingIOError:
            await trio.lowlevel.wait_writable(channel)
        else:
            return


async def take_over(channel: socket.socket) -> tuple[socket.socket, Parcel] | None:
    """Wait for a connection; None when the other end is gone. Raises `OSError`."""
    while True:
        try:
            message, fds, _, _ = socket.recv_fds(channel, _MESSAGE_BYTES_MAX, 1)
        except BlockingIOError:
            await trio.lowlevel.wait_readable(channel)
            continue
        if not message:
            return None
        if not fds:
            continue  # we have no descriptor for it: the client sees its connection end
        door, unread, state = msgpack.unpackb(message)
        sock = socket.socket(fileno=fds[0])
        sock.setblocking(False)
        return sock, Parcel(door, unread, state)
