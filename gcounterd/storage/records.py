"""Records as bytes: the body of a journal row.

    group = msgpack [[kind, payload], …]      kind 1: a batch, 2: roster entries,
                                              3: approvals, 4: closings of columns, 5: receipts
    receipts = msgpack [first, [key, …], [body, …]]      `first` is 0 in a group

The other payloads are the wire's own encodings, so a batch is encoded once in its life. This module
is pure; it refuses to know where the bytes are kept.
"""

from __future__ import annotations

from typing import assert_never

import msgpack

from gcounterd.counters.batches import Batch
from gcounterd.errors import PeerError, StorageError
from gcounterd.node.receipts import Chunk, unpack
from gcounterd.node.records import (
    Group,
    Record,
    TakeApprovals,
    TakeBatch,
    TakeClosings,
    TakeEntries,
    TakeReceipts,
)
from gcounterd.wire.approvals import decode_approvals, encode_approvals
from gcounterd.wire.batches import (
    array_header,
    bin_header,
    decode_batch,
    encode_batch,
    encode_head,
)
from gcounterd.wire.entries import decode_entries, encode_entries
from gcounterd.wire.settled import decode_closings, encode_closings

_BATCH = 1
_ENTRIES = 2
_APPROVALS = 3
_CLOSINGS = 4
_RECEIPTS = 5
_PAIR = b"\x92"  # msgpack's header of an array of two


def encode_group(group: Group) -> bytes:
    """Write a group's records as one body.

    The body of a large delta is tens of megabytes: `join` copies it once, and lets the event loop
    go on meanwhile where another thread calls this.
    """
    pieces = [array_header(len(group.records))]
    for record in group.records:
        match record:
            case TakeBatch(batch) if len(batch.blocks) > 1:
                pieces += _pieces_of(batch)
            case TakeBatch(batch):
                pieces.append(msgpack.packb((_BATCH, encode_batch(batch))))
            case TakeClosings(closings):
                pieces.append(msgpack.packb((_CLOSINGS, encode_closings(closings))))
            case TakeEntries(entries):
                pieces.append(msgpack.packb((_ENTRIES, encode_entries(entries))))
            case TakeApprovals(approvals):
                pieces.append(msgpack.packb((_APPROVALS, encode_approvals(approvals))))
            case TakeReceipts(receipts):
                keys = tuple([each.claim.key for each in receipts])
                chunk = Chunk(0, keys, tuple([each.pack() for each in receipts]))
                pieces.append(msgpack.packb((_RECEIPTS, encode_receipts(chunk))))
            case _:
                assert_never(record)
    return b"".join(pieces)


def _pieces_of(batch: Batch) -> list[bytes]:
    pieces = [encode_head(batch)]
    for block in batch.blocks:
        pieces += bin_header(len(block.encoded)), block.encoded
    return [_PAIR + msgpack.packb(_BATCH) + bin_header(sum(map(len, pieces))), *pieces]


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
    if kind == _APPROVALS:
        return TakeApprovals(decode_approvals(payload))
    if kind == _CLOSINGS:
        return TakeClosings(decode_closings(payload))
    if kind == _RECEIPTS:
        chunk = decode_receipts(payload)
        return TakeReceipts(tuple(map(unpack, chunk.keys, chunk.bodies)))
    raise StorageError(f"a journal row holds a record of unknown kind {kind!r}")


def encode_receipts(chunk: Chunk) -> bytes:
    """Write packed receipts as one payload."""
    body: bytes = msgpack.packb((chunk.first, chunk.keys, chunk.bodies))
    return body


def decode_receipts(payload: bytes) -> Chunk:
    """Read packed receipts; raise `ValueError` if they are not ours."""
    try:
        first, keys, bodies = msgpack.unpackb(payload, raw=True)
        chunk = Chunk(first, tuple(keys), tuple(bodies))
        if type(first) is not int or first < 0:
            raise ValueError("receipts are numbered from 0")
        for key, body in zip(chunk.keys, chunk.bodies, strict=True):
            unpack(key, body)
    except (TypeError, msgpack.UnpackException) as error:
        raise ValueError(f"receipts cannot be read: {error}") from None
    return chunk
