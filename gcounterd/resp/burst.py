"""Burst: what is asked in one chunk, counted in one commit and answered after it.

Theory. As `api.burst`: increments are gathered while commands are looked at, the commit is awaited
once, and then values are read. Of several increments of one counter in a pipeline each answers
another number, as a client expects that counts them one by one: the value after the commit, less
what commands behind it added. Reads likewise, so a read sees the increments before it and none
behind it. To this end replies are made from the last to the first.

A *whole* is what stands between MULTI and EXEC: its increments are added all or none, in the commit
of the others.

This module refuses to know commands, sockets and how a commit is waited for.
"""

from __future__ import annotations

from collections.abc import Callable

from gcounterd.api.backend import Backend
from gcounterd.api.responses import blame
from gcounterd.errors import ClientError
from gcounterd.resp.writing import array, error, integer, refuse

Value = Callable[[bytes], int]
# A reply as it is, an increment (key, amount), or a reply that shows values.
Item = bytes | tuple[bytes, int] | Callable[[Value], bytes]


class Burst:
    """Replies in the making.

    counting  there are increments, so a commit is to be awaited
    size      of the replies so far, in bytes, as far as it can be told
    """

    __slots__ = (
        "_backend",
        "_denied",
        "_items",
        "_outer",
        "_reading",
        "_sums",
        "_whole",
        "counting",
        "size",
    )

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._items: list[Item] = []
        self._outer: list[Item | list[Item]] = []
        self._whole = False
        self._sums: dict[bytes, int] = {}
        self._denied = ""
        self.counting = False
        self._reading = False
        self.size = 0

    def __bool__(self) -> bool:
        return bool(self._items or self._outer)

    def say(self, reply: bytes) -> None:
        """Reply this."""
        self._items.append(reply)
        self.size += len(reply)

    def show(self, reply: Callable[[Value], bytes], size: int) -> None:
        """Reply what this makes of values, about so many bytes."""
        self._items.append(reply)
        self._reading = True
        self.size += size

    def count(self, key: bytes, amount: int) -> None:
        """Gather an increment; the reply is its value, or why it was refused."""
        if self._whole:
            self._sums[key] = self._sums.get(key, 0) + amount
            self._items.append((key, amount))
            return
        try:
            self._backend.add(key, amount)
        except Exception as refusal:
            self._items.append(self._refuse(blame(refusal)))
        else:
            self._items.append((key, amount))
            self.counting = True

    def counted(self, key: bytes, refusal: ClientError | None) -> None:
        """Reply to an increment of one that was gathered elsewhere, or refused there."""
        self._items.append((key, 1) if refusal is None else self._refuse(refusal))

    def deny(self, text: str) -> None:
        """Reply that a command is refused; a whole is refused with it."""
        self._denied = self._denied or text
        self.say(error(text))

    # -- transactions -----------------------------------------------------------------------

    def begin_whole(self) -> None:
        """Gather what follows as one whole, up to `end_whole`."""
        self._whole, self._sums, self._denied = True, {}, ""
        self._outer += self._items
        self._items = []

    def end_whole(self) -> None:
        """Add the increments of the whole, or none of them."""
        self._whole = False
        items, self._items = self._items, []
        if self._sums and not self._denied:
            try:
                self._backend.add_all(self._sums)
                self.counting = True
            except Exception as problem:
                refusal = blame(problem)
                self._backend.count(f"resp_{refusal.code}")
                self._denied = refusal.message
        if self._denied:
            text = f"Transaction discarded, nothing of it was counted: {self._denied}"
            self._outer.append(error(text, "EXECABORT"))
        else:
            self._outer.append(items)

    # -- answering --------------------------------------------------------------------------

    def answers(self, failure: ClientError | None) -> list[bytes]:
        """Return the replies in order; `failure` is that of the commit. It is empty afterwards."""
        items: list[Item | list[Item]] = [*self._outer, *self._items]
        refusal = None if failure is None else self._refuse(failure)
        unready = self._unready() if self._reading else None
        self._outer, self._items = [], []
        self.counting = self._reading = False
        self.size = 0
        behind: dict[bytes, int] = {}
        value = self._backend.value

        def now(key: bytes) -> int:
            return value(key) - behind.get(key, 0)

        def answer(item: Item) -> bytes:
            if isinstance(item, bytes):
                return item
            if not isinstance(item, tuple):
                return unready or item(now)
            if refusal is not None:
                return refusal
            key, amount = item
            reply = integer(now(key))
            behind[key] = behind.get(key, 0) + amount
            return reply

        replies = []
        for item in reversed(items):
            if not isinstance(item, list):
                replies.append(answer(item))
            elif refusal is not None and any(isinstance(part, tuple) for part in item):
                replies.append(refusal)
            else:
                parts = [answer(part) for part in reversed(item)]
                replies.append(array(reversed(parts)))
        replies.reverse()
        return replies

    def _refuse(self, refusal: ClientError) -> bytes:
        self._backend.count(f"resp_{refusal.code}")
        return refuse(refusal)

    def _unready(self) -> bytes | None:
        readiness = self._backend.readiness()
        return None if readiness.readable else unready(readiness.reasons)


def unready(reasons: tuple[str, ...]) -> bytes:
    """Write that this node should not be read, and what to do."""
    why = "; ".join(reasons)
    return error(f"this node is not ready: {why}; read another node, or try again", "LOADING")
