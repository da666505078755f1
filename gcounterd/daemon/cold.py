"""Cold columns: read from the store when the node asks for one.

Theory. A closed column lies on disk as the images of its segments. It is read and put together in
threads, so that the loop goes on, and only believed if it is as new as the node says it must be:
while it was read, a commit may have raised it, and a checkpoint have let go of it again.

This module refuses to know who needs a column, and for what.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from gcounterd.counters.columns import Column
from gcounterd.counters.counters import Counters
from gcounterd.daemon.logs import get_logger
from gcounterd.errors import StorageError
from gcounterd.ids import ColumnId
from gcounterd.storage.store import Store

log = get_logger("gcounterd.cold")

# The node asks for a few at a time (`node.warming`).
ASKED_MAX = 64


class ColdColumns:
    """Reads closed columns of one node."""

    def __init__(self, counters: Counters, store: Store) -> None:
        self._counters = counters
        self._store = store
        self._send, self._receive = trio.open_memory_channel[ColumnId](ASKED_MAX)

    async def read(self, column: ColumnId) -> Column | None:
        """Read a column that is cold; None if it is in memory, or forgotten.

        Raises `StorageError` if it is damaged.
        """
        counters = self._counters
        while counters.is_cold(column):
            # Noted before: images may be newer than it, and are never older.
            line, size = counters.settled.get(column), counters.size(column)
            images = await self._store.read_column(column, size)
            if not counters.is_cold(column):
                break
            read = await trio.to_thread.run_sync(counters.read_cold, column, images, line)
            if read.head == counters.head(column):
                return read
        return None

    def ask(self, column: ColumnId) -> None:
        """See to it that a column is read soon; `run` hands it over."""
        self._send.send_nowait(column)

    async def run(self, hand_over: Callable[[ColumnId, Column | None, bool], None]) -> None:
        """Read what was asked for, one after the other, until cancelled.

        One that is damaged is handed over as None, and said to be damaged: nobody is served with
        it, and it is fetched again (`node.mending`).
        """
        async for column in self._receive:
            read, damaged = None, False
            try:
                read = await self.read(column)
            except StorageError as error:
                log.error("column_unreadable", column=column.hex(), reason=error)
                damaged = True
            hand_over(column, read, damaged)
