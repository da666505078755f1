"""Tree: the messages of a crowd that passes on what is new, as fields and back.

A part of the codec, with the same rule: reading is total. Batches of many columns go in one flat
list of four items each, [column, version, versions since, block, …]: each is mostly the name of its
column, so nothing is spent beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never

from gcounterd.counters.batches import Batch
from gcounterd.errors import PeerError
from gcounterd.node.messages import TreeMessage
from gcounterd.node.tree_messages import PASSED_BATCHES_MAX, Beacon, Graft, PassOn, Prune
from gcounterd.wire import fields
from gcounterd.wire.batches import read_batch

PASS_ON, _BEACON, _PRUNE, _GRAFT = range(38, 42)
_ITEMS = 4

_Fields = tuple[Any, ...]


def write_tree(message: TreeMessage) -> _Fields:
    """Return the fields of a message, its type's number first."""
    match message:
        case PassOn(batches):
            return (PASS_ON, [item for batch in batches for item in _items(batch)])
        case Beacon(root, number):
            return (_BEACON, root, number)
        case Prune():
            return (_PRUNE,)
        case Graft():
            return (_GRAFT,)
        case _:
            assert_never(message)


def _items(batch: Batch) -> tuple[bytes, int, int, bytes]:
    (block,) = batch.blocks
    return batch.column, batch.version, batch.version - batch.since, block.encoded


def _read_pass_on(found: _Fields) -> TreeMessage:
    items = found[1]
    if type(items) is not tuple or len(items) % _ITEMS:
        raise PeerError("bad_shape", "not a list of batches")
    if not 0 < len(items) <= _ITEMS * PASSED_BATCHES_MAX:
        raise PeerError("bad_shape", f"not 1 to {PASSED_BATCHES_MAX} batches")
    batches = [_read_batch(*items[at : at + _ITEMS]) for at in range(0, len(items), _ITEMS)]
    return PassOn(tuple(batches))


def _read_batch(column: object, version: object, since: object, block: object) -> Batch:
    upto, versions = fields.number(version), fields.number(since)
    return read_batch(column, upto - versions, upto, (block,))


def _read_beacon(found: _Fields) -> TreeMessage:
    return Beacon(fields.column(found[1]), fields.number(found[2]))


def _read_prune(_: _Fields) -> TreeMessage:
    return Prune()


def _read_graft(_: _Fields) -> TreeMessage:
    return Graft()


# By type number: who reads it, and how many fields it has, the number included.
TREE_READERS: dict[int, tuple[Callable[[_Fields], TreeMessage], int]] = {
    PASS_ON: (_read_pass_on, 2),
    _BEACON: (_read_beacon, 3),
    _PRUNE: (_read_prune, 1),
    _GRAFT: (_read_graft, 1),
}
