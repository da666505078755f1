"""Judged: a RESP connection whose client may not count everything.

Theory. A chunk of nothing but increments is counted without a look at each, which is right where
everybody may. Here its keys are looked at once they are read; where one is not allowed, or nobody
has said who this is, the chunk is taken back and its commands are taken up one by one, each with
its own answer.

This module refuses to know tokens.
"""

from __future__ import annotations

import socket

from gcounterd.api.hub import Hub
from gcounterd.api.spoke import Outcome, Taken
from gcounterd.resp.connection import Connection
from gcounterd.resp.session import Room


class JudgedConnection(Connection):
    """One connection of a client that may need a token."""

    __slots__ = ()

    def __init__(self, sock: socket.socket, hub: Hub, room: Room, number: int) -> None:
        super().__init__(sock, hub, room, number)
        self._hurry()

    def quick(self, data: bytes, keys: list[bytes]) -> Taken:
        """Take what can be done by plain code, as far as it may be done."""
        before = len(keys)
        self._session.permit.client = self.client
        whole = self._tail + data if self._tail else data
        had_begun = bool(self._tail) or self._session.busy
        taken = super().quick(data, keys)
        if len(keys) == before or self._session.permit.may_count(keys[before:]):
            return taken
        del keys[before:]
        self._counts, self._tail, self._at_rest = 0, b"", False
        return self._take_up(whole, had_begun=had_begun)

    def answer(self, outcome: Outcome, first: int) -> bytes:
        """Write the answers of what was taken; who says nothing of himself may not stay long."""
        told = super().answer(outcome, first)
        self._hurry()
        return told

    def _hurry(self) -> None:
        if self._session.permit.empty:
            self.deadline = self._hub.from_now(self._hub.limits.idle_s)
