"""Claims on the wire: what is said of members, as rows.

    claim = [node, epoch, incarnation, liveness, accuser or nil, evidence]

Whoever says *suspect* or *dead* says who accuses; the other claims are the member's own, and name
nobody. This module refuses to know which of two claims holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gcounterd.errors import PeerError
from gcounterd.members.claims import INCARNATION_MAX, Claim, Evidence, Liveness
from gcounterd.wire import fields

_FIELDS = 6
_LIVENESS = {int(each): each for each in Liveness}
_EVIDENCE = {int(each): each for each in Evidence}
_ACCUSED = (Liveness.SUSPECT, Liveness.DEAD)


def write_claims(claims: Iterable[Claim]) -> list[tuple[Any, ...]]:
    """Turn claims into rows for msgpack."""
    return [
        (
            claim.node,
            claim.epoch,
            claim.incarnation,
            int(claim.liveness),
            claim.accuser,
            int(claim.evidence),
        )
        for claim in claims
    ]


def read_claims(value: object, claims_max: int) -> tuple[Claim, ...]:
    """Check rows of claims, at most so many; raise `PeerError`."""
    if type(value) is not tuple or len(value) > claims_max:
        raise PeerError("bad_shape", f"not a list of at most {claims_max} claims")
    return tuple([_read_claim(row) for row in value])


def _read_claim(row: object) -> Claim:
    if type(row) is not tuple or len(row) != _FIELDS:
        raise PeerError("bad_shape", "not a claim")
    node, epoch, incarnation, liveness, accuser, evidence = row
    if type(liveness) is not int or liveness not in _LIVENESS:
        raise fields.bad_field("not a liveness")
    if type(evidence) is not int or evidence not in _EVIDENCE:
        raise fields.bad_field("not a kind of evidence")
    if fields.number(incarnation) > INCARNATION_MAX:
        raise fields.bad_field("an incarnation past its limit")
    said = _LIVENESS[liveness]
    if (accuser is not None) is not (said in _ACCUSED):
        raise fields.bad_field("who is suspect or dead has an accuser, and nobody else")
    return Claim(
        fields.node_id(node),
        fields.epoch_id(epoch),
        incarnation,
        said,
        None if accuser is None else fields.node_id(accuser),
        _EVIDENCE[evidence],
    )
