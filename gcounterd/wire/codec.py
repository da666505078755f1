"""The codec: messages to frames and bodies to messages.

    body = msgpack [type, field, …]

Theory. Decoding is total: any bytes give a message that keeps every promise of its class, or a
`PeerError`; there is no third outcome, so whatever lies behind this room never meets a value it
has to doubt. Each type has a number that is never used again and a fixed number of fields. A new
version of the protocol may only append fields to the hello, so that two versions can still tell
each other that they do not match.

A map of heads goes as one string of columns and one list of heads, in the same order: half the
items of a map, and a column that stands twice is seen.

This module refuses to know who sent what, and what a message is for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never

from gcounterd.errors import PeerError
from gcounterd.ids import COLUMN_ID_BYTES, ColumnId
from gcounterd.members.approvals import TOKEN_BYTES
from gcounterd.members.buckets import BUCKETS
from gcounterd.members.claims import Claim
from gcounterd.members.table import SUM_BYTES
from gcounterd.node.messages import (
    MEMBERSHIP_MESSAGES,
    PROTOCOL_VERSION,
    Ack,
    Answer,
    Approvals,
    Ask,
    Bye,
    Channel,
    Digest,
    Gossip,
    Hello,
    Here,
    Message,
    Nack,
    Part,
    Ping,
    PingFor,
    Push,
    Refusal,
    Refused,
    Survey,
    Want,
    Who,
)
from gcounterd.wire import fields, frames
from gcounterd.wire.approvals import read_approvals, write_approvals
from gcounterd.wire.batches import read_batch, read_part
from gcounterd.wire.claims import read_claims, write_claims
from gcounterd.wire.entries import read_entries
from gcounterd.wire.rosters import ENTRIES_MAX, MEMBERSHIP_READERS, write_membership, write_some

# As many columns as a node keeps open (DESIGN 1): a digest names each once.
HEADS_MAX = 1024
# Claims in one message: some 60 bytes each, so that it stays small enough for control.
CLAIMS_MAX = 128
# Words of a refusal: what is left of a hello's frame beside the longest address and an epoch.
REFUSAL_TEXT_BYTES_MAX = 200
NONCE_BYTES = 8
GATHERING_BYTES = 8

_HELLO, _REFUSAL, _PING, _ACK, _DIGEST = 1, 2, 3, 4, 6
_PUSH, _WANT, _PART, _ASK, _ANSWER = range(8, 13)
_PING_FOR, _NACK, _GOSSIP, _WHO, _HERE = range(13, 18)
_APPROVALS = 20
_SURVEY, _BYE = 22, 23

_HELLO_FIELDS = 12
_REFUSAL_FIELDS = 4
_CHANNELS = {int(channel): channel for channel in Channel}
_REFUSALS = {reason.value: reason for reason in Refused}

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
            return (_PUSH, batch.column, batch.since, batch.version, block.encoded)
        case Digest(heads, whole):
            return (_DIGEST, *_write_heads(heads), whole)
        case Want(column, head, size, gathering, part):
            return (_WANT, column, head, size, gathering, part)
        case Part(column, gathering, number, since, version, block):
            return (_PART, column, gathering, number, since, version, block.encoded)
        case Approvals(approvals):
            return (_APPROVALS, write_approvals(approvals))
        case Ask(number, heads):
            return (_ASK, number, *_write_heads(heads))
        case Answer(number, heads, entries):
            return (_ANSWER, number, *_write_heads(heads), write_some(entries))
        case _:
            assert_never(message)


def encode_hello(hello: Hello) -> bytes:
    """Write a hello as a whole frame of at most HELLO_BYTES_MAX and its length."""
    body = fields.pack(
        (
            _HELLO,
            hello.version,
            hello.cluster,
            hello.node,
            hello.name,
            hello.epoch,
            hello.nonce,
            int(hello.channel),
            hello.address,
            hello.joining,
            hello.provisional,
            hello.yielding,
            hello.token,
        )
    )
    assert len(body) <= frames.HELLO_BYTES_MAX, "settings allow a hello that does not fit"
    return frames.wrap(body)


def encode_refusal(refusal: Refusal) -> bytes:
    """Write a refusal as a whole frame. Words that are too long are cut, not refused in turn."""
    words = "".join(char if char.isprintable() else " " for char in refusal.text)
    cut = words.encode()[:REFUSAL_TEXT_BYTES_MAX].decode(errors="ignore")
    body = fields.pack((_REFUSAL, refusal.reason.value, cut, refusal.address, refusal.epoch))
    assert len(body) <= frames.HELLO_BYTES_MAX, "a refusal's address is too long"
    return frames.wrap(body)


def decode_hello(body: bytes) -> Hello | Refusal:
    """Read the first body of a connection, or the last one of a link that is being refused.

    Total: any bytes give one of the two or a `PeerError`. A hello of another version is returned
    as far as we understand it, so that it can be refused for that.
    """
    if len(body) > frames.HELLO_BYTES_MAX:
        raise PeerError("hello_too_large", f"{len(body)} bytes")
    kind, *rest = fields.unpack(body, frames.HELLO_BYTES_MAX)
    if kind == _HELLO and type(kind) is int:
        return _read_hello(rest)
    if kind == _REFUSAL and type(kind) is int:
        return _read_refusal(rest)
    raise PeerError("no_hello", "the first frame is neither a hello nor a refusal")


def _read_hello(rest: list[Any]) -> Hello:
    if len(rest) < _HELLO_FIELDS:
        raise PeerError("bad_shape", "not a hello")
    version, cluster, node, name, epoch, nonce, *more = rest[:_HELLO_FIELDS]
    channel, address, joining, provisional, yielding, token = more
    if fields.number(version) == PROTOCOL_VERSION and len(rest) != _HELLO_FIELDS:
        raise PeerError("bad_shape", "not a hello of this version")
    if type(channel) is not int or channel not in _CHANNELS:
        raise fields.bad_field("not a channel")
    return Hello(
        version,
        fields.text(cluster, fields.CLUSTER_BYTES_MAX),
        fields.node_id(node),
        fields.member_name(name),
        fields.epoch_id(epoch),
        fields.exact(nonce, NONCE_BYTES),
        _CHANNELS[channel],
        fields.address(address),
        fields.flag(joining),
        fields.flag(provisional),
        fields.flag(yielding),
        b"" if token == b"" else fields.exact(token, TOKEN_BYTES),
    )


def _read_refusal(rest: list[Any]) -> Refusal:
    if len(rest) != _REFUSAL_FIELDS:
        raise PeerError("bad_shape", "not a refusal")
    reason, text, address, epoch = rest
    if type(reason) is not str or reason not in _REFUSALS:
        raise fields.bad_field("not a reason to refuse")
    return Refusal(
        _REFUSALS[reason],
        fields.text(text, REFUSAL_TEXT_BYTES_MAX),
        fields.address(address),
        None if epoch is None else fields.epoch_id(epoch),
    )


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


def _write_heads(heads: dict[ColumnId, int]) -> tuple[bytes, list[int]]:
    if len(heads) > HEADS_MAX:
        raise ValueError(f"{len(heads)} heads in one message")
    return b"".join(heads), list(heads.values())


def _read_heads(columns: object, heads: object) -> dict[ColumnId, int]:
    if type(heads) is not tuple or len(heads) > HEADS_MAX:
        raise PeerError("bad_shape", f"not a list of at most {HEADS_MAX} heads")
    joined = fields.exact(columns, COLUMN_ID_BYTES * len(heads))
    names = [
        ColumnId(joined[at : at + COLUMN_ID_BYTES]) for at in range(0, len(joined), COLUMN_ID_BYTES)
    ]
    read = dict(zip(names, [fields.number(head) for head in heads], strict=True))
    if len(read) != len(heads):
        raise PeerError("bad_shape", "a column stands twice")
    return read


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
    return Digest(_read_heads(found[1], found[2]), fields.flag(found[3]))


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


def _read_ask(found: _Fields) -> Message:
    return Ask(fields.number(found[1]), _read_heads(found[2], found[3]))


def _read_answer(found: _Fields) -> Message:
    _, number, columns, heads, entries = found
    return Answer(
        fields.number(number), _read_heads(columns, heads), read_entries(entries, ENTRIES_MAX)
    )


def _out_of_place(_: _Fields) -> Message:
    raise PeerError("out_of_place", "a hello or a refusal on an accepted link")


# By type number: who reads it, and how many fields it has, the number included.
_READERS: dict[int, tuple[Callable[[_Fields], Message], int]] = {
    _HELLO: (_out_of_place, 1 + _HELLO_FIELDS),
    _REFUSAL: (_out_of_place, 1 + _REFUSAL_FIELDS),
    _PING: (_read_ping, 4),
    _ACK: (_read_ack, 3),
    _DIGEST: (_read_digest, 4),
    _PUSH: (_read_push, 5),
    _WANT: (_read_want, 6),
    _PART: (_read_part, 7),
    _ASK: (_read_ask, 4),
    _ANSWER: (_read_answer, 5),
    _WHO: (_read_who, 2),
    _HERE: (_read_here, 3),
    _PING_FOR: (_read_ping_for, 3),
    _NACK: (_read_nack, 3),
    _GOSSIP: (_read_gossip, 2),
    _SURVEY: (_read_survey, 3),
    _BYE: (_read_bye, 1),
    **MEMBERSHIP_READERS,
    _APPROVALS: (_read_approvals, 2),
}
