"""Entries: members of the roster as bytes, on the wire and on disk.

    entry = [node, epoch, revision, name, address, state, heir or nil, forced, released]

The same rows stand in messages and in the payload that storage keeps; there they may lack the last
fields, as versions before wrote them. This module refuses to know what merging entries means.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from gcounterd.errors import PeerError
from gcounterd.members.roster import Entry, State
from gcounterd.wire import fields

_FIELDS = 9
# What rows of earlier versions lack at their end.
_SINCE_THEN: dict[int, tuple[object, ...]] = {7: (False, b""), 8: (b"",)}
_STATES = {int(state): state for state in State}
# Rows that are remembered as the entries they are: in a large cluster each is told by many peers.
# The oldest goes first.
ROWS_KEPT_MAX = 8192


def encode_entries(entries: Iterable[Entry]) -> bytes:
    """Write any number of entries as one payload."""
    return fields.pack(("entries", write_entries(entries)))


def decode_entries(payload: bytes) -> tuple[Entry, ...]:
    """Read what `encode_entries` wrote; anything else is a `PeerError`.

    The number of entries is bounded by the payload alone, since what we wrote ourselves must be
    readable however large the roster has become.
    """
    found = fields.unpack(payload, max(len(payload), 1))
    if len(found) != 2 or found[0] != "entries":
        raise PeerError("bad_shape", "not entries")
    rows = found[1]
    if type(rows) is tuple:
        rows = tuple([_renewed(row) for row in rows])
    return read_entries(rows, len(payload))


def _renewed(row: object) -> object:
    return (*row, *_SINCE_THEN.get(len(row), ())) if isinstance(row, tuple) else row


def write_entries(entries: Iterable[Entry]) -> list[tuple[Any, ...]]:
    """Turn entries into rows for msgpack."""
    return [
        (
            entry.node,
            entry.epoch,
            entry.revision,
            entry.name,
            entry.address,
            int(entry.state),
            entry.heir,
            entry.forced,
            entry.released,
        )
        for entry in entries
    ]


def read_entries(value: object, entries_max: int) -> tuple[Entry, ...]:
    """Check rows of entries: at most so many, each member once."""
    if type(value) is not tuple or len(value) > entries_max:
        raise PeerError("bad_shape", f"not a list of at most {entries_max} entries")
    entries = tuple([_read_entry(row) for row in value])
    if len({entry.node for entry in entries}) != len(entries):
        raise PeerError("bad_shape", "a member stands twice")
    return entries


def _read_entry(row: object) -> Entry:
    if type(row) is not tuple or len(row) != _FIELDS:
        raise PeerError("bad_shape", "not an entry")
    return _make_entry(*row)


@lru_cache(ROWS_KEPT_MAX, typed=True)
def _make_entry(
    node: object,
    epoch: object,
    revision: object,
    name: object,
    address: object,
    state: object,
    heir: object,
    forced: object,
    released: object,
) -> Entry:
    if type(state) is not int or state not in _STATES:
        raise fields.bad_field("not a member's state")
    return Entry(
        fields.node_id(node),
        fields.epoch_id(epoch),
        fields.number(revision),
        fields.member_name(name),
        fields.address(address),
        _STATES[state],
        None if heir is None else fields.node_id(heir),
        fields.flag(forced),
        b"" if released == b"" else fields.epoch_id(released),
    )
