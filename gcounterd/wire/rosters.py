"""Rosters: the messages about who belongs, as fields of msgpack and back.

A part of the codec, with the same rule: reading is total. Sets of buckets and of members are bits
of a big-endian number. This module refuses to know what follows from any of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never

from gcounterd.members.buckets import BUCKET_HASH_BYTES, BUCKETS, HASH_BYTES
from gcounterd.members.roster import MEMBERS_MAX, Entry
from gcounterd.node.messages import (
    Holders,
    MembershipMessage,
    Roster,
    RosterDigest,
    RosterList,
    StateHash,
)
from gcounterd.wire import fields
from gcounterd.wire.entries import read_entries, write_entries

# Members in one message: as many as may write. 512 fit a frame whatever their names and addresses
# are; of 1,024 with addresses of ordinary length a quarter of a frame is filled.
ENTRIES_MAX = 1024
BUCKET_SET_BYTES = BUCKETS // 8
# A bit for each member that there can be.
HOLDERS_BYTES_MAX = MEMBERS_MAX // 8

_ROSTER, _STATE_HASH, _ROSTER_DIGEST, _ROSTER_LIST, _HOLDERS = 5, 7, 18, 19, 24

_Fields = tuple[Any, ...]


def write_membership(message: MembershipMessage) -> _Fields:
    """Return the fields of a message about the roster, its type's number first."""
    match message:
        case Roster(entries):
            return (_ROSTER, write_some(entries))
        case StateHash(roster, heads, settled, asks, approvals):
            return (_STATE_HASH, roster, heads, settled, asks, approvals)
        case RosterDigest(number, hashes):
            return (_ROSTER_DIGEST, number, hashes)
        case RosterList(number, buckets, whole, holds, left, entries):
            listed = buckets.to_bytes(BUCKET_SET_BYTES, "big")
            return (_ROSTER_LIST, number, listed, whole, holds, left, write_some(entries))
        case Holders(members, holders, asks):
            bits = holders.to_bytes((holders.bit_length() + 7) // 8, "big")
            return (_HOLDERS, members, bits, asks)
        case _:
            assert_never(message)


def write_some(entries: tuple[Entry, ...]) -> list[_Fields]:
    """Turn entries into rows; raise `ValueError` where no peer would take so many."""
    if len(entries) > ENTRIES_MAX:
        raise ValueError(f"{len(entries)} entries in one message")
    return write_entries(entries)


def _read_roster(found: _Fields) -> MembershipMessage:
    return Roster(read_entries(found[1], ENTRIES_MAX))


def _read_state_hash(found: _Fields) -> MembershipMessage:
    roster, heads, settled = [fields.exact(found[at], HASH_BYTES) for at in (1, 2, 3)]
    approvals = b"" if found[5] == b"" else fields.exact(found[5], HASH_BYTES)
    return StateHash(roster, heads, settled, fields.flag(found[4]), approvals)


def _read_roster_digest(found: _Fields) -> MembershipMessage:
    return RosterDigest(
        fields.number(found[1]), fields.exact(found[2], BUCKETS * BUCKET_HASH_BYTES)
    )


def _read_roster_list(found: _Fields) -> MembershipMessage:
    _, number, buckets, whole, holds, left, entries = found
    return RosterList(
        fields.number(number),
        int.from_bytes(fields.exact(buckets, BUCKET_SET_BYTES), "big"),
        fields.flag(whole),
        fields.flag(holds),
        fields.number(left),
        read_entries(entries, ENTRIES_MAX),
    )


def _read_holders(found: _Fields) -> MembershipMessage:
    _, members, holders, asks = found
    if type(holders) is not bytes or len(holders) > HOLDERS_BYTES_MAX:
        raise fields.bad_field(f"not a set of at most {MEMBERS_MAX} members")
    return Holders(
        fields.exact(members, HASH_BYTES), int.from_bytes(holders, "big"), fields.flag(asks)
    )


# By type number: who reads it, and how many fields it has, the number included.
MEMBERSHIP_READERS: dict[int, tuple[Callable[[_Fields], MembershipMessage], int]] = {
    _ROSTER: (_read_roster, 2),
    _STATE_HASH: (_read_state_hash, 6),
    _ROSTER_DIGEST: (_read_roster_digest, 3),
    _ROSTER_LIST: (_read_roster_list, 7),
    _HOLDERS: (_read_holders, 4),
}
