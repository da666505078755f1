"""A data directory: making the store's file, opening it, and closing it so that one can tell.

Theory. A store that exists is never mistaken for a new one: the file is made under another name
and renamed when it is complete, so an empty or cut `store.db` is damage, and so is a log without
its store. While a process has the store open, the store says so in itself; an *open* store
without its log has lost its newest commits. Evidence outlives the process that found it: until
damage in the log is set aside, each start finds it again.

This module refuses to know what the store is for.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path
from typing import BinaryIO

import attrs

from gcounterd.errors import StorageError
from gcounterd.storage.contents import Contents
from gcounterd.storage.database import FAILURES, WAYS_OUT, Database, describe, is_full
from gcounterd.storage.lock import DirectoryLock, sync_directory
from gcounterd.storage.log import read_tail
from gcounterd.storage.schema import (
    APPLICATION_ID,
    DAMAGED_LOG_FILE,
    FORMAT,
    LOG_FILE,
    NEW_STORE_FILE,
    PAGE_BYTES,
    STORE_FILE,
    TABLES,
    Damage,
)

_HEADER_BYTES = 100
_MAGIC = b"SQLite format 3\0"
_WAL_VERSIONS = b"\x02\x02"


@attrs.define(eq=False)
class OpenDirectory:
    """A locked directory with its contents.

    torn        see `Recovered`
    log_damage  the log was damaged or lost and that has not been set aside
    """

    path: Path
    lock: DirectoryLock
    contents: Contents
    torn: str
    log_damage: Damage | None

    def close(self) -> None:
        """Write what is pending, note that nothing is, close, unlock. Raises `StorageError`."""
        database = self.contents.database
        noted = self.log_damage is not None  # then nothing is: the next start must find it again
        try:
            if not noted and database.failed is None:
                database.copy_back(cut=True)  # first, since on a full disk it makes room
                self.contents.mark(opened=False)
                database.copy_back(cut=True)
                noted = True
        finally:
            database.close()
            if not noted:
                _stand_in(self.path)
            self.lock.release()


def open_directory(path: Path, lock: DirectoryLock) -> OpenDirectory:
    """Open the store in a locked directory, making it if there is none; raise `StorageError`."""
    had_log = (path / LOG_FILE).exists()
    try:
        if not (path / STORE_FILE).exists():
            _create(path)
        _check_header(path / STORE_FILE)
        return _open(path, lock, had_log)
    except OSError as error:
        raise _refused(path, error) from None


def _open(path: Path, lock: DirectoryLock, had_log: bool) -> OpenDirectory:
    log = (path / LOG_FILE).open("rb") if had_log else None
    try:
        opened = _look_into(path, lock, had_log)
    except BaseException:
        if log is not None:
            _bring_back(path, log)
        raise
    finally:
        if log is not None:
            log.close()
    if opened.log_damage is None:
        try:
            mark_open(opened)
        except BaseException:
            opened.contents.database.close()
            _stand_in(path)
            raise
    return opened


def _look_into(path: Path, lock: DirectoryLock, had_log: bool) -> OpenDirectory:
    database = Database.open(path / STORE_FILE)
    try:
        return _inspect(path, lock, database, had_log)
    except BaseException:
        database.close()
        raise


def _bring_back(path: Path, log: BinaryIO) -> None:
    """Undo that SQLite removed the log when it closed what could not be opened to the end.

    Without it the next start would take it for lost; and there may be damage in it. Nothing was
    written but what it says, so to replay it once more changes nothing.
    """
    with contextlib.suppress(OSError):
        if not (path / LOG_FILE).exists():
            partial = path / f"{LOG_FILE}.partial"
            with partial.open("wb") as copy:
                shutil.copyfileobj(log, copy)
            sync_file(partial)
            partial.rename(path / LOG_FILE)
            sync_directory(path)


def _stand_in(path: Path) -> None:
    """Have a log, if only an empty one, where the store may say that it is open.

    SQLite removes the log when it closes, if all of it is in the file: then nothing is missing.
    """
    with contextlib.suppress(OSError):
        (path / LOG_FILE).touch(mode=0o600)


def _refused(path: Path, error: OSError) -> StorageError:
    full = error.errno == errno.ENOSPC
    return StorageError(f"{path}: {error.strerror}", definite=True, full=full)


def _inspect(path: Path, lock: DirectoryLock, database: Database, had_log: bool) -> OpenDirectory:
    # Copying back tells how many pages SQLite accepted, and leaves the log's file as it is.
    tail = read_tail(path / LOG_FILE, max(0, database.copy_back()))
    contents = Contents(database)
    contents.load()
    if tail is not None and tail.proof and not contents.relaxed:
        _keep_log(path)
        torn = ""
    else:
        torn = tail.text if tail else ""
        if torn:
            # SQLite may write what follows under the same salts, over part of what was never
            # whole: after a second power cut the rest of it would look like damage.
            database.copy_back(cut=True)
    damage = None
    if (path / DAMAGED_LOG_FILE).exists():
        text = f"commits were lost from it; what is left of them lies in {DAMAGED_LOG_FILE}"
        damage = Damage("log", LOG_FILE, f"the log is damaged: {text}")
    elif not contents.clean and not had_log:
        damage = Damage("log", LOG_FILE, "the log is missing, and with it the newest commits")
    return OpenDirectory(path, lock, contents, torn, damage)


def mark_open(opened: OpenDirectory) -> None:
    """Note in the file itself, not only in its log, that the store is open."""
    opened.contents.mark(opened=True)
    opened.contents.database.copy_back()


def _keep_log(path: Path) -> None:
    """Copy a damaged log to where SQLite does not overwrite it. The first copy has the most."""
    kept = path / DAMAGED_LOG_FILE
    if not kept.exists():
        partial = kept.with_suffix(".partial")
        shutil.copyfile(path / LOG_FILE, partial)
        sync_file(partial)
        partial.rename(kept)
        sync_directory(path)


def sync_file(path: Path) -> None:
    """Make a written file survive a power cut."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _create(path: Path) -> None:
    """Make an empty store, complete before it has its name."""
    if (path / LOG_FILE).exists():
        raise StorageError(f"{path}: {LOG_FILE} is there but {STORE_FILE} is missing; {WAYS_OUT}")
    new = path / NEW_STORE_FILE
    for leftover in (new, new.with_name(f"{new.name}-wal")):
        leftover.unlink(missing_ok=True)
    new.touch(mode=0o600)
    database = Database.open(new)
    try:
        connection = database.connection
        connection.execute("BEGIN IMMEDIATE")
        for table in TABLES:
            connection.execute(table)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={FORMAT}")
        connection.execute("COMMIT")
        database.copy_back(cut=True)
    except FAILURES as error:
        full = is_full(error)
        reason = "the disk is full" if full else describe(error)
        raise StorageError(
            f"{path}: cannot make a store: {reason}", definite=True, full=full
        ) from None
    finally:
        database.close()
    sync_file(new)
    new.rename(path / STORE_FILE)
    sync_directory(path)


def _check_header(path: Path) -> None:
    """Look at the file's first bytes, so that people get a sentence and not SQLite's."""
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
        raise StorageError(
            f"{path} is damaged, or no store at all: its header is wrong; {WAYS_OUT}"
        )
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise StorageError(f"{path} is not a gcounterd store", definite=True)
    version = int.from_bytes(header[60:64], "big")
    if version > FORMAT:
        raise StorageError(
            f"{path} was made by a newer version: store format {version}, this is {FORMAT}",
            definite=True,
        )
    # Read as a store without a log, SQLite would ignore the log that lies beside it.
    sound = header[18:20] == _WAL_VERSIONS and int.from_bytes(header[16:18], "big") == PAGE_BYTES
    if version < 1 or not sound:
        raise StorageError(f"{path} is damaged: its header is wrong; {WAYS_OUT}")
