"""The journal's table: one group per commit, in one or more rows.

Theory. Each row names, under its checksum, the group before its own: a chain from the last
trimmed group to the newest, in which a row that vanished leaves a gap that can be seen. What is
set aside leaves a *hole*, a row without content which may follow anything.

This module refuses to know what a group says, and when to stop believing a journal.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import attrs

from gcounterd.storage.checksums import journal_crc
from gcounterd.storage.database import Database
from gcounterd.storage.schema import (
    GROUP_BYTES_MAX,
    PAGE_BYTES,
    PART_BITS,
    PART_BYTES_MAX,
    SEQ_MAX,
)

_INSERT = "INSERT INTO journal VALUES (?, ?, ?, ?, ?)"
_HOLE_PREV = -1
# One step of trimming: bounded in rows and bytes so that it takes some 5 ms, with commits between.
TRIM_ROWS_MAX = 512
TRIM_BYTES_MAX = 8 * 1024 * 1024


@attrs.frozen
class Gap:
    """A group that is not there as it was written; `rows` are the ids of what is left of it."""

    seq: int
    rows: tuple[int, ...]
    text: str


class Journal:
    """The table `journal`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.last = 0
        self.size = 0

    def load(self, trimmed: int) -> None:
        """Find the newest group and the bytes held; raise `StorageError`."""
        ((newest, size),) = self._database.read("SELECT max(id), total(length(body)) FROM journal")
        self.last = max(trimmed, (newest or 0) >> PART_BITS)
        self.size = int(size)

    def append(self, seq: int, body: bytes, *, durable: bool) -> None:
        """Write one group as one transaction. `seq` must be above all before; see `Database`."""
        assert self.last < seq <= SEQ_MAX, f"group {seq} after {self.last}"
        assert len(body) <= GROUP_BYTES_MAX, f"a group of {len(body)} bytes"
        view = memoryview(body)
        parts = max(1, -(-len(view) // PART_BYTES_MAX))
        if parts == 1:
            row = first_id(seq)
            fields = (row, 1, self.last, journal_crc(row, 1, self.last, view), view)
            self._database.write_alone(_INSERT, *fields, durable=durable, size=len(view))
        else:
            self._append_parts(seq, view, parts, durable=durable)
        self.last = seq
        self.size += len(view)

    def _append_parts(self, seq: int, view: memoryview, parts: int, *, durable: bool) -> None:
        with self._database.transaction(durable=durable, size=len(view)):
            for part in range(parts):
                piece = view[part * PART_BYTES_MAX : (part + 1) * PART_BYTES_MAX]
                row = first_id(seq) | part
                crc = journal_crc(row, parts, self.last, piece)
                self._database.write(_INSERT, row, parts, self.last, crc, piece)

    def read(self, trimmed: int) -> Iterator[tuple[int, bytes] | Gap]:
        """Yield every sound group above `trimmed` in order, and a `Gap` where one should be."""
        sql = "SELECT id, parts, prev, crc, body FROM journal WHERE id >= ? ORDER BY id"
        rows = self._database.read(sql, first_id(trimmed + 1))
        good, newest = None, trimmed
        for seq, group in itertools.groupby(rows, key=lambda row: row[0] >> PART_BITS):
            parts = list(group)
            fault = _fault(parts)
            if fault:
                yield Gap(seq, tuple(row[0] for row in parts), fault)
                newest = seq
                continue
            prev = parts[0][2]
            # The first group follows whatever was trimmed; a hole follows anything.
            follows = prev in (good, newest, _HOLE_PREV) or (newest == trimmed and prev <= trimmed)
            if not follows:
                yield Gap(prev, (), f"group {prev}, which group {seq} follows, is missing")
            good = newest = seq
            if parts[0][1] > 0:
                yield seq, b"".join([row[4] for row in parts])

    def trim(self, upto: int) -> bool:
        """Delete some groups up to `upto`, oldest first; return whether there may be more.

        A crash in between is harmless: readers start above what is trimmed.
        """
        sql = "SELECT id, length(body) FROM journal WHERE id < ? ORDER BY id LIMIT ?"
        last = size = touched = 0
        for row, length in list(self._database.read(sql, first_id(upto + 1), TRIM_ROWS_MAX)):
            if size >= TRIM_BYTES_MAX:
                break
            last, size = row, size + (length or 0)
            touched += min(length or 0, PAGE_BYTES)
        if not last:
            return False
        with self._database.transaction(size=touched):
            self._database.write("DELETE FROM journal WHERE id <= ?", last)
        self.size -= size
        return True

    def raw(self, row: int) -> bytes:
        """Return the bytes of a row's body as they are."""
        sql = "SELECT CAST(body AS BLOB) FROM journal WHERE id = ?"
        return b"".join(bytes(found[0] or b"") for found in self._database.read(sql, row))

    def replace_by_hole(self, gap: Gap) -> None:
        """Delete what is left of a group in the present transaction and put a hole in its place."""
        for row in gap.rows:
            self._database.write("DELETE FROM journal WHERE id = ?", row)
        row = first_id(gap.seq)
        crc = journal_crc(row, 0, _HOLE_PREV, b"")
        self._database.write(
            "INSERT OR IGNORE INTO journal VALUES (?, ?, ?, ?, ?)", row, 0, _HOLE_PREV, crc, b""
        )


def first_id(seq: int) -> int:
    """Return the id of the first row of group `seq`."""
    return seq << PART_BITS


def _fault(rows: list[tuple[Any, ...]]) -> str:
    """Say what is wrong with the rows of one group; "" if nothing is."""
    for index, row in enumerate(rows):
        match row:
            case (int(), int(parts), int(prev), int(crc), bytes(body)):
                pass
            case _:
                return "the row's fields are damaged"
        if journal_crc(row[0], parts, prev, body) != crc:
            return "the checksum is wrong"
        if (parts, prev) != rows[0][1:3] or row[0] != first_id(row[0] >> PART_BITS) | index:
            return "parts are missing"
    return "" if len(rows) == max(1, rows[0][1]) else "parts are missing"
