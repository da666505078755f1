"""The lock on a data directory: one process at a time.

Theory. `flock` belongs to the open file and goes with the process, however it dies, so a lock is
never stale and nobody has to decide whether a pid is still alive. The pid in the file is only
for the sentence that people read. SQLite's own exclusive lock stands behind this one, but it is
taken late and its message names nobody.

This module refuses to know what lies in the directory.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

import attrs

from gcounterd.errors import StorageError
from gcounterd.storage.schema import LOCK_FILE

_PID_BYTES_MAX = 20  # a pid in decimal, with room


@attrs.frozen
class DirectoryLock:
    """A held lock; `release` gives it back."""

    _fd: int

    @classmethod
    def acquire(cls, directory: Path) -> DirectoryLock:
        """Take the lock or raise `StorageError` naming the process that has it."""
        try:
            fd = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(
                f"{directory}: cannot open its lock file: {error.strerror}", definite=True
            ) from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            holder = os.pread(fd, _PID_BYTES_MAX, 0).decode(errors="replace").strip()
            os.close(fd)
            raise StorageError(
                f"{directory} is in use by another gcounterd (pid {holder or 'unknown'})",
                definite=True,
            ) from None
        except OSError as error:
            os.close(fd)
            raise StorageError(
                f"{directory}: cannot lock it: {error.strerror}", definite=True
            ) from None
        return cls(fd)

    def release(self) -> None:
        """Give the lock back. The file stays: removing it would let two processes each lock one."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, 0)
        os.close(self._fd)


def sync_directory(directory: Path) -> None:
    """Make new, renamed and removed names in `directory` survive a power cut."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_directory(directory: Path) -> None:
    """Create `directory`, readable by its owner only; raise `StorageError` if that cannot be."""
    try:
        if not directory.exists():
            directory.mkdir(mode=0o700, parents=True)
            sync_directory(directory.parent)
        if not directory.is_dir():
            raise StorageError(f"{directory} is not a directory", definite=True)
        if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
            raise StorageError(f"{directory}: no permission to read and write there", definite=True)
    except OSError as error:
        raise StorageError(f"{directory}: {error.strerror}", definite=True) from None
