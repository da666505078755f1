"""Readings: the question and the answer of consistent reads, as fields of msgpack and back.

A part of the codec, with the same rule: reading is total. This module refuses to know what follows
from any of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never

from gcounterd.counters.settled import HASH_BYTES as SETTLED_HASH_BYTES
from gcounterd.ids import COLUMN_ID_BYTES, ID_BYTES
from gcounterd.members.buckets import HASH_BYTES
from gcounterd.node.messages import ReadingMessage
from gcounterd.node.reading_messages import Answer, Ask
from gcounterd.wire import fields
from gcounterd.wire.entries import read_entries
from gcounterd.wire.heads import read_heads, write_heads
from gcounterd.wire.rosters import ENTRIES_MAX, write_some

# 11 and 12 were theirs when a question had one answer.
_ASK, _ANSWER = 34, 35

_Fields = tuple[Any, ...]


def write_reading(message: ReadingMessage) -> _Fields:
    """Return the fields of a message of a read, its type's number first."""
    match message:
        case Ask(number, heads, settled, members, after):
            return (_ASK, number, *write_heads(heads), settled, members, after)
        case Answer(number, heads, entries, upto):
            return (_ANSWER, number, *write_heads(heads), write_some(entries), upto)
        case _:
            assert_never(message)


def _read_ask(found: _Fields) -> ReadingMessage:
    _, number, columns, heads, settled, members, after = found
    return Ask(
        fields.number(number),
        read_heads(columns, heads),
        fields.exact(settled, SETTLED_HASH_BYTES),
        fields.exact(members, HASH_BYTES),
        _read_place(after),
    )


def _read_answer(found: _Fields) -> ReadingMessage:
    _, number, columns, heads, entries, upto = found
    return Answer(
        fields.number(number),
        read_heads(columns, heads),
        read_entries(entries, ENTRIES_MAX),
        _read_place(upto),
    )


def _read_place(value: object) -> bytes:
    """Check where a part of an answer ends: at no place, a node id, or a column."""
    if type(value) is not bytes or len(value) not in (0, ID_BYTES, COLUMN_ID_BYTES):
        raise fields.bad_field("a place is empty, a node id or a column")
    return value


# By type number: who reads it, and how many fields it has, the number included.
READING_READERS: dict[int, tuple[Callable[[_Fields], ReadingMessage], int]] = {
    _ASK: (_read_ask, 7),
    _ANSWER: (_read_answer, 6),
}
