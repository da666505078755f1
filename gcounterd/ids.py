"""Identifiers: nodes, epochs, columns.

Theory. A *node id* is drawn once and lives in the data directory. An *epoch* is one life of a
process: 48 bits of milliseconds and 80 random bits, the layout of a ULID, so epochs of one node
sort by start time and two processes never share one, not even on a cloned disk. A *column id* is
the pair; it names the only writer that the column will ever have.

All three are `bytes` at run time: they hash once, sort in their meaning, and go on the wire as
they are. This module refuses to know a clock or a source of randomness; both are arguments.
"""

from __future__ import annotations

from typing import NewType

NodeId = NewType("NodeId", bytes)
Epoch = NewType("Epoch", bytes)
ColumnId = NewType("ColumnId", bytes)

ID_BYTES = 16
COLUMN_ID_BYTES = 2 * ID_BYTES
_RANDOM_BITS = 80
# The last millisecond that fits an epoch; nobody can go above an epoch of it.
LAST_MS = 2**48 - 1


def column_id(node: NodeId, epoch: Epoch) -> ColumnId:
    """Name the column that `node` writes in `epoch`."""
    return ColumnId(node + epoch)


def node_of(column: ColumnId) -> NodeId:
    """Say whose column this is."""
    return NodeId(column[:ID_BYTES])


def epoch_of(column: ColumnId) -> Epoch:
    """Say in which life of its node the column was written."""
    return Epoch(column[ID_BYTES:])


def ms_of(epoch: Epoch) -> int:
    """Return the milliseconds in an epoch: when it was drawn, or one above another's."""
    return int.from_bytes(epoch[: ID_BYTES - _RANDOM_BITS // 8], "big")


def draw_epoch(now_ms: int, random_bits: int, above: Epoch | None = None) -> Epoch:
    """Make an epoch from wall milliseconds and at least 80 random bits, above `above` if given.

    A host whose clock is behind its own last life starts one millisecond after it; the random
    bits are always fresh, so that two hosts told of the same epoch cannot draw the same one.
    """
    ms = now_ms
    if above is not None:
        ms = max(ms, ms_of(above) + 1)
    if not 0 <= ms <= LAST_MS:
        raise ValueError(f"{ms} ms does not fit an epoch's 48 bits")
    low = random_bits & ((1 << _RANDOM_BITS) - 1)
    return Epoch((ms << _RANDOM_BITS | low).to_bytes(ID_BYTES, "big"))


def show(identifier: bytes) -> str:
    """Write an id for people: lower-case hex."""
    return identifier.hex()
