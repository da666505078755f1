"""Records as bytes: the body of a journal row.

    group = msgpack [[kind, payload], …]      kind 1: a batch, 2: roster entries,
                                              3: approvals, 4: closings of columns

The payloads are the wire's own encodings, so a batch is encoded once in its life. This module is
pure; it refuses to know where the bytes are kept.
"""

from __future__ import annotations

from typing import assert_never

import msgpack

from gcounterd.counters.batches import Batch
from gcounterd.errors import PeerError, StorageError
from gcounterd.node.records import (
    Group,
    Record,
    TakeApprovals,
    TakeBatch,
    TakeClosings,
    TakeEntries,
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
_PAIR = b"\x92"  # msgpack's header of an array of two


def encode_group(group: Group) -> bytes:
    """Write a group's records as one body.

    The body of a large delta is tens of megabytes: it is put together block by block, so that
    another thread may do it while the event loop goes on.
    """
    body = bytearray(array_header(len(group.records)))
    for record in group.records:
        match record:
            case TakeBatch(batch) if len(batch.blocks) > 1:
                _add_blocks(body, batch)
            case TakeBatch(batch):
                body += msgpack.packb((_BATCH, encode_batch(batch)))
            case TakeClosings(closings):
                body += msgpack.packb((_CLOSINGS, encode_closings(closings)))
            case TakeEntries(entries):
                body += msgpack.packb((_ENTRIES, encode_entries(entries)))
            case TakeApprovals(approvals):
                body += msgpack.packb((_APPROVALS, encode_approvals(approvals)))
            case _:
                assert_never(record)
    return bytes(body)


def _add_blocks(body: bytearray, batch: Batch) -> None:
    head = encode_head(batch)
    blocks = [(bin_header(len(block.encoded)), block.encoded) for block in batch.blocks]
    size = len(head) + sum(len(header) + len(encoded) for header, encoded in blocks)
    body += _PAIR + msgpack.packb(_BATCH) + bin_header(size) + head
    for header, encoded in blocks:
        body += header
        body += encoded


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
    raise StorageError(f"a journal row holds a record of unknown kind {kind!r}")
