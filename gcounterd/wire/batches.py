"""Batches as one payload: what storage keeps of a commit.

    batch = [column, since, version, [block, …]]

A block's bytes are those it was cut with, here and in a `Push`. The number of blocks is free,
since a gathered delta may have many, while a frame carries one. This module refuses to know what
a block contains; `counters.batches` does.
"""

from __future__ import annotations

from typing import Any

import msgpack

from gcounterd.counters.batches import Batch, Block, read_block
from gcounterd.errors import PeerError
from gcounterd.wire import fields

# Far above any delta: 16 M counters with names of 1 KiB are 70,000 blocks.
BATCH_BLOCKS_MAX = 2**20
_FIELDS = 4


def encode_batch(batch: Batch) -> bytes:
    """Write a batch with all its blocks."""
    blocks = [block.encoded for block in batch.blocks]
    return fields.pack((batch.column, batch.since, batch.version, blocks))


def encode_head(batch: Batch) -> bytes:
    """Write what comes before the blocks, for a writer that adds them one by one."""
    numbers = [msgpack.packb(item) for item in (batch.column, batch.since, batch.version)]
    return b"\x94" + b"".join(numbers) + array_header(len(batch.blocks))


def array_header(length: int) -> bytes:
    """Return the header of msgpack's `array 32`, which fits any length that we write."""
    return b"\xdd" + length.to_bytes(4, "big")


def bin_header(size: int) -> bytes:
    """Return the header of msgpack's `bin 32`, which fits any size that we write."""
    return b"\xc6" + size.to_bytes(4, "big")


def decode_batch(payload: bytes) -> Batch:
    """Read what `encode_batch` wrote; anything else is a `PeerError`."""
    found = fields.unpack(payload, BATCH_BLOCKS_MAX)
    if len(found) != _FIELDS or type(found[3]) is not tuple:
        raise PeerError("bad_shape", "not a batch")
    return read_batch(*found)


def read_batch(column: object, since: object, version: object, blocks: tuple[Any, ...]) -> Batch:
    """Check the fields of a batch and read its blocks."""
    after, upto = fields.number(since), fields.number(version)
    if upto <= after:
        raise fields.bad_field("a batch's version is above what it starts from")
    return Batch(fields.column(column), after, upto, tuple([read_part(block) for block in blocks]))


def read_part(value: object) -> Block:
    """Check one block."""
    if type(value) is not bytes:
        raise fields.bad_field("a block is bytes")
    return read_block(value)
