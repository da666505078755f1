"""Promises: requests that carry an Idempotency-Key, to be counted once at this node.

Theory. Whoever lost an answer sends the request again with the same key, and gets the answer of the
first one. What makes a request the same is its method, its route, what its path names, and its
body; how the answer is to be written is not part of it. Only hashes of key and request are handed
on: nothing in them depends on how long they are.

Answers to such requests say how long the key is remembered, and whether they are repeated. This
module refuses to know where receipts are kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence

import attrs

from gcounterd.api.backend import Backend, Counted
from gcounterd.api.requests import read_level
from gcounterd.api.responses import Response, blame, refuse
from gcounterd.api.routing import Call, Parameter
from gcounterd.errors import ClientError
from gcounterd.node.receipts import (
    HASH_BYTES,
    RECEIPT_AGE_S_MAX,
    RECEIPT_VALUES_MAX,
    RECEIPTS_MAX,
    Claim,
)

IDEMPOTENCY_KEY_BYTES_MAX = 255
WINDOW = (
    b"Idempotency-Window",
    b"age=%d, number=%d, values=%d" % (RECEIPT_AGE_S_MAX, RECEIPTS_MAX, RECEIPT_VALUES_MAX),
)
REPLAYED = (b"Idempotency-Replayed", b"true")
_KEY, _RETRY, _NODE = b"idempotency-key", b"idempotency-retry", b"gcounter-node"
_VISIBLE = re.compile(rb"[!-~]{1,%d}" % IDEMPOTENCY_KEY_BYTES_MAX)
_NAME = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")

PARAMETERS = (
    Parameter(
        "Idempotency-Key",
        "count this request once at this node, however often it is sent: any text that no other "
        "request uses, visible ASCII",
        {"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_BYTES_MAX},
        "header",
    ),
    Parameter(
        "Idempotency-Retry",
        "`1`: a repeat, maybe at another node; without a record of the key it is refused",
        {"type": "string", "enum": ["1"]},
        "header",
    ),
    Parameter(
        "Gcounter-Node",
        "of a repeat: the node that the first one went to, as its answers name it",
        {"type": "string"},
        "header",
    ),
)


@attrs.frozen
class Promise:
    """What the headers ask for.

    repeat  it is a repeat, which must not be counted without a record of the first one
    first   the node that the first one went to, "" if it is not said
    """

    claim: Claim
    repeat: bool
    first: str


def is_keyed(call: Call) -> bool:
    """Say whether a request carries such a key, or says that it is a repeat."""
    headers = call.request.headers
    return _KEY in headers or _RETRY in headers


def read_promise(call: Call) -> Promise:
    """Read the headers of a keyed request; raise `ClientError` 400 `bad_idempotency`."""
    headers = call.request.headers
    key = headers.get(_KEY, b"")
    if not _VISIBLE.fullmatch(key):
        text = f"an Idempotency-Key is 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters"
        raise ClientError(400, "bad_idempotency", text)
    if headers.get(_RETRY, b"1") != b"1":
        raise ClientError(400, "bad_idempotency", "Idempotency-Retry is 1 or not there")
    first = headers.get(_NODE, b"")
    name = first.decode() if _NAME.fullmatch(first) else ""
    return Promise(Claim(_hash([key]), _fingerprint(call)), _RETRY in headers, name)


def _fingerprint(call: Call) -> bytes:
    route = f"{call.route.method} {call.route.pattern}".encode()
    return _hash([route, *call.keys.values(), call.request.body])


def _hash(parts: Sequence[bytes]) -> bytes:
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


async def count_once(
    call: Call,
    backend: Backend,
    counts: dict[bytes, int],
    show: Callable[[Counted], Awaitable[Response]],
) -> Response:
    """Count what a keyed request asks for, or answer it again; `show` writes the answer."""
    try:
        promise = read_promise(call)
        counted = await backend.count_once(
            promise.claim,
            counts,
            read_level(call.query),
            repeat=promise.repeat,
            first=promise.first,
        )
    except Exception as error:
        return refuse(blame(error), headers=(WINDOW,))
    response = await show(counted)
    said = (WINDOW, REPLAYED) if counted.replayed else (WINDOW,)
    return attrs.evolve(response, headers=(*response.headers, *said))
