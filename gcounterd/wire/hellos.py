"""Hellos: the first frame of both sides of a connection, and the refusal in its place.

A part of the codec, with the same rule: reading is total. These are all that a stranger may say, so
they are small, and nothing else is parsed before a hello is accepted. A new version of the protocol
may only append fields to the hello, so that two versions can still tell each other that they do not
match.

This module refuses to know who is accepted.
"""

from __future__ import annotations

from typing import Any

from gcounterd.counters.settled import STATE_HASH_BYTES
from gcounterd.errors import PeerError
from gcounterd.members.approvals import TOKEN_BYTES
from gcounterd.node.messages import PROTOCOL_VERSION, Channel, Hello, Refusal, Refused
from gcounterd.wire import fields, frames

# Words of a refusal: what is left of a hello's frame beside the longest address and an epoch.
REFUSAL_TEXT_BYTES_MAX = 200
NONCE_BYTES = 8

HELLO, REFUSAL = 1, 2
HELLO_FIELDS = 15
REFUSAL_FIELDS = 4
# Fields of a hello of version 2, the fewest that we understand well enough to refuse it.
_OLD_HELLO_FIELDS = 12
_CHANNELS = {int(channel): channel for channel in Channel}
_REFUSALS = {reason.value: reason for reason in Refused}


def encode_hello(hello: Hello) -> bytes:
    """Write a hello as a whole frame of at most HELLO_BYTES_MAX and its length."""
    body = fields.pack(
        (
            HELLO,
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
            hello.returning,
            hello.take_over,
            hello.settled,
        )
    )
    assert len(body) <= frames.HELLO_BYTES_MAX, "settings allow a hello that does not fit"
    return frames.wrap(body)


def encode_refusal(refusal: Refusal) -> bytes:
    """Write a refusal as a whole frame. Words that are too long are cut, not refused in turn."""
    words = "".join(char if char.isprintable() else " " for char in refusal.text)
    cut = words.encode()[:REFUSAL_TEXT_BYTES_MAX].decode(errors="ignore")
    body = fields.pack((REFUSAL, refusal.reason.value, cut, refusal.address, refusal.epoch))
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
    if kind == HELLO and type(kind) is int:
        return _read_hello(rest)
    if kind == REFUSAL and type(kind) is int:
        return _read_refusal(rest)
    raise PeerError("no_hello", "the first frame is neither a hello nor a refusal")


def _read_hello(rest: list[Any]) -> Hello:
    if len(rest) < _OLD_HELLO_FIELDS:
        raise PeerError("bad_shape", "not a hello")
    version, cluster, node, name, epoch, nonce, *more = rest[:_OLD_HELLO_FIELDS]
    channel, address, joining, provisional, yielding, token = more
    if type(channel) is not int or channel not in _CHANNELS:
        raise fields.bad_field("not a channel")
    returning, take_over, settled = _read_new_fields(fields.number(version), rest)
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
        returning,
        take_over,
        settled,
    )


def _read_new_fields(version: int, rest: list[Any]) -> tuple[bool, bool, bytes]:
    """Read what this version has added; the hello of a version before lacks some of it."""
    if version == PROTOCOL_VERSION and len(rest) != HELLO_FIELDS:
        raise PeerError("bad_shape", "not a hello of this version")
    if len(rest) < HELLO_FIELDS:
        return False, False, bytes(STATE_HASH_BYTES)
    returning, take_over, settled = rest[_OLD_HELLO_FIELDS:HELLO_FIELDS]
    return fields.flag(returning), fields.flag(take_over), fields.exact(settled, STATE_HASH_BYTES)


def _read_refusal(rest: list[Any]) -> Refusal:
    if len(rest) != REFUSAL_FIELDS:
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
