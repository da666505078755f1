"""Waiting: reads that want a counter to be at least so large (`min`).

Theory. A counter only grows, so "at least what I have seen" is all that a client needs who moves
between nodes: the last value it saw, wherever that was, passed along with its next read. Values
rise by commits, and by taking over what others have forgotten, so those who wait are looked at
after these and never on a timer. One look is one array access for each of them, and their number is
bounded.

This module refuses to know requests, and why a counter rises.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from gcounterd.errors import ClientError

# Reads that wait at a time: half a millisecond for a look at all of them after each commit. One
# more is answered `busy`.
WAITERS_MAX = 1024


@attrs.define(eq=False)
class _Waiter:
    """Somebody who waits for a counter to be at least so large."""

    key: bytes
    least: int
    done: trio.Event = attrs.Factory(trio.Event)


class Waiting:
    """Who waits for which values at one node."""

    def __init__(self, value: Callable[[bytes], int]) -> None:
        """`value` returns this node's value of a key."""
        self._value = value
        self._waiters: dict[int, _Waiter] = {}
        self._number = 0
        self._ended = False

    async def reach(self, key: bytes, least: int, seconds: float) -> int:
        """Return the value as soon as it is at least so large, or what it is after that time.

        Raises `ClientError` 503 `busy` where too many wait.
        """
        value = self._value(key)
        if value >= least or seconds <= 0 or self._ended:
            return value
        if len(self._waiters) >= WAITERS_MAX:
            raise ClientError(503, "busy", f"{WAITERS_MAX} reads wait for a value already")
        self._number += 1
        number, waiter = self._number, _Waiter(key, least)
        self._waiters[number] = waiter
        try:
            with trio.move_on_after(seconds):
                await waiter.done.wait()
        finally:
            self._waiters.pop(number, None)
        return self._value(key)

    def look(self) -> None:
        """Wake those whose value is there; to be called when values may have risen."""
        value = self._value
        for waiter in self._waiters.values():
            if value(waiter.key) >= waiter.least:
                waiter.done.set()

    def end(self) -> None:
        """Let nobody wait any more: the process stops."""
        self._ended = True
        for waiter in self._waiters.values():
            waiter.done.set()
