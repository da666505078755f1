"""Checksums of rows.

Theory. A CRC of 32 bits sees every burst up to 32 bits and misses one in four billion of the
rest; it guards against disks, not against people. It covers the key before the body, so a sound
row in the wrong place is not sound. This module refuses to know where rows lie.
"""

from __future__ import annotations

import struct
import zlib

_JOURNAL_KEY = struct.Struct(">qqq")
_SHELF_KEY = struct.Struct(">IIq")


def journal_crc(row: int, parts: int, prev: int, body: bytes | memoryview) -> int:
    """Return the CRC of a journal row."""
    return zlib.crc32(body, zlib.crc32(_JOURNAL_KEY.pack(row, parts, prev)))


def shelf_crc(kind: bytes, owner: bytes, number: int, body: bytes) -> int:
    """Return the CRC of a row of images or settings."""
    key = _SHELF_KEY.pack(len(kind), len(owner), number)
    return zlib.crc32(body, zlib.crc32(owner, zlib.crc32(kind, zlib.crc32(key))))
