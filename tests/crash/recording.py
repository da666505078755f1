"""Recordings: what processes did to the files of a directory, and what they had been told by then.

Theory. `recorder.c` is loaded into a daemon and writes down each call that changes a file, in
order and with its data. Whoever drives the daemon puts *marks* into the same log: what it asks
for before it asks, what it was answered after. So the log says at each point what is on the disk,
what only the cache has, and what was promised. It is the daemon itself that runs, with all of
SQLite beneath.

A recording is believed only if playing it back gives the directory that is there
(`disk.compare_whole`). This module refuses to know what marks mean.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import attrs

SOURCE = Path(__file__).with_name("recorder.c")
_HEAD = struct.Struct("=IIIIQq")
_MARK = ord("k")


@attrs.frozen
class Call:
    """One call, or a mark.

    kind  c create · w write · t truncate · s sync · f failed sync · d sync of a directory ·
          n rename · u unlink · l link · m make a directory · x map to write · k mark
    """

    kind: str
    inode: int
    offset: int
    first: bytes
    second: bytes

    @property
    def name(self) -> str:
        """Return the path below the recorded directory."""
        return self.first.decode()

    @property
    def other(self) -> str:
        """Return the second path, of a rename or a link."""
        return self.second.decode()


def build(folder: Path) -> Path | None:
    """Compile the recorder into a folder; None where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    library = folder / "recorder.so"
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "-o", library, SOURCE, "-ldl"], check=True)
    return library


def program(library: Path, root: Path, log: Path) -> tuple[str, ...]:
    """Return what comes before a command so that it is recorded."""
    return ("env", f"LD_PRELOAD={library}", f"CRASH_ROOT={root}", f"CRASH_LOG={log}")


class Marker:
    """Puts marks into a log that is being written."""

    def __init__(self, log: Path) -> None:
        self._fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def mark(self, what: str, **facts: object) -> None:
        """Note something that is true from now on."""
        body = json.dumps({"what": what, **facts}).encode()
        os.write(self._fd, _HEAD.pack(_MARK, len(body), 0, os.getpid(), 0, 0) + body)

    def close(self) -> None:
        """Close the log."""
        os.close(self._fd)


def read_log(path: Path) -> Iterator[Call]:
    """Yield what a log holds. One that was not written to its end (a kill) ends before that."""
    data = memoryview(path.read_bytes())
    at = 0
    while at + _HEAD.size <= len(data):
        kind, first, second, _, inode, offset = _HEAD.unpack_from(data, at)
        start = at + _HEAD.size
        at = start + first + second
        if at <= len(data):
            texts = bytes(data[start : start + first]), bytes(data[start + first : at])
            yield Call(chr(kind), inode, offset, *texts)


def fast_folder() -> Path:
    """Return a new folder in memory if there is one: images are written by the hundred thousand."""
    memory = Path("/dev/shm")
    parent = memory if os.access(memory, os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="gcounterd-crash-", dir=parent))
