"""Audit: what operators did, or were refused, as lines of a file that does not grow for ever.

Theory. Weeks later somebody asks who removed a node. The log of the supervisor may be gone by then,
so a node keeps its own lines, in two files of bounded size: the present one and the one before.
They are for reading, not for proof: whoever can write the data directory can change them.

This module refuses to know requests and logs.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import attrs

# Some 5,000 deeds; with the file before, twice that.
FILE_BYTES_MAX = 1024 * 1024
NAME, NAME_BEFORE = "audit.jsonl", "audit.1.jsonl"
# What is kept of what was asked: names and paths fit.
ASKED_CHARS_MAX = 500


@attrs.frozen
class Deed:
    """One action of an operator.

    who     the token's name, or the way in that needs none
    action  a stable name
    asked   method and target, and the body if it is short
    status  of the answer
    code    of the error, "" if it was done
    """

    who: str
    action: str
    asked: str
    status: int
    code: str = ""


class AuditFile:
    """The file in one data directory. Its methods block; one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._before = folder / NAME_BEFORE

    def write(self, at: str, deed: Deed) -> None:
        """Add a line; `at` is the time in words. Raises `OSError`."""
        line = json.dumps({"ts": at, **attrs.asdict(deed)}).replace("\x7f", "\\u007f") + "\n"
        descriptor = os.open(
            self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        try:
            size = os.fstat(descriptor).st_size
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)
        if size + len(line) > FILE_BYTES_MAX:
            self._path.replace(self._before)
