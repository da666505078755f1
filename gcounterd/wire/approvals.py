"""Approvals: who may join, as bytes, on the wire and on disk.

    approval = [name, token hash, expires in ms, used by or nil]

The same rows stand in messages and in the payload that storage keeps. This module refuses to know
what an approval is good for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gcounterd.errors import PeerError
from gcounterd.members.approvals import APPROVALS_MAX, TOKEN_HASH_BYTES, Approval
from gcounterd.wire import fields

_FIELDS = 4


def encode_approvals(approvals: Iterable[Approval]) -> bytes:
    """Write approvals as one payload."""
    return fields.pack(("approvals", write_approvals(approvals)))


def decode_approvals(payload: bytes) -> tuple[Approval, ...]:
    """Read what `encode_approvals` wrote; anything else is a `PeerError`."""
    found = fields.unpack(payload, APPROVALS_MAX)
    if len(found) != 2 or found[0] != "approvals":
        raise PeerError("bad_shape", "not approvals")
    return read_approvals(found[1])


def write_approvals(approvals: Iterable[Approval]) -> list[tuple[Any, ...]]:
    """Turn approvals into rows for msgpack."""
    return [(each.name, each.token_hash, each.expires_ms, each.used_by) for each in approvals]


def read_approvals(value: object) -> tuple[Approval, ...]:
    """Check rows of approvals: at most as many as a table holds, each once."""
    if type(value) is not tuple or len(value) > APPROVALS_MAX:
        raise PeerError("bad_shape", f"not a list of at most {APPROVALS_MAX} approvals")
    approvals = tuple([_read_approval(row) for row in value])
    if len({approval.key for approval in approvals}) != len(approvals):
        raise PeerError("bad_shape", "an approval stands twice")
    return approvals


def _read_approval(row: object) -> Approval:
    if type(row) is not tuple or len(row) != _FIELDS:
        raise PeerError("bad_shape", "not an approval")
    name, token_hash, expires_ms, used_by = row
    return Approval(
        fields.member_name(name),
        fields.exact(token_hash, TOKEN_HASH_BYTES),
        fields.number(expires_ms),
        None if used_by is None else fields.node_id(used_by),
    )
