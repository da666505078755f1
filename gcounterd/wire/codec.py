"""The codec: messages to frames and bodies to messages.

    body = msgpack [type, field, …]

Theory. Decoding is total: any bytes give a message that keeps every promise of its class, or a
`PeerError`; there is no third outcome, so whatever lies behind this room never meets a value it
has to doubt. Each type has a number that is never used again and a fixed number of fields. The
first frame of a connection is read elsewhere (`wire.hellos`).

This module refuses to know who sent what, and what a message is for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never

from gcounterd.errors import PeerError
from gcounterd.members.buckets import BUCKETS
from gcounterd.members.claims import Claim
from gcounterd.members.table import SUM_BYTES
from gcounterd.node.messages import (
    KEPT_MESSAGES,
    MEMBERSHIP_MESSAGES,
    READING_MESSAGES,
    REMOVAL_MESSAGES,
    TREE_MESSAGES,
    Ack,
    Approvals,
    Bye,
    Digest,
    Gossip,
    Here,
    Message,
    Nack,
    Part,
    Ping,
    PingFor,
    Push,
    Survey,
    Want,
    Who,
)
from gcounterd.node.settled_messages import AskLines, Lines, Settled, SettledDiffer, SettledSums
from gcounterd.wire import fields, frames
from gcounterd.wire.approvals import read_approvals, write_approvals
from gcounterd.wire.batches import read_batch, read_part
from gcounterd.wire.claims import read_claims, write_claims
from gcounterd.wire.heads import HEADS_MAX, read_heads, write_heads
from gcounterd.wire.hellos import HELLO, HELLO_FIELDS, REFUSAL, REFUSAL_FIELDS
from gcounterd.wire.kept import KEPT_READERS, write_kept
from gcounterd.wire.readings import READING_READERS, write_reading
from gcounterd.wire.removals import REMOVAL_READERS, write_removal
from gcounterd.wire.rosters import MEMBERSHIP_READERS, write_membership
from gcounterd.wire.settled import (
    LINES,
    LINES_FIELDS,
    SETTLED,
    SETTLED_DIFFER,
    SETTLED_DIFFER_FIELDS,
    SETTLED_FIELDS,
    SETTLED_SUMS,
    SETTLED_SUMS_FIELDS,
    read_lines,
    read_settled,
    read_settled_differ,
    read_settled_sums,
    write_lines,
    write_settled,
    write_settled_differ,
    write_settled_sums,
)
from gcounterd.wire.tree import TREE_READERS, write_tree

# Claims in one message: some 60 bytes each, so that it stays small enough for control.
CLAIMS_MAX = 128
GATHERING_BYTES = 8

_PING, _ACK, DIGEST = 3, 4, 6
PUSH, _WANT, _PART = range(8, 11)
_PING_FOR, _NACK, _GOSSIP, _WHO, _HERE = range(13, 18)
_APPROVALS = 20
_SURVEY, _BYE = 22, 23
_ASK_LINES = 30

_Fields = tuple[Any, ...]


def encode(message: Message) -> bytes:
    """Write a message as a whole frame.

    Raises `ValueError` where no peer would accept it: past HEADS_MAX, ENTRIES_MAX or
    FRAME_BYTES_MAX, the last only with several hundred members of extreme addresses.
    """
    body = fields.pack(_fields_of(message))
    if len(body) > frames.FRAME_BYTES_MAX:
        raise ValueError(f"{type(message).__name__} of {len(body)} bytes")
    return frames.wrap(body)


def _fields_of(message: Message) -> _Fields:
    if isinstance(message, MEMBERSHIP_MESSAGES):
        return write_membership(message)
    if isinstance(message, REMOVAL_MESSAGES):
        return write_removal(message)
    if isinstance(message, KEPT_MESSAGES):
        return write_kept(message)
    if isinstance(message, TREE_MESSAGES):
        return write_tree(message)
    if isinstance(message, READING_MESSAGES):
        return write_reading(message)
    match message:
        case Ping(number, digest, claims):
            return (_PING, number, digest, write_claims(claims))
        case Ack(number, claims):
            return (_ACK, number, write_claims(claims))
        case PingFor(number, target):
            return (_PING_FOR, number, target)
        case Nack(number, refused):
            return (_NACK, number, refused)
        case Gossip(claims):
            return (_GOSSIP, write_claims(claims))
        case Survey(sums, reply):
            return (_SURVEY, sums, reply)
        case Bye():
            return (_BYE,)
        case Who(number):
            return (_WHO, number)
        case Here(number, epoch):
            return (_HERE, number, epoch)
        case Push(batch):
            (block,) = batch.blocks
            return (PUSH, batch.column, batch.since, batch.version, block.encoded)
        case Digest(heads, whole):
            return (DIGEST, *write_heads(heads), whole)
        case Want(column, head, size, gathering, part):
            return (_WANT, column, head, size, gathering, part)
        case Part(column, gathering, number, since, version, block):
            return (_PART, column, gathering, number, since, version, block.encoded)
        case Approvals(approvals):
            return (_APPROVALS, write_approvals(approvals))
        case Settled():
            return write_settled(message)
        case SettledSums():
            return write_settled_sums(message)
        case SettledDiffer():
            return write_settled_differ(message)
        case AskLines(node):
            return (_ASK_LINES, node)
        case Lines():
            return write_lines(message)
        case _:
            assert_never(message)


def decode(body: bytes) -> Message:
    """Read one body of an accepted link.

    Total: any bytes give a message or a `PeerError`, whose reason is "out_of_place" for a hello
    or a refusal.
    """
    if len(body) > frames.FRAME_BYTES_MAX:
        raise PeerError("frame_too_large", f"{len(body)} bytes")
    found = fields.unpack(body, HEADS_MAX)
    kind = found[0]
    if type(kind) is not int or kind not in _READERS:
        raise PeerError("unknown_type", "not a message of this version")
    reader, size = _READERS[kind]
    if len(found) != size:
        raise PeerError("bad_shape", f"a message of type {kind} with {len(found)} fields")
    return reader(found)


# Below, one reader per type; `decode` has checked that the number of fields is right.


def _read_ping(found: _Fields) -> Message:
    _, number, digest, claims = found
    return Ping(fields.number(number), fields.exact(digest, SUM_BYTES), _read_claims(claims))


def _read_ack(found: _Fields) -> Message:
    return Ack(fields.number(found[1]), _read_claims(found[2]))


def _read_ping_for(found: _Fields) -> Message:
    return PingFor(fields.number(found[1]), fields.node_id(found[2]))


def _read_nack(found: _Fields) -> Message:
    return Nack(fields.number(found[1]), fields.flag(found[2]))


def _read_gossip(found: _Fields) -> Message:
    return Gossip(_read_claims(found[1]))


def _read_survey(found: _Fields) -> Message:
    return Survey(fields.exact(found[1], BUCKETS * SUM_BYTES), fields.flag(found[2]))


def _read_bye(_: _Fields) -> Message:
    return Bye()


def _read_claims(value: object) -> tuple[Claim, ...]:
    return read_claims(value, CLAIMS_MAX)


def _read_who(found: _Fields) -> Message:
    return Who(fields.number(found[1]))


def _read_here(found: _Fields) -> Message:
    return Here(fields.number(found[1]), fields.epoch_id(found[2]))


def _read_approvals(found: _Fields) -> Message:
    return Approvals(read_approvals(found[1]))


def _read_digest(found: _Fields) -> Message:
    return Digest(read_heads(found[1], found[2]), fields.flag(found[3]))


def _read_push(found: _Fields) -> Message:
    _, column, since, version, block = found
    return Push(read_batch(column, since, version, (block,)))


def _read_want(found: _Fields) -> Message:
    _, column, head, size, gathering, part = found
    named = b"" if gathering == b"" else fields.exact(gathering, GATHERING_BYTES)
    return Want(
        fields.column(column),
        fields.number(head),
        fields.number(size),
        named,
        fields.number(part),
    )


def _read_part(found: _Fields) -> Message:
    _, column, gathering, number, since, version, block = found
    after, upto = fields.number(since), fields.number(version)
    if 0 < upto <= after:
        raise fields.bad_field("a part's version is above what it starts from, or 0")
    return Part(
        fields.column(column),
        fields.exact(gathering, GATHERING_BYTES),
        fields.number(number),
        after,
        upto,
        read_part(block),
    )


def _read_ask_lines(found: _Fields) -> Message:
    return AskLines(fields.node_id(found[1]))


def _out_of_place(_: _Fields) -> Message:
    raise PeerError("out_of_place", "a hello or a refusal on an accepted link")


# By type number: who reads it, and how many fields it has, the number included.
_READERS: dict[int, tuple[Callable[[_Fields], Message], int]] = {
    HELLO: (_out_of_place, 1 + HELLO_FIELDS),
    REFUSAL: (_out_of_place, 1 + REFUSAL_FIELDS),
    _PING: (_read_ping, 4),
    _ACK: (_read_ack, 3),
    DIGEST: (_read_digest, 4),
    PUSH: (_read_push, 5),
    _WANT: (_read_want, 6),
    _PART: (_read_part, 7),
    SETTLED: (read_settled, SETTLED_FIELDS),
    SETTLED_SUMS: (read_settled_sums, SETTLED_SUMS_FIELDS),
    SETTLED_DIFFER: (read_settled_differ, SETTLED_DIFFER_FIELDS),
    _ASK_LINES: (_read_ask_lines, 2),
    LINES: (read_lines, LINES_FIELDS),
    _WHO: (_read_who, 2),
    _HERE: (_read_here, 3),
    _PING_FOR: (_read_ping_for, 3),
    _NACK: (_read_nack, 3),
    _GOSSIP: (_read_gossip, 2),
    _SURVEY: (_read_survey, 3),
    _BYE: (_read_bye, 1),
    **MEMBERSHIP_READERS,
    **REMOVAL_READERS,
    **KEPT_READERS,
    **TREE_READERS,
    **READING_READERS,
    _APPROVALS: (_read_approvals, 2),
}
