"""Spoke: one client connection as the hub sees it, and the words between the two.

Theory. A protocol is three things to the hub: plain code that says what a chunk is, plain code that
writes the answers when their commit is through, and a coroutine for all the rest. Plain code never
waits, so the hub may call it for many connections in one step; the coroutine has the socket for
itself, and gives it back when nothing is left to read.

This module refuses to know protocols.
"""

from __future__ import annotations

import enum
import math
import socket
from collections.abc import Mapping, Sequence
from typing import ClassVar

import attrs

from gcounterd.errors import ClientError
from gcounterd.node.levels import Mark


class Taken(enum.Enum):
    """What a chunk was."""

    NOTHING = 0  # a part of a request: the rest is waited for
    LATER = 1  # answered after the commit of its round
    NOW = 2  # answered at once: nothing of it has to be committed
    TASK = 3  # nothing was gathered; it is for the connection's own task


class Holder(enum.Enum):
    """Who reads a socket."""

    HUB = 0
    ROUND = 1
    TASK = 2


class End(enum.StrEnum):
    """Why we end a connection; it is counted under the protocol's name and this."""

    EXPIRED = "expired"
    EVICTED = "evicted"
    STOPPED = "stopped"


@attrs.frozen
class Outcome:
    """What became of a round.

    keys     one for each increment of one
    values   the value of each after the commit
    refused  by place in `keys`: those that were not gathered, and why
    failure  why none of the others counted, if the commit failed; `definite` tells if so
    mark     where the increments lie; () if there are none, or they failed
    plain    whether all of it was counted
    """

    keys: Sequence[bytes] = ()
    values: Sequence[int] = ()
    refused: Mapping[int, ClientError] = attrs.field(factory=dict)
    failure: ClientError | None = None
    mark: Mark = ()
    plain: bool = attrs.field(init=False)

    @plain.default
    def _is_plain(self) -> bool:
        return self.failure is None and not self.refused


NO_OUTCOME = Outcome()


class Spoke:
    """One connection, as the hub sees it; protocols make theirs of it.

    client    where it comes from, as `security.rates` writes that
    deadline  when it is ended if it still waits for its client; its task keeps it infinite else
    parked    its task waits for its client, and nothing is lost if the connection ends
    ended     why it is to end; its task looks at it
    """

    __slots__ = (
        "client",
        "deadline",
        "ended",
        "fd",
        "holder",
        "last",
        "parked",
        "readable",
        "sock",
        "unfinished",
    )

    protocol: ClassVar[str] = ""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.client = ""
        self.holder = Holder.HUB
        self.deadline = math.inf
        self.parked = False
        self.ended: End | None = None
        self.last = False  # the client has said that nothing follows what it sent
        self.readable = False  # more may have come than was read
        self.unfinished = False  # its task goes on after the answer

    def quick(self, data: bytes, keys: list[bytes]) -> Taken:
        """Look at what came, without waiting for anything.

        Append to `keys` what is to be counted by one; other increments are added to the backend.
        Where it returns TASK nothing may have been gathered.
        """
        raise NotImplementedError

    def answer(self, outcome: Outcome, first: int) -> bytes:
        """Return the answers to what `quick` took; its keys begin at place `first`."""
        raise NotImplementedError

    async def serve(self, rest: bytes) -> bool:
        """Send the rest of an answer, do what `quick` left, and read on until nothing is there.

        Return whether the connection goes back to the hub; `sock.recv` has said that it would
        block then, and nobody else has run since. Raises `OSError` or
        `trio.ClosedResourceError` where it is gone or ended.
        """
        raise NotImplementedError

    def has_last_word(self, why: End) -> bool:
        """Say whether its task has something to tell the client before this end."""
        return False

    def recall(self, state: Mapping[str, object]) -> None:
        """Go on where another process left this client, before anything is read here."""

    def release(self) -> None:
        """Let go of what the connection holds: it is over, the socket is closed next."""
