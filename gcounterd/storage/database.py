"""The one connection to the store's file, and what an error on it means.

Theory. One connection, in exclusive mode, so that nobody else's checkpoint, lock or stale cache
can interfere (SQLite up to 3.51.2 may corrupt a log that two connections write). A transaction
either returned, and then it is durable as asked; or it was refused because the disk is full, and
then it is rolled back, which is looked at and not believed; or it failed in any other way, and
then nobody knows: after a failed fsync the kernel may have dropped the pages and report success
the next time. So the third kind *poisons* the connection: nothing is tried on it again.

Copying the log back into the file is work that no commit should wait for. SQLite would do it
inside some unlucky commit; here it is done when the thread is at rest, or between two commits as
soon as the log has grown by `LOG_BYTES_FORCED`.

This module refuses to know tables, threads and Trio. It is used by one thread at a time.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gcounterd.errors import StorageError
from gcounterd.storage.schema import PAGE_BYTES

# Copying this much back takes 1-2 ms where a commit takes 0.15 ms: short enough to stand in a
# commit's way (30 ms are allowed), rare enough to cost little.
LOG_BYTES_FORCED = 2 * 1024 * 1024
# At rest, copy back from this size on; below it the two fsyncs are not worth the disk's time.
LOG_BYTES_RESTING = 64 * 1024
# What a transaction writes to the log beside its bodies: a leaf, an inner page, the first page.
_LOG_BYTES_OVERHEAD = 3 * PAGE_BYTES
# After a large transaction the log's file is cut back to this when it is next reused.
LOG_FILE_BYTES_MAX = 16 * 1024 * 1024

_PRAGMAS = (
    f"page_size={PAGE_BYTES}",  # of a new file; an old one has its own
    "locking_mode=EXCLUSIVE",
    "journal_mode=WAL",
    "synchronous=FULL",
    "wal_autocheckpoint=0",
    f"journal_size_limit={LOG_FILE_BYTES_MAX}",
    "cell_size_check=ON",
    "trusted_schema=OFF",
    "temp_store=MEMORY",
    "mmap_size=0",
    # Some systems build SQLite to overwrite what is deleted; trimming would then write it all.
    "secure_delete=OFF",
)
# What the sqlite3 module raises for the file's sake: the last when a damaged schema makes SQLite
# quote bytes that are no text.
FAILURES = (sqlite3.Error, MemoryError, UnicodeDecodeError)
WAYS_OUT = (
    "restore a backup, or move the directory away to start as a new node: "
    "peers send back what they hold"
)


def is_full(error: BaseException) -> bool:
    """Say whether SQLite refused because there is no room."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF == sqlite3.SQLITE_FULL


class Database:
    """A connection with transactions, and with errors sorted by what they leave behind."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection
        self.failed: StorageError | None = None
        self.copy_backs = 0
        self.copy_backs_refused = 0
        self._durable = True
        self._log_bytes = 0
        self._log_soiled = False

    @classmethod
    def open(cls, path: Path) -> Database:
        """Open a file that may be empty, for one exclusive writer; raise `StorageError`."""
        database = cls(path, _connect(path, path.as_uri()))
        try:
            for pragma in _PRAGMAS:
                database.connection.execute(f"PRAGMA {pragma}").fetchall()
            # In exclusive mode the first read takes the lock, and replays the log.
            database.connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        except FAILURES as error:
            database.connection.close()
            raise _unreadable(path, error) from None
        return database

    @classmethod
    def open_copy(cls, path: Path) -> Database:
        """Open a finished copy for reading only; nobody may write to it meanwhile.

        Raises `StorageError`.
        """
        return cls(path, _connect(path, f"{path.as_uri()}?mode=ro&immutable=1"))

    def read(self, sql: str, *arguments: object) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query; text arrives as bytes. Raise `StorageError`."""
        try:
            yield from self.connection.execute(sql, arguments)
        except FAILURES as error:
            raise _unreadable(self.path, error) from None

    def write(self, sql: str, *arguments: object) -> int:
        """Execute one change inside a transaction; return the last row id."""
        return self.connection.execute(sql, arguments).lastrowid or 0

    def check(self) -> None:
        """Raise `StorageError` if the connection is poisoned. Nothing was tried, so: definite."""
        if self.failed is not None:
            raise StorageError(f"storage stopped after an error: {self.failed}", definite=True)

    @contextlib.contextmanager
    def transaction(self, *, durable: bool = True, size: int = 0) -> Iterator[None]:
        """Make the changes in the block one transaction, on disk when the block is left.

        With `durable` False it is in the log but may be lost in a power cut, until the next
        durable one, which makes all before it durable. `size` is the bytes written, for the log's
        sake. Raises `StorageError`: `full` and `definite` if rolled back for want of room;
        otherwise the outcome is unknown and the connection is poisoned.
        """
        self.check()
        try:
            self._set_durable(durable)
            self.connection.execute("BEGIN IMMEDIATE")
            yield
            self.connection.execute("COMMIT")
        except FAILURES as error:
            raise self._after(error) from error
        except BaseException:
            self._roll_back()
            raise
        self._log_bytes += size + _LOG_BYTES_OVERHEAD

    def write_alone(
        self, sql: str, *arguments: object, durable: bool = True, size: int = 0
    ) -> None:
        """Make one change that is a transaction by itself; see `transaction`.

        SQLite begins and ends it: one call in place of three, each of which hands the interpreter
        to the loop and back.
        """
        self.check()
        try:
            self._set_durable(durable)
            self.connection.execute(sql, arguments)
        except FAILURES as error:
            raise self._after(error) from error
        self._log_bytes += size + _LOG_BYTES_OVERHEAD

    def _set_durable(self, durable: bool) -> None:
        if durable is not self._durable:
            self.connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._durable = durable

    def _roll_back(self) -> bool:
        """Leave the transaction if SQLite has not done so; say whether that worked."""
        with contextlib.suppress(*FAILURES):
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
        return not self.connection.in_transaction

    def _after(self, error: BaseException) -> StorageError:
        rolled_back = self._roll_back()
        if is_full(error) and rolled_back:
            # Pages of the refused transaction may lie in the log beyond its end. They are
            # harmless, but after a crash they look like damage: have the log cut.
            self._log_soiled = True
            return StorageError(f"{self.path}: the disk is full", definite=True, full=True)
        self.failed = StorageError(f"{self.path}: {describe(error)}")
        return self.failed

    def relieve(self, *, resting: bool) -> None:
        """Copy the log back into the file if it is large enough. Never raises.

        Errors other than a full disk poison the connection; the next transaction tells.
        """
        threshold = LOG_BYTES_RESTING if resting else LOG_BYTES_FORCED
        if self.failed is None and (self._log_bytes >= threshold or self._log_soiled):
            with contextlib.suppress(StorageError):
                self.copy_back(cut=self._log_soiled)

    def copy_back(self, *, cut: bool = False) -> int:
        """Copy all of the log back into the file, cutting it to nothing if `cut`.

        Returns how many pages the log held. Raises `StorageError`; when the disk is full the log
        simply stays and grows, and it is tried again after as much has been written.
        """
        self.check()
        mode = "TRUNCATE" if cut else "PASSIVE"
        self._log_bytes = 0
        self._log_soiled = False
        try:
            self._set_durable(True)
            row = self.connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        except FAILURES as error:
            self.copy_backs_refused += 1
            raise self._after(error) from error
        self.copy_backs += 1
        return int(row[1])

    def close(self) -> None:
        """Close the connection; SQLite copies the log back and removes it if it can."""
        self.connection.close()


def _connect(path: Path, uri: str) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    except FAILURES as error:
        raise _unreadable(path, error) from None
    connection.text_factory = bytes  # damaged text must not fail before its checksum does
    return connection


def describe(error: BaseException) -> str:
    """Write an SQLite error for people, with SQLite's name for it."""
    name = getattr(error, "sqlite_errorname", None)
    text = str(error) or type(error).__name__
    return f"{text} ({name})" if name else text


def _unreadable(path: Path, error: BaseException) -> StorageError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StorageError(f"{path} is in use by another program", definite=True)
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY):
        return StorageError(f"{path}: cannot be opened: {describe(error)}", definite=True)
    if is_full(error):
        return StorageError(f"{path}: the disk is full", definite=True, full=True)
    return StorageError(f"{path} cannot be read: {describe(error)}; {WAYS_OUT}")
