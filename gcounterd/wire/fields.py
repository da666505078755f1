"""Fields: the smallest things a peer can get wrong.

Every value that comes out of msgpack passes one of these before anything else sees it. They look
at exact types (a bool is not a number here) and at ranges, and give the value back with its type
known; what does not fit is a `PeerError`. `unpack` is the only place where bytes of strangers
meet a parser.

This module refuses to know messages.
"""

from __future__ import annotations

from typing import Any

import msgpack

from gcounterd.errors import PeerError
from gcounterd.ids import COLUMN_ID_BYTES, ID_BYTES, ColumnId, Epoch, NodeId
from gcounterd.members.roster import NAME_PATTERN

# Versions, heads and numbers of requests: what a signed 64-bit integer holds, on disk as well.
NUMBER_END = 2**63
# Longest host name that DNS allows is 253; with a port it would be 259, but no such name is in use
# and one byte then holds the length.
ADDRESS_CHARS_MAX = 255
# As long as a node's name may be: with the longest of both, the longest address and a token, a
# hello still fits HELLO_BYTES_MAX.
CLUSTER_BYTES_MAX = 64

_BROKEN = (ValueError, TypeError, OverflowError, RecursionError, MemoryError)


def unpack(body: bytes, items_max: int) -> tuple[Any, ...]:
    """Parse a body that must be one msgpack array, with at most `items_max` items in any array.

    Total: any bytes give a tuple of unchecked values or a `PeerError`. Maps and extensions are no
    part of the protocol: each empty map of one byte would become an object of 64, so the first one
    ends the parsing. A fresh parser per frame, since parsers have been unsafe after an error.
    """
    try:
        fields = msgpack.unpackb(
            body,
            use_list=False,
            max_array_len=items_max,
            max_map_len=0,
            max_ext_len=0,
            object_pairs_hook=_refuse_map,
        )
    except (*_BROKEN, msgpack.UnpackException) as error:
        raise PeerError("not_msgpack", str(error)) from None
    if type(fields) is not tuple or not fields:
        raise PeerError("bad_shape", "not an array")
    return fields


def _refuse_map(_: object) -> None:
    raise ValueError("maps are no part of the protocol")


def pack(fields: tuple[Any, ...]) -> bytes:
    """Write one msgpack array."""
    packed: bytes = msgpack.packb(fields)
    return packed


def bad_field(what: str) -> PeerError:
    """Make the error for a field that is not `what` it has to be."""
    return PeerError("bad_field", what)


def number(value: object) -> int:
    """Check an integer, 0 to 2^63 - 1."""
    if type(value) is not int or not 0 <= value < NUMBER_END:
        raise bad_field("a number is 0 to 2^63 - 1")
    return value


def flag(value: object) -> bool:
    """Check a boolean."""
    if type(value) is not bool:
        raise bad_field("a flag is true or false")
    return value


def exact(value: object, size: int) -> bytes:
    """Check bytes of exactly that length."""
    if type(value) is not bytes or len(value) != size:
        raise bad_field(f"not {size} bytes")
    return value


def node_id(value: object) -> NodeId:
    """Check the id of a node, 16 bytes."""
    return NodeId(exact(value, ID_BYTES))


def epoch_id(value: object) -> Epoch:
    """Check an epoch, 16 bytes."""
    return Epoch(exact(value, ID_BYTES))


def column(value: object) -> ColumnId:
    """Check the id of a column, 32 bytes."""
    return ColumnId(exact(value, COLUMN_ID_BYTES))


def member_name(value: object) -> str:
    """Check the name of a member against `NAME_PATTERN`."""
    if type(value) is not str or NAME_PATTERN.fullmatch(value) is None:
        raise bad_field("not a member's name")
    return value


def address(value: object) -> str:
    """Check an address: at most 255 printable ASCII characters, empty for none."""
    if type(value) is not str or len(value) > ADDRESS_CHARS_MAX:
        raise bad_field("not an address")
    if not (value.isascii() and value.isprintable()):
        raise bad_field("an address is printable ASCII")
    return value


def text(value: object, bytes_max: int) -> str:
    """Check words for people: printable, at most so many bytes of UTF-8.

    Printable, because they end in logs and on terminals.
    """
    if type(value) is not str or len(value.encode()) > bytes_max or not value.isprintable():
        raise bad_field(f"not printable text of at most {bytes_max} bytes")
    return value
