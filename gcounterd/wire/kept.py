"""Kept: the messages by which a writer learns who holds its increments, as fields and back.

A part of the codec, with the same rule: reading is total. This module refuses to know what follows
from any of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never

from gcounterd.node.kept_messages import AskKept, Kept
from gcounterd.node.messages import KeptMessage
from gcounterd.wire.heads import read_heads, write_heads

_ASK_KEPT, _KEPT = 32, 33

_Fields = tuple[Any, ...]


def write_kept(message: KeptMessage) -> _Fields:
    """Return the fields of a message, its type's number first."""
    match message:
        case AskKept(heads):
            return (_ASK_KEPT, *write_heads(heads))
        case Kept(heads):
            return (_KEPT, *write_heads(heads))
        case _:
            assert_never(message)


def _read_ask_kept(found: _Fields) -> KeptMessage:
    return AskKept(read_heads(found[1], found[2]))


def _read_kept(found: _Fields) -> KeptMessage:
    return Kept(read_heads(found[1], found[2]))


# By type number: who reads it, and how many fields it has, the number included.
KEPT_READERS: dict[int, tuple[Callable[[_Fields], KeptMessage], int]] = {
    _ASK_KEPT: (_read_ask_kept, 3),
    _KEPT: (_read_kept, 3),
}
