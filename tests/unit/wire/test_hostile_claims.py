"""Claims and lists of members that nobody may send: an error each, before anything is built."""

from __future__ import annotations

import msgpack
import pytest
from samples import ALIVE, EPOCH, NODE, OTHER, SUSPECTED

from gcounterd.errors import PeerError
from gcounterd.links.limits import CONTROL_FRAME_BYTES_MAX
from gcounterd.members.claims import INCARNATION_MAX, Liveness
from gcounterd.node.messages import Gossip
from gcounterd.wire.codec import CLAIMS_MAX, decode, encode
from gcounterd.wire.frames import FRAME_BYTES_MAX, LENGTH_BYTES, Framer

GOSSIP, ROSTER = 15, 5
MANY = 1_000_000


def gossip(*rows: object) -> bytes:
    return msgpack.packb([GOSSIP, rows])


def row(**changes: object) -> list[object]:
    plain = {
        "node": OTHER,
        "epoch": EPOCH,
        "incarnation": 1,
        "liveness": 1,
        "accuser": NODE,
        "evidence": 0,
    }
    return list({**plain, **changes}.values())


def reason(body: bytes) -> str:
    with pytest.raises(PeerError) as raised:
        decode(body)
    return raised.value.reason


def test_a_claim_as_it_should_be_is_read() -> None:
    assert isinstance(decode(gossip(row(incarnation=INCARNATION_MAX))), Gossip)


@pytest.mark.parametrize(
    "incarnation", [INCARNATION_MAX + 1, 2**63 - 1, 2**63, 2**64 - 1, -1, True, 1.0, None, b"1"]
)
def test_an_incarnation_past_its_limit_or_that_is_none_is_refused(incarnation: object) -> None:
    assert reason(gossip(row(incarnation=incarnation))) == "bad_field"


@pytest.mark.parametrize(
    "changes",
    [
        {"liveness": 4},
        {"liveness": -1},
        {"liveness": True},
        {"evidence": 2},
        {"node": NODE[:15]},
        {"epoch": EPOCH + b"x"},
        {"accuser": b""},
        {"accuser": None},
        {"liveness": int(Liveness.ALIVE)},  # of which nobody is accused
        {"liveness": int(Liveness.LEFT)},
    ],
)
def test_a_claim_that_contradicts_itself_or_its_types_is_refused(changes: dict) -> None:
    assert reason(gossip(row(**changes))) == "bad_field"


def test_a_row_of_another_length_is_no_claim() -> None:
    assert reason(gossip(row()[:-1])) == "bad_shape"
    assert reason(gossip([*row(), 0])) == "bad_shape"
    assert reason(gossip(b"")) == "bad_shape"


def test_more_claims_than_fit_a_message_are_refused() -> None:
    assert isinstance(decode(gossip(*[row()] * CLAIMS_MAX)), Gossip)
    assert reason(gossip(*[row()] * (CLAIMS_MAX + 1))) == "bad_shape"


def test_as_many_claims_as_may_be_sent_fit_a_frame_of_control() -> None:
    assert len(encode(Gossip((SUSPECTED,) * CLAIMS_MAX))) <= CONTROL_FRAME_BYTES_MAX
    assert len(encode(Gossip((ALIVE,)))) < 100


@pytest.mark.parametrize("kind", [GOSSIP, ROSTER])
def test_a_list_of_a_million_members_ends_at_the_length_of_its_frame(kind: int) -> None:
    body = msgpack.packb([kind, [None] * MANY])
    framer = Framer()
    framer.raise_limit(FRAME_BYTES_MAX)
    framer.feed(len(body).to_bytes(LENGTH_BYTES, "big"))
    with pytest.raises(PeerError, match="frame_too_large"):
        next(framer)
    assert reason(body) == "frame_too_large"


@pytest.mark.parametrize("kind", [GOSSIP, ROSTER])
def test_a_list_that_says_it_is_longer_than_any_may_be_is_not_begun(kind: int) -> None:
    said = b"\x93" + bytes([kind]) + b"\xdd" + MANY.to_bytes(4, "big") + b"\xc0" * 100_000
    assert reason(said) in ("not_msgpack", "bad_shape")
