"""The store's shape: file names, format numbers, tables, and the records that cross its border.

Theory. SQLite is used as a journal that others wrote and tested: a few tables of checksummed
blobs, one writer, and no query that a key look-up would not do. Every row carries a CRC over its
key *and* its body, because SQLite has no checksum of its own outside the log, and a row that
turns up under another row's key must be seen too. Against rows that vanish or come back in an
older version, journal rows name their predecessor and the images have a manifest.

    journal    id = seq << 12 | part, so that key order is (seq, part) order; prev names the group
               before; a *hole* (parts = 0) stands for a group that was set aside
    images     what a checkpoint wrote, by (kind, owner, number)
    settings   small values, of the same form: kind "setting" (the identity), "value" (others'
               small facts), "store" (this room's own)

Images and settings have no index of their own: their keys are few, are read at open and kept in
memory. So no index can disagree with its table.

This module refuses to know connections, threads and what the blobs mean.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Generator, Iterator

import attrs

from gcounterd.counters.images import Image
from gcounterd.ids import ColumnId

STORE_FILE = "store.db"
LOG_FILE = "store.db-wal"
# A log with damage in it, kept from SQLite, which would overwrite it, until it is set aside.
DAMAGED_LOG_FILE = "store.db-wal.damaged"
NEW_STORE_FILE = "store.db.new"
LOCK_FILE = "lock"
DAMAGED_FOLDER = "damaged"

APPLICATION_ID = 0x67637472  # "gctr", in the file's header, so that `file` and we can tell
FORMAT = 1

# Small enough that a commit of one page writes 4 KiB, the unit of the disks below.
PAGE_BYTES = 4096
# A group larger than this is cut into several rows: bounds what one row makes SQLite copy.
PART_BYTES_MAX = 4 * 1024 * 1024
PART_BITS = 12
# One group commit: a whole delta of 512 MiB, the most that a node stages, and a full intake and
# flush beside it.
GROUP_BYTES_MAX = 768 * 1024 * 1024
# One image; 65,536 names of 1,024 bytes, the worst segment of the key index, take a quarter.
IMAGE_BYTES_MAX = 256 * 1024 * 1024
# Settings and small values: a last-known address list of 4,096 members fits.
VALUE_BYTES_MAX = 1024 * 1024
# They are kept in memory; a caller that needs more has a use for images instead.
VALUES_MAX = 1024
# What fits an id beside its part number.
SEQ_MAX = 2 ** (63 - PART_BITS) - 1

TABLES = (
    """CREATE TABLE journal (
        id INTEGER PRIMARY KEY, parts INTEGER NOT NULL, prev INTEGER NOT NULL,
        crc INTEGER NOT NULL, body BLOB NOT NULL) STRICT""",
    """CREATE TABLE images (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, owner BLOB NOT NULL, number INTEGER NOT NULL,
        crc INTEGER NOT NULL, body BLOB NOT NULL) STRICT""",
    """CREATE TABLE settings (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, owner BLOB NOT NULL, number INTEGER NOT NULL,
        crc INTEGER NOT NULL, body BLOB NOT NULL) STRICT""",
)


class Durability(enum.StrEnum):
    """When an increment is answered: after fsync, before it, or without a disk."""

    COMMIT = "commit"
    RELAXED = "relaxed"
    MEMORY = "memory"


@attrs.frozen
class Settings:
    """Who this directory is. All of it is there or none.

    store_id        16 bytes, drawn when the directory was first used
    node_id         16 bytes, this node for as long as the directory lives
    epoch           16 bytes, the last epoch that a process on this directory drew
    identity_state  a short word of the caller's, such as how far it has joined
    """

    store_id: bytes
    node_id: bytes
    name: str
    cluster: str
    epoch: bytes
    identity_state: str = ""


@attrs.frozen
class Damage:
    """One thing in the store that is not what was written. It is never handed out as content.

    what  "journal", an image kind ("image" if that is unreadable), "images" (the set of them),
          "setting", or "log" (SQLite's write-ahead log)
    key   journal: the group's seq · image: (column, number) · else: a name
    text  for people: what is wrong
    """

    what: str
    key: int | str | tuple[bytes, int]
    text: str


@attrs.frozen
class Recovered:
    """What a directory holds.

    settings  None if the directory is new, or if `damage` names a setting: look there first
    images    each sound image, sorted by kind, column and number
    groups    (seq, body) of each sound group not yet trimmed, by rising seq; close it if it is
              not read to its end
    again     yields the sound images once more, and reports no damage
    read      returns the images of the segments of a column of so many positions
    damage    complete once `images` and `groups` are exhausted, in that order
    torn      "" or a sentence: the log ends in a transaction that is not whole. A crash during a
              write leaves this; so does damage to the very last commit, and nothing on one disk
              can tell the two apart. Worth a line in the log, no reason to stop.
    """

    settings: Settings | None
    images: Iterator[Image]
    groups: Generator[tuple[int, bytes], None, None]
    damage: list[Damage]
    again: Callable[[], Iterator[Image]]
    read: Callable[[ColumnId, int], list[Image]]
    torn: str = ""
