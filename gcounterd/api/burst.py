"""Burst: the increments and local reads of one received chunk, answered after one commit.

Theory. A commit costs a disk's wait and a task's wake-up; a client that pipelines, or one of many
behind a proxy's connection, should pay for it once. So increments are gathered while requests
are looked at, the commit is awaited once, and only then are values read and answers written, in
the order of the requests. A read behind an increment therefore sees it.

What is refused is refused in its place and does not touch its neighbours. If the commit fails,
every increment of the burst gets that error; reads are answered as usual.
"""

from __future__ import annotations

import enum
import re

from gcounterd.api.backend import Backend
from gcounterd.api.counters import number, refuse_unready
from gcounterd.api.requests import Request
from gcounterd.api.responses import Heads, Response, answer, blame, refuse

# Targets that need no decoding, and whose key needs no escape in JSON.
HOT_TARGET = re.compile(rb"/v1/counters/([A-Za-z0-9._~!$&'()*+,;=:@-]{1,1024})")


class Style(enum.Enum):
    """How a value is written."""

    HOT = 0  # the key goes into the JSON as it is, and the connection stays open
    NUMBER = 1
    TEXT = 2


class Burst:
    """Answers in the making."""

    __slots__ = ("_backend", "_counting", "_heads", "_items", "_reading")

    def __init__(self, backend: Backend, heads: Heads) -> None:
        self._backend = backend
        self._heads = heads
        self._counting = False
        self._reading = False
        self._items: list[tuple[Request, bytes, int, Style, Response | None]] = []

    def take(self, request: Request, key: bytes, amount: int, style: Style) -> None:
        """Gather an increment, or a local read if `amount` is 0."""
        refusal = None
        if amount:
            try:
                self._backend.add(key, amount)
                self._counting = True
            except Exception as error:
                refusal = refuse(blame(error))
        else:
            self._reading = True
        self._items.append((request, key, amount, style, refusal))

    def place(self, request: Request, response: Response) -> None:
        """Put a finished answer into its place."""
        self._items.append((request, b"", 0, Style.NUMBER, response))

    async def settle(self) -> list[bytes]:
        """Commit, and return the answers in order. The burst is empty afterwards."""
        items = self._items
        if not items:
            return []
        self._items = []
        failure = await self._commit() if self._counting else None
        unready = refuse_unready(self._backend, {}) if self._reading else None
        self._counting = self._reading = False
        head, value = self._heads.value, self._backend.value
        answers = []
        for request, key, amount, style, refusal in items:
            if refusal is None:
                refusal = failure if amount else unready
            if refusal is None and style is Style.HOT:
                body = b'{"key":"%b","value":%d}' % (key, value(key))
                answers.append(b"%b%d\r\n\r\n%b" % (head, len(body), body))
            else:
                answers.append(self._write(request, refusal or self._show(key, style)))
        return answers

    async def _commit(self) -> Response | None:
        try:
            await self._backend.commit()
        except Exception as error:
            return refuse(blame(error))
        return None

    def _show(self, key: bytes, style: Style) -> Response:
        value = number(self._backend.value(key), style is Style.TEXT)
        return answer({"key": key.decode(), "value": value})

    def _write(self, request: Request, response: Response) -> bytes:
        return self._heads.render(
            response, body=request.method != b"HEAD", keep=request.keep_alive, old=request.old
        )
