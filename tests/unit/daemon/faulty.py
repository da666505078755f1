"""A node whose write path fails at a chosen step, with clients that wait, and its disk afterwards.

Theory. An increment goes through named steps: *added* to what waits, *cut* into a group, *encoded*,
*begun*, *inserted*, *committing* and *committed* on disk, *applied*, and *followed* by what is said
of it. A fault is put at one of them; every client notes what it was told; then the directory is
opened as a restart opens it, and shows what was counted. A kill is a copy of the directory at that
step: whatever the process did afterwards is not in it.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio
from test_commits import Bench, boot, wishes

from gcounterd.daemon.condition import Condition
from gcounterd.daemon.draining import Draining
from gcounterd.daemon.once import Once
from gcounterd.daemon.service import Service
from gcounterd.errors import ClientError, StorageError
from gcounterd.node.effects import Effect
from gcounterd.node.receipts import Claim
from gcounterd.storage.recovery import Restored
from gcounterd.storage.schema import Durability

# What the clients count; a share this large takes two commits.
PLAIN, KEYED, MANY, SHARE = b"plain", b"keyed", (b"many-1", b"many-2"), b"share"
AMOUNT, AT_LEAST = 3, 2**50
CLAIM = Claim(b"k" * 16, b"r" * 16)
IN_LOOP = ("added", "cut", "applied", "followed")
ON_DISK = ("begun", "inserted", "committing", "committed")
# How long clients wait at most: a fault must not leave anyone without an answer.
PATIENCE_S = 20

Told = int | tuple[str, bool] | None


@attrs.define(eq=False)
class Disk:
    """A connection of SQLite, with a step before or after each statement that writes.

    One that is a transaction by itself passes all steps: SQLite begins and commits within it.
    """

    real: sqlite3.Connection
    reach: Callable[[str], None]

    def execute(self, sql: str, *arguments: Any) -> Any:
        step = {"BEGIN": "begun", "INSER": "inserted", "COMMI": "committing"}.get(sql[:5])
        alone = step == "inserted" and not self.real.in_transaction
        for passed in ON_DISK[:3] if alone else (step,):
            if passed:
                self.reach(passed)
        done = self.real.execute(sql, *arguments)
        if alone or step == "committing":
            self.reach("committed")
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


@attrs.define(eq=False)
class Faulty:
    """The node, its clients, and what they were told: a value, (code, definite), or nothing yet.

    step, turn  where the fault is, and at which passing
    fault       what happens there
    stop        ends the flusher as a second signal does
    stays       it asks for a new column where its own was closed
    """

    bench: Bench
    directory: Path
    step: str
    turn: int
    fault: Callable[[Faulty], None]
    stop: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    condition: Condition = attrs.field(factory=Condition)
    told: dict[bytes, Told] = attrs.field(factory=dict)
    stays: bool = True
    seen: int = 0
    killed: dict[bytes, Told] | None = None

    def reach(self, step: str) -> None:
        """Pass a step; raise what the fault raises."""
        if step == self.step:
            self.seen += 1
            if self.seen == self.turn:
                self.fault(self)

    def kill(self) -> None:
        """Keep what a kill leaves, and what was told before it."""
        shutil.copytree(self.directory, self.directory.with_name("killed"))
        self.killed = dict(self.told)

    def service(self) -> Service:
        service = Service.__new__(Service)
        service._node, service._counters = self.bench.node, self.bench.node.counters
        service._condition = self.condition
        service._draining = Draining(self.bench.node, self.condition)
        service._commit = self.bench.commits.wait
        service._once = Once(self.bench.node, self.bench.commits, service._check_open)
        return service

    # -- clients ----------------------------------------------------------------------------

    async def ask(self, key: bytes, request: Callable[[], Awaitable[int]]) -> None:
        self.told[key] = None
        try:
            self.told[key] = await request()
        except ClientError as error:
            self.told[key] = error.code, error.definite

    async def ask_all(self) -> None:
        """Let four clients count in one commit; one of them goes on in the next."""
        service = self.service()
        value = self.bench.node.counters.value

        async def plain() -> int:
            service.add(PLAIN, AMOUNT)
            await service._commit()
            return value(PLAIN)

        async def keyed() -> int:
            counts = {KEYED: AMOUNT}
            counted = await service._once.count(CLAIM, counts, repeat=False, first="")
            return counted.values[0]

        async def many() -> int:
            await service.add_many(dict.fromkeys(MANY, AMOUNT))
            await service._commit()
            return value(MANY[0])

        async with trio.open_nursery() as nursery:
            for key, request in ((PLAIN, plain), (KEYED, keyed), (MANY[0], many)):
                nursery.start_soon(self.ask, key, request)
            nursery.start_soon(self.ask, SHARE, partial(service.raise_share, SHARE, AT_LEAST))

    # -- faults -----------------------------------------------------------------------------

    def perform(self, effects: Sequence[Effect]) -> None:
        """Do what the driver does after a commit, as far as counting depends on it."""
        node = self.bench.node
        node.settlement.closings.wake(trio.current_time(), stays=self.stays)
        if node.has_work:
            self.bench.commits.request()

    def arm(self) -> None:
        """Put the steps into the way of what is written from now on."""
        node, commits = self.bench.node, self.bench.commits
        wait, cutting = commits.wait, node.cutting
        applying, committed = node.applying, node.committed
        encode = commits._encode

        async def waited() -> Any:
            self.reach("added")
            return await wait()

        def cut() -> Any:
            self.reach("cut")
            return (yield from cutting())

        async def encoded(group: Any) -> bytes:
            self.reach("encoded")
            return await encode(group)

        def applied(group: Any) -> Iterator[None]:
            self.reach("applied")
            yield
            yield from applying(group)

        def followed(group: Any, now: float) -> Any:
            self.reach("followed")
            return committed(group, now)

        commits.wait, commits._encode, commits._perform = waited, encoded, self.perform
        node.cutting, node.applying, node.committed = cut, applied, followed
        store = self.bench.store
        store._database.connection = Disk(store._database.connection, self.reach)
        # Nothing else writes, so that a copy of the directory is one of a moment.
        store._thread._after = store._thread._rest = lambda: None


async def play(
    directory: Path,
    step: str,
    turn: int,
    fault: Callable[[Faulty], None],
    durability: Durability = Durability.COMMIT,
) -> Faulty:
    """Play one fault, and return it when the process has ended."""
    booted = boot(wishes(directory, durability=durability))
    with suppress(BaseExceptionGroup):
        async with trio.open_nursery() as outer:
            await outer.start(booted.store.run)
            faulty = Faulty(Bench(booted, durability), directory, step, turn, fault)
            with trio.fail_after(PATIENCE_S):
                async with trio.open_nursery() as clients:
                    clients.start_soon(_flush, faulty)
                    await faulty.bench.commits.wait()  # the node's own roster entry
                    faulty.arm()
                    await faulty.ask_all()
                    faulty.stop.cancel()
            outer.cancel_scope.cancel()
    return faulty


async def _flush(faulty: Faulty) -> None:
    """Run the flusher; its end is the end of the process, but those who wait are answered."""
    with faulty.stop, suppress(StorageError, AssertionError):
        await faulty.bench.commits.run()


def restart(directory: Path) -> Restored:
    """Return what a restart finds."""
    booted = boot(wishes(directory))
    booted.store.close()
    return booted.restored
