"""Settled columns as bytes: in messages, and as a record of the journal.

A part of the codec, with the same rule: reading is total. Columns go as one string, their versions
and finals as lists in the same order, and a byte each that says whether it is forgotten. The names
of sources follow where any of them was imported: a list in that order, "" for the others. This
module refuses to know what follows from any of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import attrs

from gcounterd.counters.imports import SOURCE_BYTES_MAX, is_source_of
from gcounterd.counters.ranges import SUM_BYTES
from gcounterd.counters.settled import Closing, Line
from gcounterd.errors import PeerError
from gcounterd.ids import COLUMN_ID_BYTES, ColumnId, node_of
from gcounterd.node.settled_messages import (
    LINES_MAX,
    LINES_OF_NODE_PER_MESSAGE,
    PARTS_MAX,
    Lines,
    Settled,
    SettledDiffer,
    SettledSums,
)
from gcounterd.wire import fields

SETTLED, SETTLED_SUMS, SETTLED_DIFFER = 36, 42, 43
SETTLED_FIELDS, SETTLED_SUMS_FIELDS, SETTLED_DIFFER_FIELDS = 9, 4, 4
LINES = 31
LINES_FIELDS = 9
# Closings of one record: what peers can tell between two commits is bounded by the intake.
CLOSINGS_MAX = 1 << 20

_Fields = tuple[Any, ...]


def write_settled(message: Settled) -> _Fields:
    """Return the fields of a message about settled columns, its type's number first."""
    lines = message.lines
    if len(lines) > LINES_MAX:
        raise ValueError(f"{len(lines)} columns in one message")
    sources = _write_sources([line.source for line in lines.values()])
    return (SETTLED, message.after, message.upto, *_write_lines(lines), message.asks, sources)


def _write_lines(lines: dict[ColumnId, Line]) -> _Fields:
    return (
        b"".join(lines),
        [line.version for line in lines.values()],
        [line.final for line in lines.values()],
        bytes(line.forgotten for line in lines.values()),
    )


def read_settled(found: _Fields) -> Settled:
    """Read a message about settled columns."""
    _, after, upto, joined, versions, finals, forgotten, asks, sources = found
    lines = _read_lines(joined, versions, finals, forgotten, LINES_MAX)
    names = _read_sources(sources, list(lines))
    lines = {c: attrs.evolve(line, source=names.get(c, "")) for c, line in lines.items()}
    return Settled(_bound(after), _bound(upto), lines, fields.flag(asks))


def _write_sources(sources: list[str]) -> list[str]:
    return sources if any(sources) else []


def _read_sources(found: object, columns: Sequence[ColumnId]) -> dict[ColumnId, str]:
    """Read the names of sources, each of which must be that of its column."""
    if type(found) is not tuple or len(found) not in (0, len(columns)):
        raise PeerError("bad_shape", "not the names of as many sources")
    names: dict[ColumnId, str] = {}
    for column, source in zip(columns, found, strict=False):
        if type(source) is not str or len(source.encode()) > SOURCE_BYTES_MAX:
            raise PeerError("bad_source", f"not text of at most {SOURCE_BYTES_MAX} bytes")
        if source and not is_source_of(source, node_of(column)):
            raise PeerError("bad_source", "the name of another source")
        names[column] = source
    return names


def write_lines(message: Lines) -> _Fields:
    """Return the fields of a message with the lines of a node, its type's number first."""
    if len(message.lines) > LINES_OF_NODE_PER_MESSAGE:
        raise ValueError(f"{len(message.lines)} columns in one message")
    told = _write_lines(message.lines)
    return (LINES, message.node, message.number, message.last, message.reply, *told)


def read_lines(found: _Fields) -> Lines:
    """Read a message with the lines of a node."""
    _, node, number, last, reply, *told = found
    joined, versions, finals, forgotten = told
    return Lines(
        fields.node_id(node),
        fields.number(number),
        fields.flag(last),
        fields.flag(reply),
        _read_lines(joined, versions, finals, forgotten, LINES_OF_NODE_PER_MESSAGE),
    )


def _read_lines(
    joined: object, versions: object, finals: object, forgotten: object, most: int
) -> dict[ColumnId, Line]:
    if type(versions) is not tuple or type(finals) is not tuple or len(versions) > most:
        raise PeerError("bad_shape", f"not lists of at most {most} columns")
    columns = _columns(joined, len(versions))
    marks = fields.exact(forgotten, len(versions))
    if len(finals) != len(versions) or not set(marks) <= {0, 1}:
        raise PeerError("bad_shape", "lists of different lengths")
    lines = {
        column: Line(fields.number(version), fields.number(final), forgotten=bool(mark))
        for column, version, final, mark in zip(columns, versions, finals, marks, strict=True)
    }
    if len(lines) != len(columns):
        raise PeerError("bad_shape", "a column stands twice")
    return lines


def write_settled_sums(message: SettledSums) -> _Fields:
    """Return the fields of sums over ranges of settled columns, its type's number first."""
    if not 1 <= len(message.ends) <= PARTS_MAX:
        raise ValueError(f"sums over {len(message.ends)} ranges")
    return (SETTLED_SUMS, message.after, b"".join(message.ends), message.sums)


def read_settled_sums(found: _Fields) -> SettledSums:
    """Read sums over ranges, which must follow each other."""
    _, after, joined, sums = found
    number = len(joined) // COLUMN_ID_BYTES if type(joined) is bytes else 0
    if not 1 <= number <= PARTS_MAX:
        raise PeerError("bad_shape", f"not sums over at most {PARTS_MAX} ranges")
    ends = _columns(joined, number)
    message = SettledSums(_bound(after), tuple(ends), fields.exact(sums, SUM_BYTES * number))
    if any(one >= two for one, two in pairwise([message.after, *ends])):
        raise PeerError("bad_shape", "ranges that do not follow each other")
    return message


def write_settled_differ(message: SettledDiffer) -> _Fields:
    """Return the fields of an answer to sums, its type's number first."""
    bits = message.differ.to_bytes(PARTS_MAX // 8, "big")
    return (SETTLED_DIFFER, message.after, message.upto, bits)


def read_settled_differ(found: _Fields) -> SettledDiffer:
    """Read which ranges differ."""
    _, after, upto, bits = found
    differ = int.from_bytes(fields.exact(bits, PARTS_MAX // 8), "big")
    return SettledDiffer(_bound(after), fields.column(upto), differ)


def _bound(value: object) -> bytes:
    return b"" if value == b"" else fields.column(value)


def _columns(joined: object, number: int) -> list[ColumnId]:
    data = fields.exact(joined, COLUMN_ID_BYTES * number)
    return [
        ColumnId(data[at : at + COLUMN_ID_BYTES]) for at in range(0, len(data), COLUMN_ID_BYTES)
    ]


def encode_closings(closings: Sequence[Closing]) -> bytes:
    """Write closings as the body of a record."""
    columns = b"".join([closing.column for closing in closings])
    sources = _write_sources([closing.source for closing in closings])
    finals = [closing.final for closing in closings]
    return fields.pack((columns, finals, sources) if sources else (columns, finals))


def decode_closings(body: bytes) -> tuple[Closing, ...]:
    """Read the body of a record; raise `PeerError` if it is not one of ours."""
    found = fields.unpack(body, CLOSINGS_MAX)
    if len(found) not in (2, 3) or type(found[1]) is not tuple:
        raise PeerError("bad_shape", "not closings")
    columns = _columns(found[0], len(found[1]))
    finals = [fields.number(final) for final in found[1]]
    names = _read_sources(found[2] if len(found) > 2 else (), columns)
    named = zip(columns, finals, strict=True)
    return tuple([Closing(c, final, names.get(c, "")) for c, final in named])
