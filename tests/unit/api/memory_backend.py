"""A backend in a dict, for the tests of the HTTP room.

It is a legal implementation of `gcounterd.api.backend.Backend`: increments show only after their
commit, a listing is in key order, and a refusal raises `ClientError`. It keeps nothing, knows no
peers, and lets a test hold the commit back or make it fail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

import attrs
import trio

from gcounterd.api.backend import ConsistentRead, Counted, Held, Listing, Readiness, Tally, Words
from gcounterd.api.feeds import Feed, Listener, Shown, Wish
from gcounterd.api.words import PREFIX, Splitter
from gcounterd.counters.batches import read_counts
from gcounterd.counters.imports import Content
from gcounterd.errors import ClientError
from gcounterd.ids import ColumnId
from gcounterd.node.levels import Level, Mark
from gcounterd.node.receipts import Claim
from tests.finishing import result_of

COUNT_MAX = 2**53


@attrs.frozen
class MemoryCommit:
    """The commit of what was added, made when somebody waits for it."""

    backend: MemoryBackend

    async def wait(self) -> Mark:
        return await self.backend.commit()

    def then(self, act: Callable[[Mark, ClientError | None], None]) -> bool:
        if self.backend.tells is None:
            return False
        self.backend.tells.start_soon(self._tell, act)
        return True

    async def _tell(self, act: Callable[[Mark, ClientError | None], None]) -> None:
        try:
            mark = await self.wait()
        except ClientError as error:
            act((), error)
        else:
            act(mark, None)


class MemoryBackend:
    """One node, alone.

    commits    how many commits were awaited
    events     what `count` was told
    joined     addresses handed to `join`
    approved   what was handed to `approve`
    missing    names that a consistent read does not hear from
    fail_with  raised by the next commit; the gathered increments are dropped
    gate       while set, a commit waits for it
    tells      while set, commits are made there, and tell what became of them
    asked_for  the last arguments of `history`
    removed    the arguments of each `remove`
    draining   whether it drains
    brought    the imports: sources, counts, and whether again
    under_way  imports that have a place now
    listed     the last arguments of `imports`
    others     how far other members hold what is counted here, and who does
    told       the levels that commits were told of, and waits were asked for
    patience   how many seconds each wait was given
    copies_elsewhere  how many others hold what was counted
    reachable  the value that a wait ends with, if that is asked for
    followed   the last arguments of `follow`
    seen, pulse  what `overview` shows
    """

    name = "n1"

    def __init__(self) -> None:
        self.values: dict[bytes, int] = {}
        self.pending: Counter[bytes] = Counter()
        self.receipts: dict[bytes, tuple[Claim, tuple[int, ...]]] = {}
        self.commits = 0
        self.events: Counter[str] = Counter()
        self.joined: list[str] = []
        self.approved: list[tuple[str, str, int]] = []
        self.missing: tuple[str, ...] = ()
        self.reasons: tuple[str, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.fail_with: Exception | None = None
        self.gate: trio.Event | None = None
        self.tells: trio.Nursery | None = None
        self.waiting = trio.Event()
        self.asked_for: tuple[int, str, int, float] | None = None
        self.removed: list[tuple[list[str], str, dict[str, bool]]] = []
        self.draining = False
        self.brought: list[tuple[str, dict[bytes, int], bool]] = []
        self.under_way = 0
        self.listed: tuple[str, int] | None = None
        self.others = Held(Level.LOCAL, (self.name,))
        self.told: list[Level] = []
        self.patience: list[float] = []
        self.reachable = 0
        self.copies_elsewhere = 0
        self.followed: tuple[Wish, bytes, bool] | None = None
        self.seen: dict[str, Any] = {
            "cluster": "test",
            "id": "a0",
            "ready": True,
            "reasons": [],
            "warnings": [],
            "alone": False,
            "liveness": {"alive": 1},
            "nodes": [],
            "removals": [],
        }
        self.pulse: dict[str, Any] = {
            "total": "0",
            "counters": 0,
            "level": "equal",
            "words": "One node, so there is nothing to compare.",
            "sums": {},
            "former": [],
            "behind": {},
        }

    def add(self, key: bytes, amount: int) -> None:
        self._check(key, amount)
        self.pending[key] += amount

    def add_all(self, counts: dict[bytes, int]) -> None:
        for key, amount in counts.items():
            self._check(key, amount)
        self.pending.update(counts)

    async def add_many(self, counts: dict[bytes, int]) -> None:
        self.add_all(counts)

    def _check(self, key: bytes, amount: int) -> None:
        if self.value(key) + self.pending[key] + amount > COUNT_MAX:
            raise ClientError(409, "too_large", "a counter ends at 2^53")

    def add_each(self, keys: Sequence[bytes]) -> Tally:
        refused = {}
        for place, key in enumerate(keys):
            try:
                self.add(key, 1)
            except ClientError as error:
                refused[place] = error
        return Tally(keys, None, refused)

    def read_each(self, tally: Tally) -> list[int]:
        return [self.value(key) for key in tally.keys]

    def gathering(self) -> MemoryCommit:
        return MemoryCommit(self)

    async def commit(self, level: Level = Level.LOCAL) -> Mark:
        self.commits += 1
        self.told.append(level)
        if self.gate is not None:
            self.waiting.set()
            await self.gate.wait()
        pending, self.pending = self.pending, Counter()
        if self.fail_with is not None:
            error, self.fail_with = self.fail_with, None
            raise error
        for key, amount in pending.items():
            self.values[key] = self.value(key) + amount
        return self.counted()

    async def held(self, mark: Mark, level: Level, seconds: float) -> Held:
        assert mark == self.counted()
        self.told.append(level)
        self.patience.append(seconds)
        return self.others

    def counted(self) -> Mark:
        return ((ColumnId(bytes(32)), self.commits),)

    async def count_once(
        self, claim: Claim, counts: dict[bytes, int], level: Level, *, repeat: bool, first: str
    ) -> Counted:
        replayed = claim.key in self.receipts
        if replayed and self.receipts[claim.key][0] != claim:
            raise ClientError(409, "key_reused", "of another request")
        if repeat and not replayed:
            details = {"node": first} if first else {}
            raise ClientError(409, "retry_elsewhere", "?", definite=False, details=details)
        if not replayed:
            self.add_all(counts)
            await self.commit(level)
            self.receipts[claim.key] = claim, tuple(self.value(key) for key in counts)
        values = self.receipts[claim.key][1]
        return Counted(values, self.counted(), replayed=replayed)

    async def copies(self, mark: Mark, others: int, seconds: float) -> int:
        self.patience.append(seconds)
        return self.copies_elsewhere

    def size(self) -> int:
        return len(self.values)

    def scan(self, row: int, most: int) -> tuple[Sequence[tuple[bytes, int]], int | None]:
        found = list(self.values.items())[row : row + most]
        return found, row + most if row + most < len(self.values) else None

    def value(self, key: bytes) -> int:
        return self.values.get(key, 0)

    async def by_node(self, key: bytes) -> dict[str, int]:
        return {self.name: self.value(key)} if self.value(key) else {}

    async def share(self, key: bytes) -> int:
        return self.value(key)

    async def raise_share(self, key: bytes, at_least: int) -> int:
        self.values[key] = max(self.value(key), at_least)
        return self.values[key]

    async def listing(self, prefix: bytes, after: bytes, limit: int) -> Listing:
        found = sorted(
            item for item in self.values.items() if item[0].startswith(prefix) and item[0] > after
        )
        page = tuple(found[:limit])
        return Listing(page, page[-1][0] if len(found) > limit else None)

    async def top(self, limit: int, prefix: bytes) -> tuple[tuple[bytes, int], ...]:
        found = [item for item in self.values.items() if item[0].startswith(prefix)]
        return tuple(sorted(found, key=lambda item: (-item[1], item[0]))[:limit])

    async def consistent(self, key: bytes, timeout: float) -> ConsistentRead:
        return ConsistentRead(self.value(key), self.missing)

    async def reach(self, key: bytes, least: int, seconds: float) -> int:
        self.patience.append(seconds)
        self.values[key] = max(self.value(key), min(least, self.reachable))
        return self.value(key)

    async def follow(self, wish: Wish, seen: bytes, *, fresh: bool) -> Listener:
        """Return a stream that ends at once."""
        self.followed = (wish, seen, fresh)
        feed = Feed(wish, self.count)
        feed.shown = [Shown(key) for key in wish.keys]
        for shown in feed.shown:
            shown.update({"a0": self.value(shown.key)})
        feed.show("local", {"a0": self.name})
        listener = Listener(feed, seen)
        listener.end(b"event: leave\ndata: {}\n\n")
        return listener

    def readiness(self) -> Readiness:
        drains = ("draining",) if self.draining else ()
        reasons = self.reasons + drains
        return Readiness(not reasons, reasons, readable=not self.reasons)

    def warnings(self) -> tuple[str, ...]:
        return self.notes

    async def overview(self) -> dict[str, dict[str, Any]]:
        return {"cluster": self.seen | {"self": self.name}, "pulse": self.pulse, "events": {}}

    def cluster(self) -> dict[str, object]:
        return {
            "cluster": "test",
            "self": self.name,
            "ready": not self.reasons,
            "nodes": [],
            "approvals": [],
            "removals": [],
            "health": 0,
            "alone": False,
            "security": "none",
            "certificate_ends": None,
        }

    def status(self) -> dict[str, object]:
        return {"name": self.name, "counters": len(self.values)}

    async def history(self, after: int, life: str, limit: int, seconds: float) -> dict[str, object]:
        self.asked_for = (after, life, limit, seconds)
        return {"node": self.name, "life": "11" * 16, "events": [], "next": after}

    async def join(self, addresses: Sequence[str], seconds: float) -> tuple[str, ...]:
        self.joined += [address for address in addresses if address not in self.joined]
        return self.missing

    async def approve(self, name: str, address: str, ttl_s: int) -> dict[str, object]:
        if name == self.name:
            holder = {"id": "00", "name": name, "address": "127.0.0.1:7700"}
            raise ClientError(409, "name_in_use", "it is mine", details={"holder": holder})
        self.approved.append((name, address, ttl_s))
        said = {"token": "t", "expires": "e", "admission": "open", "command": "c", "join": []}
        return {"name": name, **said}

    async def remove(
        self, names: Sequence[str], into: str, *, dead: bool, dry_run: bool, forced: bool
    ) -> dict[str, object]:
        if self.name in names:
            raise ClientError(409, "removal_last", "it is the last one; stop it instead")
        flags = {"dead": dead, "dry_run": dry_run, "forced": forced}
        self.removed.append((list(names), into, flags))
        plan: dict[str, object] = {"targets": [], "into": None, "alive": 1, "of": 1, "warnings": []}
        return {"plan": plan, "removals": []}

    def removals(self) -> dict[str, object]:
        return {"removals": [], "conflicts": []}

    async def forget(self, name: str) -> dict[str, object]:
        if name == self.name:
            raise ClientError(409, "removal_unfinished", "it is no removed node")
        return {"released": 1, "removals": []}

    @contextmanager
    def importing(self) -> Iterator[None]:
        if self.draining:
            raise ClientError(503, "draining", "it drains")
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1

    async def bring(self, source: str, content: Content, *, again: bool) -> dict[str, object]:
        given = result_of(content.arranged(source, Random(1)))
        self.brought.append((source, read_counts(given.batch), again))
        said = {"source": source, "id": given.column.hex(), "keys": given.keys}
        return {**said, "total": given.total, "repeated": False}

    async def imports(self, after: str, limit: int) -> dict[str, object]:
        self.listed = (after, limit)
        return {"imports": [], "next": None}

    async def count_text(self, following: Callable[[], Awaitable[bytes | None]]) -> Words:
        splitter = Splitter()
        while (piece := await following()) is not None:
            splitter.feed(piece.decode())
        found = splitter.words()
        counts = {PREFIX + word.encode(): times for word, times in found.items()}
        self.add_all(counts)
        await self.commit()
        return Words(counts, sum(counts.values()), splitter.too_long)

    def drain(self) -> dict[str, object]:
        self.draining = True
        return {"draining": True}

    def undrain(self) -> dict[str, object]:
        self.draining = False
        return {"draining": False}

    async def verify(self) -> dict[str, object]:
        return {"ok": True, "problems": [], "checked": {"counters": len(self.values)}}

    async def backup(self, path: str) -> dict[str, object]:
        return {"path": path, "bytes": 0}

    def metrics(self) -> bytes:
        return b"gcounterd_up 1\n"

    def count(self, event: str) -> None:
        self.events[event] += 1
