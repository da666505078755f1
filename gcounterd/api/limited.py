"""Limited: a backend that has no other keys than those a token is for.

Theory. A check that each handler has to make is forgotten by one of them some day. So a handler
that works for a token with prefixes gets this in place of the backend: what names a key outside
them raises, and lists show what is inside. A list is made prefix by prefix; since none lies within
another and they are in order, so is the whole. What is about all keys and cannot be cut is refused.

What touches no key is the backend's own, and stands in a list, so that what is new is refused until
somebody has thought about it. This module refuses to know handlers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, cast

from gcounterd.api.access import refuse_key
from gcounterd.api.backend import Backend, ConsistentRead, Counted, Listing, Words
from gcounterd.api.feeds import Wish
from gcounterd.api.responses import Live
from gcounterd.api.words import PREFIX as WORDS
from gcounterd.errors import ClientError
from gcounterd.node.levels import Level
from gcounterd.node.receipts import Claim
from gcounterd.security.tokens import Grant

# What says nothing of any key. What the operator's routes ask needs `admin`, which has all keys.
_WITHOUT_KEYS = (
    "cluster",
    "commit",
    "copies",
    "count",
    "counted",
    "held",
    "history",
    "metrics",
    "name",
    "readiness",
    "removals",
    "status",
    "warnings",
)


def limit(backend: Backend, grant: Grant) -> Backend:
    """Return the backend as far as a grant goes."""
    return backend if grant.whole else cast("Backend", _Limited(backend, grant))


class _Limited:
    """See `api.backend.Backend` for what each method promises."""

    def __init__(self, backend: Backend, grant: Grant) -> None:
        self._backend = backend
        self._grant = grant

    def __getattr__(self, name: str) -> Any:
        if name not in _WITHOUT_KEYS:
            raise self._refuse_all()
        return getattr(self._backend, name)

    def _check(self, keys: Iterable[bytes]) -> None:
        if not all(map(self._grant.covers, keys)):
            raise refuse_key(self._grant)

    def add(self, key: bytes, amount: int) -> None:
        """Gather an increment."""
        self._check([key])
        self._backend.add(key, amount)

    def add_all(self, counts: dict[bytes, int]) -> None:
        """Gather many increments, all or none."""
        self._check(counts)
        self._backend.add_all(counts)

    async def add_many(self, counts: dict[bytes, int]) -> None:
        """Do as `add_all`, but for thousands."""
        self._check(counts)
        await self._backend.add_many(counts)

    async def count_once(
        self, claim: Claim, counts: dict[bytes, int], level: Level, *, repeat: bool, first: str
    ) -> Counted:
        """Count what a keyed request asks for, or answer it again."""
        self._check(counts)
        return await self._backend.count_once(claim, counts, level, repeat=repeat, first=first)

    async def count_text(self, following: Callable[[], Awaitable[bytes | None]]) -> Words:
        """Count the words of a text, which may be any."""
        self._check([WORDS])
        return await self._backend.count_text(following)

    def value(self, key: bytes) -> int:
        """Return this node's value."""
        self._check([key])
        return self._backend.value(key)

    async def by_node(self, key: bytes) -> dict[str, int]:
        """Return the counts by original node."""
        self._check([key])
        return await self._backend.by_node(key)

    async def share(self, key: bytes) -> int:
        """Return what this node counted itself."""
        self._check([key])
        return await self._backend.share(key)

    async def raise_share(self, key: bytes, at_least: int) -> int:
        """Raise this node's share."""
        self._check([key])
        return await self._backend.raise_share(key, at_least)

    async def consistent(self, key: bytes, seconds: float) -> ConsistentRead:
        """Ask every member."""
        self._check([key])
        return await self._backend.consistent(key, seconds)

    async def reach(self, key: bytes, least: int, seconds: float) -> int:
        """Return the value when it is at least so large."""
        self._check([key])
        return await self._backend.reach(key, least, seconds)

    async def follow(self, wish: Wish, seen: bytes, *, fresh: bool) -> Live:
        """Return a stream of some counters; of the largest of all there is none."""
        self._check(wish.keys)
        if wish.top or wish.cluster:
            raise self._refuse_all()
        return await self._backend.follow(wish, seen, fresh=fresh)

    async def listing(self, prefix: bytes, after: bytes, limit: int) -> Listing:
        """Return counters in the order of their keys."""
        found: list[tuple[bytes, int]] = []
        for each in self._grant.within(prefix):
            page = await self._backend.listing(each, after, limit + 1 - len(found))
            found += page.counters
            if len(found) > limit:
                return Listing(tuple(found[:limit]), found[limit - 1][0])
        return Listing(tuple(found), None)

    async def top(self, limit: int, prefix: bytes) -> tuple[tuple[bytes, int], ...]:
        """Return the largest counters."""
        found: list[tuple[bytes, int]] = []
        for each in self._grant.within(prefix):
            found += await self._backend.top(limit, each)
        return tuple(sorted(found, key=lambda counter: (-counter[1], counter[0]))[:limit])

    def scan(self, row: int, most: int) -> tuple[Sequence[tuple[bytes, int]], int | None]:
        """Return counters among `most` names."""
        counters, following = self._backend.scan(row, most)
        return [each for each in counters if self._grant.covers(each[0])], following

    def _refuse_all(self) -> ClientError:
        text = f"this is about all keys, and the token {self._grant.name} is for some"
        return ClientError(403, "key_forbidden", text)
