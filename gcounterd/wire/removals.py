"""Removals: the messages by which counts are handed over and saved, as fields of msgpack and back.

A part of the codec, with the same rule: reading is total. This module refuses to know what follows
from any of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never

from gcounterd.errors import PeerError
from gcounterd.ids import COLUMN_ID_BYTES
from gcounterd.members.buckets import HASH_BYTES
from gcounterd.node.messages import RemovalMessage
from gcounterd.node.removal_messages import HandOver, Held, Saved
from gcounterd.wire import fields
from gcounterd.wire.heads import HEADS_MAX, read_columns, read_heads, write_heads

_HAND_OVER, _HELD, _SAVED = 26, 27, 28

_Fields = tuple[Any, ...]


def write_removal(message: RemovalMessage) -> _Fields:
    """Return the fields of a message about a removal, its type's number first."""
    match message:
        case HandOver(number, heads):
            return (_HAND_OVER, number, *write_heads(heads))
        case Held(number, heads, roster, refused):
            return (_HELD, number, *write_heads(heads), roster, b"".join(refused))
        case Saved(target, columns, removed, asks):
            return (_SAVED, target, columns, removed, asks)
        case _:
            assert_never(message)


def _read_hand_over(found: _Fields) -> RemovalMessage:
    return HandOver(fields.number(found[1]), read_heads(found[2], found[3]))


def _read_held(found: _Fields) -> RemovalMessage:
    _, number, columns, heads, roster, refused = found
    if type(refused) is not bytes or len(refused) > HEADS_MAX * COLUMN_ID_BYTES:
        raise fields.bad_field(f"not a string of at most {HEADS_MAX} columns")
    named = read_columns(refused, len(refused) // COLUMN_ID_BYTES)
    held = read_heads(columns, heads)
    if any(column not in held for column in named):
        raise PeerError("bad_shape", "a column is refused that was not asked about")
    return Held(fields.number(number), held, fields.exact(roster, HASH_BYTES), tuple(named))


def _read_saved(found: _Fields) -> RemovalMessage:
    _, target, columns, removed, asks = found
    return Saved(
        fields.node_id(target),
        fields.exact(columns, HASH_BYTES),
        fields.flag(removed),
        fields.flag(asks),
    )


# By type number: who reads it, and how many fields it has, the number included.
REMOVAL_READERS: dict[int, tuple[Callable[[_Fields], RemovalMessage], int]] = {
    _HAND_OVER: (_read_hand_over, 4),
    _HELD: (_read_held, 6),
    _SAVED: (_read_saved, 5),
}
