"""Records as bytes: the body of a journal row.

    group = msgpack [[kind, payload], …]      kind 1: a batch, 2: roster entries

The payloads are the wire's own encodings, so a batch is encoded once in its life. This module is
pure; it refuses to know where the bytes are kept.
"""

from __future__ import annotations

from typing import assert_never

import msgpack

from gcounterd.errors import PeerError, StorageError
from gcounterd.node.records import Group, Record, TakeBatch, TakeEntries
from gcounterd.wire.batches import decode_batch, encode_batch
from gcounterd.wire.entries import decode_entries, encode_entries

_BATCH = 1
_ENTRIES = 2


def encode_group(group: Group) -> bytes:
    """Write a group's records as one body."""
    body: bytes = msgpack.packb([_encode(record) for record in group.records])
    return body


def _encode(record: Record) -> tuple[int, bytes]:
    match record:
        case TakeBatch(batch):
            return _BATCH, encode_batch(batch)
        case TakeEntries(entries):
            return _ENTRIES, encode_entries(entries)
        case _:
            assert_never(record)


def decode_group(body: bytes) -> list[Record]:
    """Read a body; raise `StorageError` if it is not one of ours."""
    try:
        rows = msgpack.unpackb(body, raw=True)
        return [_decode(kind, payload) for kind, payload in rows]
    except (PeerError, ValueError, TypeError, msgpack.UnpackException) as error:
        raise StorageError(f"a journal row cannot be read: {error}") from None


def _decode(kind: int, payload: bytes) -> Record:
    if kind == _BATCH:
        return TakeBatch(decode_batch(payload))
    if kind == _ENTRIES:
        return TakeEntries(decode_entries(payload))
    raise StorageError(f"a journal row holds a record of unknown kind {kind!r}")
