"""Burst: the increments and local reads of one received chunk, answered after one commit.

Theory. A commit costs a disk's wait and a task's wake-up; a client that pipelines, or one of many
behind a proxy's connection, should pay for it once. So increments are gathered while requests
are looked at, the commit is awaited once, and only then are values read and answers written, in
the order of the requests. A read behind an increment therefore sees it.

What is refused is refused in its place and does not touch its neighbours. If the commit fails,
every increment of the burst gets that error; reads are answered as usual.

Where some are to be held by other members before they are answered, the burst waits once, for the
most that any of them asks for and as long as the most patient of them would; each is then judged by
what it asked for itself.
"""

from __future__ import annotations

import enum
import re

import trio

from gcounterd.api.backend import Backend, Held
from gcounterd.api.counters import answer_counted, number, refuse_unready
from gcounterd.api.requests import LEVELS, Request
from gcounterd.api.responses import Heads, Response, answer, blame, refuse
from gcounterd.node.levels import Level

# Targets that need no decoding, and whose key needs no escape in JSON.
HOT_TARGET = re.compile(
    rb"/v1/counters/([A-Za-z0-9._~!$&'()*+,;=:@-]{1,1024})(?:\?ack=(local|majority|all))?"
)
HOT_LEVELS = {name.encode(): level for name, level in LEVELS.items()}
_ALONE = Held(Level.LOCAL, ())


class Style(enum.Enum):
    """How a value is written."""

    HOT = 0  # the key goes into the JSON as it is, and the connection stays open
    NUMBER = 1
    TEXT = 2


class Burst:
    """Answers in the making."""

    __slots__ = ("_backend", "_counting", "_heads", "_items", "_level", "_reading", "_seconds")

    def __init__(self, backend: Backend, heads: Heads) -> None:
        self._backend = backend
        self._heads = heads
        self._counting = False
        self._reading = False
        self._level = Level.LOCAL
        self._seconds = 0.0
        self._items: list[tuple[Request, bytes, int, Style, Level, Response | None]] = []

    def take(
        self,
        request: Request,
        key: bytes,
        amount: int,
        style: Style,
        level: Level = Level.LOCAL,
        seconds: float = 0.0,
    ) -> None:
        """Gather an increment, or a local read if `amount` is 0.

        `level` says who has to hold it within how many `seconds`.
        """
        refusal = None
        if amount:
            try:
                self._backend.add(key, amount)
                self._counting = True
                if level:
                    self._seconds = max(self._seconds, seconds) if self._level else seconds
                    self._level = max(self._level, level)
            except Exception as error:
                refusal = refuse(blame(error))
        else:
            self._reading = True
        self._items.append((request, key, amount, style, level, refusal))

    def place(self, request: Request, response: Response) -> None:
        """Put a finished answer into its place."""
        self._items.append((request, b"", 0, Style.NUMBER, Level.LOCAL, response))

    async def settle(self) -> list[bytes]:
        """Commit, and return the answers in order. The burst is empty afterwards."""
        items = self._items
        if not items:
            return []
        self._items = []
        held, failure = await self._commit() if self._counting else (_ALONE, None)
        unready = refuse_unready(self._backend, {}) if self._reading else None
        self._counting = self._reading = False
        self._level = Level.LOCAL
        head, value, reached = self._heads.value, self._backend.value, held.reached
        answers = []
        for request, key, amount, style, level, refusal in items:
            if refusal is None:
                refusal = failure if amount else unready
            if level and refusal is None and level > reached:
                refusal = self._show(key, style, held)
            if refusal is None and style is Style.HOT:
                body = b'{"key":"%b","value":%d}' % (key, value(key))
                answers.append(b"%b%d\r\n\r\n%b" % (head, len(body), body))
            else:
                answers.append(self._write(request, refusal or self._show(key, style)))
        return answers

    async def _commit(self) -> tuple[Held, Response | None]:
        level, seconds = self._level, self._seconds
        deadline = trio.current_time() + seconds if level else 0.0
        try:
            mark = await self._backend.commit(level)
        except Exception as error:
            return _ALONE, refuse(blame(error))
        if not level:
            return _ALONE, None
        return await self._backend.held(mark, level, deadline - trio.current_time()), None

    def _show(self, key: bytes, style: Style, short: Held | None = None) -> Response:
        value = number(self._backend.value(key), style is Style.TEXT)
        shape: dict[str, object] = {"key": key.decode(), "value": value}
        return answer(shape) if short is None else answer_counted(shape, short)

    def _write(self, request: Request, response: Response) -> bytes:
        return self._heads.render(
            response,
            body=request.method != b"HEAD",
            keep=request.keep_alive,
            old=request.old,
            shared=request.shared,
        )
