"""Copies of a running store, page by page, with commits in between.

Theory. SQLite's backup copies some pages a step; between two steps the same connection may
commit, and pages that change are copied again. So a copy shows one instant, that of its last
step, and no commit waits longer than a step. It is made under a passing name, synced, and
renamed: a file with the name asked for is complete.

A copy says of itself that it was closed properly: it has no log to miss. This module refuses to
know who asked.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from gcounterd.errors import StorageError
from gcounterd.storage.contents import Contents
from gcounterd.storage.database import FAILURES, Database, describe, is_full
from gcounterd.storage.directory import sync_file
from gcounterd.storage.lock import sync_directory

# 256 KiB a step: about 1 ms, what a commit may have to wait for a copy.
STEP_PAGES = 64
_PARTIAL = ".partial"


class Copying:
    """One copy in the making; `give_up` may be called from another thread."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.partial = self.path.with_name(path.name + _PARTIAL)
        self._given_up = False

    def give_up(self) -> None:
        """Make the copy end at its next step, with a `StorageError`."""
        self._given_up = True

    def prepare(self) -> None:
        """Make an empty file to copy to; raise `StorageError` if the target cannot be."""
        self._refuse_existing()
        try:
            self.partial.unlink(missing_ok=True)  # of a copy that a crash cut short
            os.close(os.open(self.partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            raise StorageError(f"{self.path}: {error.strerror}", definite=True) from None

    def _refuse_existing(self) -> None:
        if self.path.exists() or self.path.is_symlink():
            raise StorageError(f"{self.path} exists already", definite=True)

    def fill(self, source: sqlite3.Connection, between: Callable[[], None]) -> None:
        """Copy all pages, calling `between` after each step. Raises `StorageError`.

        An error here says nothing about commits, so it does not poison the store.
        """

        def step(_status: int, _remaining: int, _total: int) -> None:
            between()
            if self._given_up:
                raise StorageError("the copy was given up", definite=True)

        try:
            target = sqlite3.connect(self.partial, isolation_level=None)
            with contextlib.closing(target):
                target.execute("PRAGMA synchronous=OFF")  # synced as a whole when it is complete
                source.backup(target, pages=STEP_PAGES, progress=step, sleep=0)
        except FAILURES as error:
            full = is_full(error)
            reason = "the disk is full" if full else describe(error)
            raise StorageError(f"{self.path}: {reason}", definite=True, full=full) from None

    def finish(self) -> int:
        """Open the copy, note that it is closed, sync and rename it; return its bytes."""
        database = Database.open(self.partial)
        try:
            contents = Contents(database)
            contents.load()
            contents.mark(opened=False)
            database.copy_back(cut=True)
        finally:
            database.close()
        try:
            sync_file(self.partial)
            self._refuse_existing()
            self.partial.rename(self.path)
            sync_directory(self.path.parent)
            return self.path.stat().st_size
        except OSError as error:
            raise StorageError(f"{self.path}: {error.strerror}", definite=True) from None

    def discard(self) -> None:
        """Remove what was not finished. Never raises."""
        for suffix in ("", "-wal", "-journal"):
            with contextlib.suppress(OSError):
                self.partial.with_name(self.partial.name + suffix).unlink(missing_ok=True)
