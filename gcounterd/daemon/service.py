"""The service: what requests ask of this node, answered by the driver, the counters, the store.

It is the one implementation of `api.backend.Backend` that runs in the daemon. Long answers are
made in slices with a checkpoint of the loop in between. It refuses to know HTTP.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

import trio

from gcounterd.api.backend import ConsistentRead, Counted, Held, Listing, Readiness, Tally
from gcounterd.counters.batches import COUNT_MAX
from gcounterd.counters.counters import OPEN_COLUMNS_MAX
from gcounterd.counters.listing import Listing as KeyListing
from gcounterd.counters.ones import Rows
from gcounterd.counters.writer import PENDING_AMOUNT_MAX
from gcounterd.daemon.acknowledgements import written_by
from gcounterd.daemon.acquaintance import join_all
from gcounterd.daemon.condition import Condition
from gcounterd.daemon.draining import Draining
from gcounterd.daemon.driver import Driver
from gcounterd.daemon.imports import Imports
from gcounterd.daemon.invitations import invite
from gcounterd.daemon.once import Once
from gcounterd.daemon.overview import Overview
from gcounterd.daemon.removals import Removals
from gcounterd.daemon.slicing import sliced
from gcounterd.daemon.texts import Texts
from gcounterd.daemon.watching import Watching
from gcounterd.errors import ClientError, StorageError
from gcounterd.ids import ColumnId, node_of
from gcounterd.members.approvals import TOKEN_BYTES, hash_token
from gcounterd.members.removals import Wish
from gcounterd.node.levels import Level, Mark
from gcounterd.node.receipts import Claim

# How much a share is raised in one commit: what may wait for one at most.
_RAISE_STEP = PENDING_AMOUNT_MAX // 2


class Service:
    """Answers requests; see `api.backend.Backend` for what each method promises."""

    def __init__(
        self,
        driver: Driver,
        condition: Condition,
        draining: Draining,
        removals: Removals,
        cluster_view: Callable[[], dict[str, object]],
        status_view: Callable[[], dict[str, object]],
        cluster_warnings: Callable[[], list[str]],
        exposition: Callable[[], bytes],
        watching: Watching,
        overview: Overview,
    ) -> None:
        self._driver = driver
        self._node = driver.node
        self._counters = driver.node.counters
        self._listing = KeyListing(driver.node.counters)
        self._condition = condition
        self._draining = draining
        self._removals = removals
        self._cluster_warnings = cluster_warnings
        self._commit = driver.commits.wait
        self.gathering = driver.commits.gathering
        self._once = Once(driver.node, driver.commits, self._check_open)
        self.cluster = cluster_view
        self.status = status_view
        self.metrics = exposition
        self.value = self._counters.value
        self.scan = self._listing.walk
        imports = Imports(driver.node.importing, driver.commits, self._check_open)
        self.importing, self.bring, self.imports = imports.slot, imports.bring, imports.known
        self.texts = Texts(driver.node, driver.commits, self._check_open)
        self.count_text = self.texts.count
        self.reach = driver.waiting.reach
        self.follow = watching.follow
        self.overview = overview.read

    @property
    def name(self) -> str:
        """Return this node's name."""
        return self._node.config.name

    # -- writing ----------------------------------------------------------------------------

    def add(self, key: bytes, amount: int) -> None:
        """Gather an increment."""
        self._check_open()
        self._node.add(key, amount)

    def add_each(self, keys: Sequence[bytes]) -> Tally:
        """Gather an increment of one for each key."""
        try:
            self._check_open()
            rows, refused = self._node.add_each(keys)
        except ClientError as error:
            return Tally(keys, None, dict.fromkeys(range(len(keys)), error))
        return Tally(keys, rows, refused)

    def read_each(self, tally: Tally) -> Sequence[int]:
        """Return the value of each key of a tally."""
        if not isinstance(tally.rows, Rows):
            return [0] * len(tally.keys)  # all of them were refused
        return self._counters.values(tally.keys, tally.rows)

    def add_all(self, counts: dict[bytes, int]) -> None:
        """Gather many increments for one commit, all or none."""
        self._check_open()
        self._node.add_all(counts)

    async def add_many(self, counts: dict[bytes, int]) -> None:
        """Gather thousands of increments for one commit, all or none."""
        found = await sliced(self._counters.looking_up(counts))
        self._check_open()
        self._node.add_all(counts, found)

    def _check_open(self) -> None:
        if self._condition.draining:
            self._draining.check()

    async def count_once(
        self, claim: Claim, counts: dict[bytes, int], level: Level, *, repeat: bool, first: str
    ) -> Counted:
        """Count what a keyed request asks for, or answer it again."""
        if level:
            self._node.pushes.hurry()
        return await self._once.count(claim, counts, repeat=repeat, first=first)

    async def commit(self, level: Level = Level.LOCAL) -> Mark:
        """Wait until what was added is durable as configured; return where it lies."""
        if level:
            self._node.pushes.hurry()
        return await self._commit()

    async def held(self, mark: Mark, level: Level, seconds: float) -> Held:
        """Wait until members hold what is committed, or so many seconds."""
        outcome = await self._driver.acknowledgements.wait(mark, level, seconds)
        return Held(outcome.reached, outcome.held_by)

    def counted(self) -> Mark:
        """Return where all lies that this node ever counted."""
        return written_by(self._node.config.node, self._counters)

    async def copies(self, mark: Mark, others: int, seconds: float) -> int:
        """Wait until other members hold what is committed, or so many seconds."""
        waiting = self._driver.acknowledgements.wait(mark, Level.LOCAL, seconds, others)
        held_by = (await waiting).held_by
        return len(held_by) - (self._node.roster.label(self._node.config.node) in held_by)

    async def share(self, key: bytes) -> int:
        """Return what this node counted itself, over all its columns ever."""
        while True:
            lives, closed = self._open_lives(), self._counters.base.segments
            older = await self._older_share(key, lives)
            if (lives, closed) == (self._open_lives(), self._counters.base.segments):
                return older + self._settled_share(key)  # else one was closed or opened meanwhile

    def _open_lives(self) -> list[ColumnId]:
        """Return this node's open columns but the running one: few, and only for a moment."""
        config = self._node.config
        return [
            column
            for column in self._counters.heads()
            if node_of(column) == config.node and column != config.column
        ]

    async def _older_share(self, key: bytes, lives: list[ColumnId]) -> int:
        row = self._counters.keys.find(key)
        total = 0
        for column in [self._counters.columns[life] for life in lives]:
            for number, segment in enumerate(column.segments):
                if row is not None and segment.base is None:
                    total += column.count_of_row(row, number)
                await trio.lowlevel.checkpoint()
        return total

    def _settled_share(self, key: bytes) -> int:
        """Return what closed columns and the running one hold: two look-ups."""
        row = self._counters.keys.find(key)
        closed = 0 if row is None else self._counters.base.at(self._node.config.node, row)
        return closed + self._counters.own_count(key)

    async def raise_share(self, key: bytes, at_least: int) -> int:
        """Raise this node's share to at least that much, durably."""
        if not 0 <= at_least <= COUNT_MAX:
            raise ClientError(400, "bad_amount", "at_least is 0 to 2^53")
        older, seen, raised = 0, None, False
        while True:
            now = self._open_lives(), self._counters.base.segments
            if seen != now:  # at first, and where one was closed or opened
                older, seen = await self._older_share(key, now[0]), now
                continue
            # From here to the increment nobody else may run, or a commit between the two looks
            # would make what is missing seem larger than it is.
            share = older + self._settled_share(key)
            waiting = self._counters.writer.waiting(key)
            missing = at_least - share - waiting
            if share >= at_least:
                return share
            try:
                if missing > 0:
                    self._check_open()
                    self._node.raise_by(key, min(missing, _RAISE_STEP))
                await self._commit()
            except ClientError as error:
                error.definite &= not raised  # where a step before this one was taken
                raise
            raised |= missing > 0

    # -- reading ----------------------------------------------------------------------------

    async def by_node(self, key: bytes) -> dict[str, int]:
        """Return the counts by original node."""
        row = self._counters.keys.find(key)
        while row is not None:
            counts: dict[str, int] = {}
            closed = self._counters.base.segments
            for found in self._counters.share_of_row(row):
                if found is not None:
                    label = self._node.importing.shown_as(found[0])
                    counts[label] = counts.get(label, 0) + found[1]
                await trio.lowlevel.checkpoint()
            if closed == self._counters.base.segments:
                return counts  # else some counts came to be in the base after that was read
        return {}

    async def listing(self, prefix: bytes, after: bytes, limit: int) -> Listing:
        """Return counters in the order of their keys."""
        found = await sliced(self._listing.page(prefix, after, limit + 1))
        more = len(found) > limit
        return Listing(tuple(found[:limit]), found[limit - 1][0] if more else None)

    def size(self) -> int:
        """Return how many names this node knows."""
        return len(self._counters.keys)

    async def top(self, limit: int, prefix: bytes) -> tuple[tuple[bytes, int], ...]:
        """Return the largest counters."""
        return tuple(await sliced(self._listing.top(limit, prefix)))

    async def consistent(self, key: bytes, seconds: float) -> ConsistentRead:
        """Ask every member for what it has answered."""
        missing = await self._driver.read(seconds)
        return ConsistentRead(self._counters.value(key), missing)

    # -- the node itself --------------------------------------------------------------------

    def readiness(self) -> Readiness:
        """Say whether this node should get traffic."""
        reasons = self._condition.reasons(self._node)
        readable = not reasons or not self._condition.unreadable(self._node)
        return Readiness(not reasons, reasons, readable)

    def warnings(self) -> tuple[str, ...]:
        """Return what an operator should look at."""
        roster = self._node.roster
        twice = [e.name for e in roster.belonging() if roster.label(e.node) != e.name]
        doubles = [f"two members are named '{name}'" for name in twice]
        columns = len(self._counters.heads())
        crowd = [f"{columns} columns are open, more than {OPEN_COLUMNS_MAX}: islands were merged"]
        crowded = crowd if columns > OPEN_COLUMNS_MAX else []
        seen = self._cluster_warnings()
        return (*self._condition.warnings.values(), *seen, *doubles, *crowded)

    async def history(self, after: int, life: str, limit: int, seconds: float) -> dict[str, object]:
        """Return what this node saw happen to the membership after event number `after`."""
        return {"node": self.name, **await self._driver.history.read(after, life, limit, seconds)}

    async def join(self, addresses: Sequence[str], seconds: float) -> tuple[str, ...]:
        """Join the nodes at these peer addresses; return who is not in when the time is up."""
        return await join_all(self._driver, addresses, seconds)

    async def approve(self, name: str, address: str, ttl_s: int) -> dict[str, object]:
        """Approve a newcomer, and say how it is started."""
        token = secrets.token_bytes(TOKEN_BYTES)
        approval = self._node.approving.approve(name, hash_token(token), ttl_s * 1000)
        await self._driver.commits.noted()
        return invite(self._node, approval, token, address)

    async def remove(
        self, names: Sequence[str], into: str, *, dead: bool, dry_run: bool, forced: bool
    ) -> dict[str, object]:
        """Begin to remove these nodes."""
        wish = Wish(tuple(names), into, dead, forced)
        return await self._removals.remove(wish, dry_run=dry_run)

    def removals(self) -> dict[str, object]:
        """Return unfinished removals and past ones."""
        return {"removals": self._removals.all(), "conflicts": self._removals.conflicts()}

    async def forget(self, name: str) -> dict[str, object]:
        """Release the columns of a removed node."""
        released = self._node.settlement.releasing.release(name)
        await self._commit()
        found = [each for each in self._removals.all() if name in (each["node"], each["id"])]
        return {"released": released, "removals": found}

    def drain(self) -> dict[str, object]:
        """Take no increments from now on."""
        self._draining.begin("api")
        return {"draining": True}

    def undrain(self) -> dict[str, object]:
        """Take increments again, unless the node is stopping."""
        return {"draining": self._draining.end()}

    async def verify(self) -> dict[str, object]:
        """Check the store."""
        return {**await self._driver.store.verify()}

    async def backup(self, path: str) -> dict[str, object]:
        """Write a copy of the store to a new file."""
        try:
            size = await self._driver.store.backup(Path(path))
        except StorageError as error:
            status = 507 if error.full else 409
            raise ClientError(status, "backup_failed", str(error)) from None
        return {"path": path, "bytes": size}

    def count(self, event: str) -> None:
        """Count an event of the API."""
        self._driver.count(event)
