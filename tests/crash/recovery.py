"""Recovery of an image by the daemon's own boot, and all that can be seen of the outcome.

Theory. An image is written to files and started like any data directory: locked, opened, checked,
replayed, and given a new life's epoch. What comes back is read twice, as totals and column by
column, cold ones from the disk. Images that are equal byte for byte are recovered once.

This module refuses to know what was promised.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from gcounterd.counters.columns import SEGMENT_SIZE, Column
from gcounterd.counters.names import Names
from gcounterd.daemon.boot import Booted, Wishes, boot
from gcounterd.errors import GCounterError
from gcounterd.ids import ColumnId, Epoch, NodeId, column_id
from gcounterd.storage.schema import STORE_FILE, Durability
from tests.crash.promises import Found

CLUSTER = "demo"
# A store of these stories has a few hundred; recounting looks at all that there may be.
COUNTERS_MAX = 4096
# Outcomes that are remembered: equal images come close to each other.
KNOWN_MAX = 512

Contents = Mapping[str, bytes | None]


class Refused(Exception):
    """The daemon did not start; its words."""


class Recoverer:
    """Recovers images in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[bytes, Found | Refused] = {}
        self._seen: dict[bytes, None] = {}

    @property
    def number(self) -> int:
        """Return how many different images there were."""
        return len(self._seen)

    def recover(self, contents: Contents) -> Found | Refused:
        """Return what a start finds in a data directory with these files.

        An error that is not one of the daemon's own is raised: a start must never end in one.
        """
        digest = _digest(contents)
        known = self._known.pop(digest, None) or self._start(contents)
        self._seen[digest] = None
        self._known[digest] = known
        if len(self._known) > KNOWN_MAX:
            del self._known[next(iter(self._known))]
        return known

    def recover_backup(self, body: bytes) -> Found | Refused:
        """Return what a start finds in a directory that holds just a backup."""
        return self.recover({STORE_FILE: body})

    def _start(self, contents: Contents) -> Found | Refused:
        directory = self._folder / "image"
        shutil.rmtree(directory, ignore_errors=True)
        write(contents, directory)
        try:
            booted = boot(wishes(directory))
        except GCounterError as error:
            return Refused(str(error))
        try:
            return look(booted)
        finally:
            booted.store.close()


def wishes(directory: Path) -> Wishes:
    """Return what a daemon is told that starts on an image."""
    return Wishes(directory, "n1", CLUSTER, COUNTERS_MAX, Durability.COMMIT)


def write(contents: Contents, directory: Path) -> None:
    """Write files into a new directory."""
    directory.mkdir(mode=0o700)
    for name, body in contents.items():
        path = directory / name
        if body is None:
            path.mkdir(mode=0o700)
        else:
            path.write_bytes(body)


def remove(directory: Path) -> None:
    """Remove a directory if it is there."""
    shutil.rmtree(directory, ignore_errors=True)


def part(contents: Contents, folder: str) -> dict[str, bytes | None]:
    """Return the files below one directory of an image."""
    prefix = folder + "/"
    return {
        name.removeprefix(prefix): body
        for name, body in contents.items()
        if name.startswith(prefix)
    }


def _digest(contents: Contents) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(contents):
        body = contents[name]
        digest.update(f"{name}\0{-1 if body is None else len(body)}\0".encode())
        digest.update(body or b"")
    return digest.digest()


def look(booted: Booted) -> Found:
    """Return all that can be seen of a recovered node."""
    restored, identity = booted.restored, booted.identity
    counters = restored.counters
    names = counters.keys.names
    return Found(
        node=identity.node_id,
        values={names[row].decode(): counters.value(names[row]) for row in range(len(names))},
        state={entry.name: entry.state.name.lower() for entry in restored.roster},
        receipts=frozenset(restored.receipts._kept),
        columns={(c.id, c.head): _content(c, names) for c in _columns(booted)},
        own=column_id(NodeId(identity.node_id), Epoch(identity.epoch)),
        recounted=bool((counters.recount() == counters.totals).all()),
        incomplete=booted.incomplete,
    )


def _columns(booted: Booted) -> Iterator[Column]:
    counters = booted.restored.counters
    yield from counters.columns.values()
    for column in counters.settled:
        if counters.is_cold(column):
            numbers = range(-(-counters.size(column) // SEGMENT_SIZE))
            read = booted.store._contents.read_segment
            yield counters.read_cold(column, [read(ColumnId(column), n) for n in numbers])


def _content(column: Column, names: Names) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for segment in column.segments:
        rows, counts = segment.rows[: segment.size].tolist(), segment.counts[: segment.size]
        for row, count in zip(rows, counts.tolist(), strict=True):
            digest.update(b"%d %s\0" % (count, names[row]))
    return digest.digest()
