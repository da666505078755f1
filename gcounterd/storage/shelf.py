"""A shelf: a table of keyed, checksummed blobs that are replaced as a whole.

Theory. Keys and row numbers are read at open and kept in memory; the table has no index that
could disagree with it. `write` works inside the caller's transaction and changes nothing in
memory; `adopt` does, once the transaction is known to have happened.

This module refuses to know what the blobs mean.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Literal

import attrs

from gcounterd.storage.checksums import shelf_crc
from gcounterd.storage.database import Database

_DIGEST = struct.Struct(">Qq")


@attrs.frozen(order=True)
class Key:
    """What a blob is found under."""

    kind: bytes
    owner: bytes
    number: int


@attrs.frozen
class Place:
    """Where a blob lies: its row, and the checksum and size that the row should have."""

    row: int
    crc: int
    size: int


@attrs.frozen
class Broken:
    """A row that is not what was written; `key` is what it claims, as far as that is readable."""

    row: int
    key: Key | None
    text: str


class Shelf:
    """The table `images` or `settings`."""

    def __init__(self, database: Database, table: Literal["images", "settings"]) -> None:
        self._database = database
        self._table = table
        self.places: dict[Key, Place] = {}
        self.size = 0  # bytes of all bodies
        self._combined = 0  # exclusive or of all checksums
        self._misfits: list[Broken] = []

    def load(self) -> None:
        """Read all keys; raise `StorageError` if the table cannot be read."""
        self.places, self.size, self._combined, self._misfits = {}, 0, 0, []
        # ruff's S608 warns of foreign text in SQL; the table's name is one of our two literals.
        sql = f"SELECT id, kind, owner, number, crc, length(body) FROM {self._table}"  # noqa: S608
        for row, kind, owner, number, crc, size in self._database.read(sql):
            match (kind, owner, number, crc, size):
                case (bytes(), bytes(), int(), int(), int()):
                    key = Key(kind, owner, number)
                    if key in self.places:
                        self._misfits.append(Broken(row, key, "a key stands twice"))
                    else:
                        self.adopt({key: Place(row, crc, size)})
                case _:
                    self._misfits.append(Broken(row, None, "the row's fields are damaged"))

    def read(self) -> Iterator[tuple[Key, bytes] | Broken]:
        """Yield every sound blob in the order of keys, and every row that is not sound."""
        for key in sorted(self.places):
            body = self.get(key)
            yield body if isinstance(body, Broken) else (key, body)
        yield from self._misfits

    def get(self, key: Key) -> bytes | Broken:
        """Return one blob. The key must be on the shelf."""
        place = self.places[key]
        body = self.raw(place.row)
        if body is None:
            return Broken(place.row, key, "the row cannot be found")
        if shelf_crc(key.kind, key.owner, key.number, body) != place.crc:
            return Broken(place.row, key, "the checksum is wrong")
        return body

    def raw(self, row: int) -> bytes | None:
        """Return the bytes of a row's body as they are, None if there is no such row."""
        sql = f"SELECT CAST(body AS BLOB) FROM {self._table} WHERE id = ?"  # noqa: S608 - as above
        found: list[tuple[bytes | None]] = list(self._database.read(sql, row))
        return found[0][0] if found else None

    def write(self, items: Iterable[tuple[Key, bytes]]) -> dict[Key, Place]:
        """Insert or replace blobs in the present transaction; return their places to `adopt`."""
        change: dict[Key, Place] = {}
        for key, body in items:
            crc = shelf_crc(key.kind, key.owner, key.number, body)
            old = change.get(key) or self.places.get(key)
            if old is None:
                sql = f"INSERT INTO {self._table} VALUES (NULL, ?, ?, ?, ?, ?)"  # noqa: S608
                kind = key.kind.decode()
                row = self._database.write(sql, kind, key.owner, key.number, crc, body)
            else:
                row = old.row
                sql = f"UPDATE {self._table} SET crc = ?, body = ? WHERE id = ?"  # noqa: S608
                self._database.write(sql, crc, body, row)
            change[key] = Place(row, crc, len(body))
        return change

    def adopt(self, change: dict[Key, Place]) -> None:
        """Remember what a committed transaction wrote."""
        self._combined = self._combine(change)
        for key, place in change.items():
            old = self.places.get(key)
            self.size += place.size - (old.size if old else 0)
            self.places[key] = place

    def remove(self, keys: Iterable[Key]) -> None:
        """Delete blobs in the present transaction; `forget` them once it is known to be done."""
        for key in keys:
            self.delete(self.places[key].row)

    def forget(self, keys: Iterable[Key]) -> None:
        """Remember that a committed transaction deleted blobs."""
        for key in keys:
            place = self.places.pop(key)
            self.size -= place.size
            self._combined ^= place.crc

    def keys_of(self, owners: Iterable[bytes]) -> list[Key]:
        """Return the keys of all blobs of these owners, of whatever kind."""
        wanted = dict.fromkeys(owners)
        return [key for key in self.places if key.owner in wanted]

    def delete(self, row: int) -> None:
        """Delete a row in the present transaction; `load` again afterwards."""
        self._database.write(f"DELETE FROM {self._table} WHERE id = ?", row)  # noqa: S608

    def digest(self, change: dict[Key, Place], gone: Iterable[Key] = ()) -> bytes:
        """Return the manifest: number and combined checksums of all rows, after `change`.

        A row that vanished, or came back as it once was, shows in it. What is `gone` is deleted
        in the same transaction, and not in `change`.
        """
        number = len(self.places) + sum(key not in self.places for key in change)
        combined = self._combine(change)
        for key in gone:
            number -= 1
            combined ^= self.places[key].crc
        return _DIGEST.pack(number, combined)

    def _combine(self, change: dict[Key, Place]) -> int:
        combined = self._combined
        for key, place in change.items():
            old = self.places.get(key)
            combined ^= place.crc ^ (old.crc if old else 0)
        return combined
