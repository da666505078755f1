"""Way: what all connections of one listener of a front need to answer, and to go to the owner.

Theory. Both protocols answer from the same backend and leave by the same channel; the owner knows
the listener by its number, since it is the owner's own. This module refuses to know protocols.
"""

from __future__ import annotations

import socket

import attrs
import trio

from gcounterd.fronts.backend import FrontBackend
from gcounterd.fronts.handover import Parcel, hand_over


@attrs.frozen(eq=False)
class Way:
    """From one listener of a front to the owner.

    front    what is asked of the owner
    number   of the listener, by which the owner knows it
    channel  leads to the owner
    turn     of all who use the channel: one waits for it at a time
    """

    front: FrontBackend
    number: int
    channel: socket.socket
    turn: trio.Lock = attrs.field(factory=trio.Lock)

    async def send(self, sock: socket.socket, unread: bytes, state: dict[str, object]) -> None:
        """Let the owner go on with a client. Raises `OSError` where the owner is gone."""
        async with self.turn:
            await hand_over(self.channel, sock, Parcel(self.number, unread, state))
