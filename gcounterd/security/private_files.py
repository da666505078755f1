"""Private files: those that hold what others must not read, or must not change.

Theory. A secret that every user of the host can read is none, and the mistake is made once, with a
`cp`. So such a file is refused before it is read, with the line that mends it. Its group may
read it, since that is how containers are handed secrets; nobody but its owner may write it. The
mode is asked of the open file, not of its name, so nothing can be put in its place in between.

This module refuses to know what the files hold.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gcounterd.errors import ConfigError

# What others may do, and what the group may do but read.
_FORBIDDEN = stat.S_IRWXO | stat.S_IWGRP


def read_private(path: Path, bytes_max: int, what: str) -> bytes:
    """Return what is in a file; `what` names it in errors, as `the token file`.

    Raises `ConfigError` where it cannot be read, is no file, is too large, or is open to others.
    """
    try:
        # Opening a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            _check(os.fstat(descriptor), path, what)
            data = os.read(descriptor, bytes_max + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ConfigError(f"{what} {path} cannot be read: {error.strerror}") from error
    if len(data) > bytes_max:
        raise ConfigError(f"{what} {path} is over {bytes_max} bytes")
    return data


def _check(status: os.stat_result, path: Path, what: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"{what} {path} is not a file")
    if status.st_mode & _FORBIDDEN:
        mode = stat.S_IMODE(status.st_mode)
        raise ConfigError(
            f"{what} {path} can be read or changed by other users (its mode is {mode:04o}): "
            f"chmod 600 {path}"
        )
