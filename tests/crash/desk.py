"""A daemon's own parts without links and clients, in this process: boot, commits, checkpoint,
backup.

Theory. A sweep lets each call of a life fail in its turn, thousands of lives in all, so a life
must take milliseconds. It is the same code from the commit downwards. Each increment ends in one
of three ways, which the *tally* keeps: acknowledged, certainly not counted, or unknown. Whatever
else goes wrong must be an error of the daemon's own tree, since anything else would be a
traceback.

This module refuses to know which calls fail.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import attrs
import trio

from gcounterd.daemon.boot import Booted, boot
from gcounterd.daemon.cold import ColdColumns
from gcounterd.daemon.commits import Commits
from gcounterd.errors import ClientError, GCounterError, StorageError
from gcounterd.ids import NodeId, column_id, draw_epoch
from gcounterd.node.receipts import Claim
from gcounterd.storage.refused import write_refused
from gcounterd.storage.schema import Durability
from tests.crash.promises import KEYED, TWINS
from tests.crash.recovery import wishes

COUNTS = 3


@attrs.define
class Tally:
    """What became of increments: least and most that each key may show.

    errors   what was said when something failed
    strange  errors that are none of the daemon's own
    keyed    requests with a key so far
    """

    least: dict[str, int] = attrs.field(factory=dict)
    most: dict[str, int] = attrs.field(factory=dict)
    errors: list[str] = attrs.field(factory=list)
    strange: list[str] = attrs.field(factory=list)
    keyed: int = 0

    def tried(self, keys: tuple[str, ...]) -> None:
        """Note that one more of each key may be counted from now on."""
        for key in keys:
            self.most[key] = self.most.get(key, 0) + 1

    def acked(self, keys: tuple[str, ...]) -> None:
        """Note that the last ones were acknowledged."""
        for key in keys:
            self.least[key] = self.least.get(key, 0) + 1

    def refused(self, keys: tuple[str, ...]) -> None:
        """Note that the last ones were certainly not counted."""
        for key in keys:
            self.most[key] -= 1

    def fails(self, values: dict[str, int]) -> list[str]:
        """Return a sentence for each value that is not what clients were told."""
        told = []
        for key in dict.fromkeys([*self.most, *values]):
            least, value, most = (each.get(key, 0) for each in (self.least, values, self.most))
            if not least <= value <= most:
                told.append(f"{key} is {value}, not {least} to {most}")
        return told


class Desk:
    """A node with its store and its commits."""

    def __init__(self, booted: Booted, tally: Tally) -> None:
        self.store = booted.store
        self.node = booted.node("127.0.0.1:1", (), trio.current_time())
        read = ColdColumns(self.node.counters, self.store).read
        names = booted.restored.names_on_disk
        self.commits = Commits(
            self.node, self.store, Durability.COMMIT, lambda _: None, names, read
        )
        self._tally = tally

    async def count(self, *keys: str) -> None:
        """Count one of each, in one commit."""

        def add() -> None:
            self.node.check_counting()
            self.node.counters.add_all({key.encode(): 1 for key in keys})

        await self._count(keys, add)

    async def count_keyed(self) -> None:
        """Count by a request with a key of its own."""
        counts, number = {KEYED.encode(): 1}, self._tally.keyed
        self._tally.keyed += 1
        claim = Claim(b"%016d" % number, b"r" * 16)
        await self._count((KEYED,), lambda: self.node.add_once(claim, counts))

    async def _count(self, keys: tuple[str, ...], add: Callable[[], None]) -> None:
        self._tally.tried(keys)
        try:
            add()
            await self.commits.wait()
            self._tally.acked(keys)
        except ClientError as error:
            self._tally.errors.append(error.code)
            if error.definite:
                self._tally.refused(keys)

    async def keep_house(self, directory: Path) -> None:
        """Do what a daemon does beside counting; each of it may be refused."""
        store, node = self.store, self.node
        other = column_id(NodeId(b"x" * 16), draw_epoch(1, 1))
        works = (
            self.commits.checkpoints.write,
            lambda: store.save_value("removals", b"{}"),
            lambda: store.backup(directory / "copy"),
            store.verify,
        )
        for work in works:
            try:
                await work()
            except StorageError as error:
                self._tally.errors.append(str(error))
        try:
            write_refused(directory, other, 3, 0, [(b"late", 2)])
        except StorageError as error:
            self._tally.errors.append(str(error))
        assert node.counters.value(b"never") == 0


@asynccontextmanager
async def _sitting(directory: Path, tally: Tally) -> AsyncIterator[Desk]:
    booted = boot(wishes(directory / "data"))
    async with trio.open_nursery() as outer:
        await outer.start(booted.store.run)
        desk = Desk(booted, tally)
        async with trio.open_nursery() as nursery:
            await nursery.start(desk.commits.run)
            try:
                yield desk
            finally:
                nursery.cancel_scope.cancel()
        outer.cancel_scope.cancel()


async def _live(directory: Path, tally: Tally) -> None:
    async with _sitting(directory, tally) as desk:
        with suppress(ClientError):
            await desk.commits.wait()  # for the node's own roster entry
        for _ in range(COUNTS):
            await desk.count("plain")
            await desk.count_keyed()
            await desk.count(*TWINS)
        await desk.keep_house(directory)
        for number in range(COUNTS):
            await desk.count("plain", f"new-{number}")


def live(directory: Path, tally: Tally) -> None:
    """Live one life on a directory; errors of the daemon's own tree are noted, others raised."""
    try:
        trio.run(_live, directory, tally)
    except* GCounterError as group:
        tally.errors.append(str(_first(group)))


def _first(group: BaseExceptionGroup) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
