"""The store: what the daemon keeps on its disk, seen from Trio.

Theory. Opening, recovering and salvaging are plain calls, since nothing else can go on before
them. `run` hands the connection to one thread, and from then on every call is a ticket in its
queue: answered when its transaction is durable as asked, and never left unknown by cancellation.

    Store.open → recover → (set_aside → recover …) → put_settings → run: append, put_images, …

When the disk is full a call is refused (`definite`, `full`) and the store goes on; after any
other error every further call fails, since what that error left behind cannot be known.

This module refuses to know what a group or an image says, and when to write a checkpoint.
"""

from __future__ import annotations

import enum
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import trio

from gcounterd.counters.columns import SEGMENT_SIZE
from gcounterd.counters.images import Image
from gcounterd.errors import StorageError
from gcounterd.ids import ColumnId
from gcounterd.storage.backup import Copying
from gcounterd.storage.checks import Report, check_contents, check_copy, make_report, show_damage
from gcounterd.storage.directory import OpenDirectory, open_directory
from gcounterd.storage.lock import DirectoryLock, make_directory
from gcounterd.storage.salvage import set_aside
from gcounterd.storage.schema import STORE_FILE, Damage, Recovered, Settings
from gcounterd.storage.thread import StoreThread

# Not the name of anything people ask for; a leftover of a crash is overwritten.
_VERIFY_FILE = "verify"


class _Phase(enum.Enum):
    """Whose the connection is."""

    OPENED = "opened"
    RUNNING = "running"
    CLOSED = "closed"


class Store:
    """One data directory. Made by `open`; ended by `run` when it is cancelled, or by `close`."""

    def __init__(self, opened: OpenDirectory) -> None:
        self.directory = opened.path
        self._opened = opened
        self._contents = opened.contents
        self._database = opened.contents.database
        self._phase = _Phase.OPENED
        self._thread = StoreThread(
            after=partial(self._database.relieve, resting=False),
            rest=partial(self._database.relieve, resting=True),
        )
        self._one_copy = trio.Lock()

    @classmethod
    def open(cls, directory: Path) -> Store:
        """Lock a directory and open its store, making either if missing; raise `StorageError`."""
        directory = directory.absolute()
        make_directory(directory)
        lock = DirectoryLock.acquire(directory)
        try:
            return cls(open_directory(directory, lock))
        except BaseException:
            lock.release()
            raise

    # -- before `run` --------------------------------------------------------------------------

    def recover(self) -> Recovered:
        """Return what the directory holds, reading as it is iterated; see `Recovered`.

        Raises `StorageError`, also from the iterators, if the file as a whole cannot be read.
        """
        self._expect(_Phase.OPENED)
        recovered = self._contents.recover(self._opened.torn)
        if self._opened.log_damage is not None:
            recovered.damage.append(self._opened.log_damage)
        return recovered

    def set_aside(self, damage: Iterable[Damage]) -> Path:
        """Move damage found by `recover` into a folder, which is returned; see `salvage`."""
        self._expect(_Phase.OPENED)
        return set_aside(self._opened, damage)

    def put_settings(self, settings: Settings) -> None:
        """Write the identity; durable on return. Raises `StorageError`."""
        self._expect(_Phase.OPENED)
        self._contents.put_settings(settings)

    def get_value(self, name: str) -> bytes | None:
        """Return a small value, None if never put. Raises `StorageError` if it is damaged."""
        self._expect(_Phase.OPENED)
        return self._contents.get_value(name)

    def put_value(self, name: str, body: bytes) -> None:
        """Write a small value; durable on return. Raises `StorageError`."""
        self._expect(_Phase.OPENED)
        self._contents.put_value(name, body)

    def close(self) -> None:
        """Close a store that `run` was not called for. Raises `StorageError`."""
        self._expect(_Phase.OPENED)
        self._phase = _Phase.CLOSED
        self._opened.close()

    def _expect(self, phase: _Phase) -> None:
        assert self._phase is phase, f"the store is {self._phase.value}, not {phase.value}"

    # -- while it runs -------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve calls until cancelled; then finish those under way, and close.

        A copy under way is given up. Raises `StorageError` if closing fails; what was
        acknowledged is in the log all the same.
        """
        self._expect(_Phase.OPENED)
        self._thread.start()
        self._phase = _Phase.RUNNING
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            self._phase = _Phase.CLOSED
            await self._thread.stop(self._opened.close)

    async def append(self, seq: int, body: bytes, *, durable: bool = True) -> float:
        """Write one group; durable on return. `seq` must be above all before.

        With `durable` False it returns when the group is in the log, which a kill of the process
        does not touch but a power cut may, until the next durable call. Raises `StorageError`.
        Returns the seconds that the group waited for other work of the thread.
        """
        asked = time.perf_counter()

        def work() -> float:
            waited = time.perf_counter() - asked
            self._contents.append(seq, body, durable=durable)
            return waited

        return await self._thread.do(work)

    async def put_images(self, images: Sequence[Image], gone: Sequence[bytes] = ()) -> None:
        """Write images in one transaction, each in place of the one under its key.

        Images of the owners (columns) in `gone` are deleted in the same transaction.
        """
        await self._thread.do(partial(self._contents.put_images, images, None, gone))

    async def read_column(self, column: ColumnId, size: int) -> list[Image]:
        """Return the images of the segments of a column of so many positions, in order.

        Commits go on between two segments. Raises `StorageError` if one is damaged.
        """
        numbers = range(-(-size // SEGMENT_SIZE))
        return [
            await self._thread.do(partial(self._contents.read_segment, column, n)) for n in numbers
        ]

    async def finish_checkpoint(self, images: Sequence[Image], upto: int) -> None:
        """Write images and note in the same transaction that groups up to `upto` are superfluous.

        From then on they are not recovered; deleting them follows in small steps, with commits in
        between, before this returns. Raises `StorageError`: from the deleting also, which is
        taken up again by the next checkpoint.
        """
        await self._thread.do(partial(self._contents.put_images, images, upto))
        while await self._thread.do(self._contents.trim_some):
            pass

    async def save_settings(self, settings: Settings) -> None:
        """Write the identity while running; durable on return."""
        await self._thread.do(partial(self._contents.put_settings, settings))

    async def save_value(self, name: str, body: bytes) -> None:
        """Write a small value while running; durable on return. Raises `StorageError`."""
        await self._thread.do(partial(self._contents.put_value, name, body))

    async def backup(self, path: Path) -> int:
        """Write a copy that opens as a store to a new file; return its bytes.

        Commits go on meanwhile; the copy shows the store as it was at its last step. One copy at
        a time, others wait. Raises `StorageError`; then there is no such file.
        """
        async with self._one_copy:
            copying = Copying(path)
            try:
                await self._copy(copying)
                return await trio.to_thread.run_sync(copying.finish)
            finally:
                await _in_peace(copying.discard)

    async def verify(self) -> Report:
        """Check everything: `{"ok", "problems": [text, …], "checked": {kind: number}}`.

        What is checked is a copy, made beside the store and removed: it needs as much room as
        the store has. Raises `StorageError` if there is no room, or the store is closed.
        """
        async with self._one_copy:
            copying = Copying(self.directory / _VERIFY_FILE)
            try:
                await self._copy(copying)
                report = await trio.to_thread.run_sync(check_copy, copying.partial)
            except StorageError as error:
                if error.full or self._phase is not _Phase.RUNNING:
                    raise
                return make_report([str(error)], {})
            finally:
                await _in_peace(copying.discard)
        return _with_log(report, self._opened.log_damage)

    async def _copy(self, copying: Copying) -> None:
        def between() -> None:
            if self._thread.stopping:
                copying.give_up()
            self._thread.let_pass()

        await trio.to_thread.run_sync(copying.prepare)
        fill = partial(copying.fill, self._database.connection, between)
        await self._thread.do(fill, give_up=copying.give_up)

    # -- figures, at any time ------------------------------------------------------------------

    @property
    def journal_bytes(self) -> int:
        """Return the bytes of all groups held."""
        return self._contents.journal.size

    @property
    def image_bytes(self) -> int:
        """Return the bytes of all images held."""
        return self._contents.images.size

    @property
    def last_seq(self) -> int:
        """Return the newest group's number, 0 if there never was one."""
        return self._contents.journal.last

    @property
    def failed(self) -> StorageError | None:
        """Return the error after which storage stopped, if one did."""
        return self._database.failed

    @property
    def sqlite_version(self) -> str:
        """Return the version of the SQLite in use."""
        return sqlite3.sqlite_version


async def _in_peace(work: Callable[[], None]) -> None:
    """Do blocking work in a thread, also if the caller is being cancelled."""
    with trio.CancelScope(shield=True):
        await trio.to_thread.run_sync(work)


def _with_log(report: Report, damage: Damage | None) -> Report:
    if damage is None:
        return report
    problems = report["problems"]
    assert isinstance(problems, list)
    return {**report, "ok": False, "problems": [show_damage(damage), *problems]}


def verify_offline(directory: Path) -> Report:
    """Check a directory without the daemon; the report is that of `Store.verify`.

    Raises `StorageError` (`definite`) if there is no store, or it is in use.
    """
    directory = directory.absolute()
    if not (directory / STORE_FILE).exists():
        raise StorageError(f"{directory}: there is no store", definite=True)
    lock = DirectoryLock.acquire(directory)
    try:
        opened = open_directory(directory, lock)
    except StorageError as error:
        lock.release()
        return make_report([str(error)], {})
    try:
        return _with_log(check_contents(opened.contents, opened.torn), opened.log_damage)
    finally:
        opened.close()
