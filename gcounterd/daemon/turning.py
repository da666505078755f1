"""Turning: how what is forgotten reaches the disk.

Theory. A turn (`counters.turns`) is prepared beside the commits: what it needs is read and added
up in threads, and images of the new sum are written one at a time. Then one transaction between
two commits puts it in place, and it is shown in slices while nothing is committed: as long as a
commit of a few rows and one look over the totals. What is set aside is in a file before.

No checkpoint goes on meanwhile, since both write images of the same columns. A full disk, or a
commit that has moved something, lets a turn fail; the node makes it again.

This module refuses to know what a turn changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import trio

from gcounterd.counters.batches import read_counts
from gcounterd.counters.images import Image
from gcounterd.counters.mends import AnyTurn
from gcounterd.daemon.commits import Commits
from gcounterd.daemon.logs import get_logger
from gcounterd.errors import StorageError
from gcounterd.ids import ColumnId
from gcounterd.node.effects import Effect, Keep
from gcounterd.node.node import Node
from gcounterd.storage.refused import write_refused
from gcounterd.storage.store import Store

log = get_logger("gcounterd.turning")

# The node makes one turn that forgets, one that takes and one file at a time.
WAITING_MAX = 8


class Turning:
    """Carries turns of one node out, one after the other."""

    def __init__(
        self,
        node: Node,
        store: Store,
        commits: Commits,
        perform: Callable[[Sequence[Effect]], None],
    ) -> None:
        """`perform` carries effects out."""
        self._node = node
        self._store = store
        self._commits = commits
        self._perform = perform
        self._send, self._receive = trio.open_memory_channel[AnyTurn | Keep](WAITING_MAX)

    def carry(self, turn: AnyTurn) -> None:
        """See to it that a turn is carried out soon."""
        self._send.send_nowait(turn)

    def keep(self, keep: Keep) -> None:
        """See to it that a refused column is written to a file soon."""
        self._send.send_nowait(keep)

    async def run(self) -> None:
        """Carry turns out until cancelled; raise `StorageError` when the disk cannot be trusted."""
        async for turn in self._receive:
            if isinstance(turn, Keep):
                await self._keep(turn)
                continue
            async with self._commits.checkpoints.images:
                done = await self._carry_out(turn)
            self._perform(self._node.turned(turn, trio.current_time(), done=done))

    async def _keep(self, keep: Keep) -> None:
        """Write a refused column to a file; tried again when it is offered again."""
        batch = keep.batch

        def write() -> Path:
            counts = [(name, count) for name, count in read_counts(batch).items() if count]
            at, column = self._store.directory, batch.column
            return write_refused(at, column, batch.version, keep.counted, counts, keep.of)

        version = batch.version
        try:
            path = await trio.to_thread.run_sync(write)
            log.warning("column_refused", file=str(path), version=version, counted=keep.counted)
        except StorageError as error:
            log.warning("file_refused", reason=error)
            version = 0
        self._perform(self._node.settlement.late.kept(batch.column, version))

    async def _carry_out(self, turn: AnyTurn) -> bool:
        try:
            await self._prepare(turn)
            return await self._flip(turn)
        except StorageError as error:
            if not (error.full or error.definite or self._is_overtaken(turn)):
                raise
            log.warning("turn_refused", reason=error)
            return False

    def _is_overtaken(self, turn: AnyTurn) -> bool:
        """Say whether what could not be read had moved meanwhile."""
        return self._store.failed is None and not turn.is_current()

    async def _prepare(self, turn: AnyTurn) -> None:
        for _ in turn.place():
            await trio.lowlevel.checkpoint()
        images: dict[ColumnId, list[Image]] = {}
        for column, size in turn.lacking():
            images[column] = await self._store.read_column(column, size)
        await trio.to_thread.run_sync(turn.build, images)
        for image in turn.staged():
            await self._store.put_images([image])
        checkpoints, names = self._commits.checkpoints, len(self._node.counters.keys)
        await checkpoints.write_names(names)
        checkpoints.names_on_disk = max(checkpoints.names_on_disk, names)
        if turn.aside:
            await trio.to_thread.run_sync(self._set_aside, turn)

    def _set_aside(self, turn: AnyTurn) -> None:
        for column, version in turn.aside.items():
            counted = turn.counted(column)
            counts = ((name, count) for of, name, count in turn.set_aside() if of == column)
            path = write_refused(self._store.directory, column, version, counted, counts)
            log.warning("column_set_aside", file=str(path), version=version, counted=counted)

    async def _flip(self, turn: AnyTurn) -> bool:
        """Put a turn in place between two commits; return whether it was still current."""
        ended, outcome = trio.Event(), list[bool | StorageError]()

        async def act() -> None:
            try:
                outcome.append(await self._put_in_place(turn))
            except StorageError as error:
                if not error.full:
                    raise
                outcome.append(error)
            finally:
                ended.set()

        self._commits.between("turn", act)
        await ended.wait()
        result = outcome[0] if outcome else False
        if isinstance(result, StorageError):
            raise result
        return result

    async def _put_in_place(self, turn: AnyTurn) -> bool:
        if not turn.is_current():
            return False
        put, gone = turn.flip()
        with trio.CancelScope(shield=True):  # half a turn must not be left behind
            await self._store.put_images(put, gone)
            for _ in turn.applying():
                await trio.lowlevel.checkpoint()
        return True
