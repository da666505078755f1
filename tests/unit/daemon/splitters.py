"""What tests of texts share: a text as the pieces in which it comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator

import trio


def text_of(pieces: Iterable[bytes]) -> Callable[[], Awaitable[bytes | None]]:
    """Return what returns the next of these pieces, and None behind the last one."""
    left: Iterator[bytes] = iter(pieces)

    async def following() -> bytes | None:
        await trio.lowlevel.checkpoint()
        return next(left, None)

    return following
