"""Requests: what a client asked, as a value, and how its target is read.

Theory. A key may hold any character, so the target is split while it is still raw (`/`, `?`, `&`,
`=` that belong to a key are escaped) and each piece is decoded exactly once. A plus is a plus, in
paths and in queries. Whatever does not decode is an error of the client: guessing would count
under another name.

This module refuses to know routes, sockets and the JSON of bodies.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

import attrs

from gcounterd.api.limits import TIMEOUT_DEFAULT_S, TIMEOUT_MAX_S
from gcounterd.api.streams import Upload
from gcounterd.counters.batches import KEY_BYTES_MAX
from gcounterd.errors import ClientError
from gcounterd.node.levels import Level

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)([^#]*)", re.IGNORECASE)
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
# The values of `?ack=`, the default first.
LEVELS = {level.name.lower(): level for level in Level}
_NATURAL = re.compile(r"[0-9]{1,19}")

Query = dict[str, list[bytes]]


@attrs.define
class Request:
    """One complete request.

    target      as it stood in the request line, raw
    headers     those that mean something to us (`intake.SIGNIFICANT`), lower-case names
    keep_alive  the client expects the connection to stay open
    old         it said HTTP/1.0, so keeping alive must be said in the answer
    upload      the body, where its route takes one that is too large to be held; else None
    shared      a page of any origin asks, and may read the answer
    """

    method: bytes
    target: bytes
    headers: dict[bytes, bytes]
    body: bytes
    keep_alive: bool = True
    old: bool = False
    upload: Upload | None = None
    shared: bool = False


@attrs.frozen
class Target:
    """A split target: raw path segments, decoded query, the authority if it was absolute."""

    path: bytes
    query: Query
    authority: bytes | None


def split_target(target: bytes) -> Target:
    """Split a raw target; raise `ClientError` 400 where its query does not decode."""
    authority = None
    if not target.startswith(b"/"):
        match = _ABSOLUTE.fullmatch(target)
        if match is not None:
            authority, target = match[1], match[2]
            if not target.startswith(b"/"):
                target = b"/" + target
    path, _, query = target.partition(b"#")[0].partition(b"?")
    return Target(path, _split_query(query) if query else {}, authority)


def _split_query(query: bytes) -> Query:
    values: Query = {}
    for pair in query.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            try:
                text = _decode(name).decode()
            except UnicodeDecodeError:
                raise ClientError(400, "bad_parameter", "a parameter's name is UTF-8") from None
            values.setdefault(text, []).append(_decode(value))
    return values


def _decode(piece: bytes) -> bytes:
    if b"%" not in piece:
        return piece
    if _BAD_ESCAPE.search(piece):
        raise ClientError(400, "bad_escape", "a percent sign needs two hexadecimal digits")
    return unquote_to_bytes(piece)


def decode_key(segment: bytes) -> bytes:
    """Decode a raw path segment into a key; raise `ClientError` 400 `bad_key`, `bad_escape`."""
    return check_key(_decode(segment))


def check_key(key: bytes) -> bytes:
    """Return `key` if it is 1 to 1,024 bytes of UTF-8, else raise `ClientError` 400 `bad_key`."""
    if not 1 <= len(key) <= KEY_BYTES_MAX:
        raise ClientError(400, "bad_key", f"a key is 1 to {KEY_BYTES_MAX:,} bytes")
    if not key.isascii():
        _check_text(key, "bad_key", "a key is UTF-8")
    return key


def _check_text(data: bytes, code: str, message: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ClientError(400, code, message) from None


def read_text(query: Query, name: str, default: str) -> str:
    """Return a parameter that may stand once, or `default`."""
    values = query.get(name)
    if values is None:
        return default
    if len(values) > 1:
        raise ClientError(400, "bad_parameter", f"{name} stands more than once")
    return _check_text(values[0], "bad_parameter", f"{name} is UTF-8")


def read_choice(query: Query, name: str, choices: tuple[str, ...]) -> str:
    """Return one of `choices`, the first by default; else `ClientError` 400 `unsupported`."""
    text = read_text(query, name, choices[0])
    if text not in choices:
        words = " or ".join(choice for choice in choices if choice)
        raise ClientError(400, "unsupported", f"{name} may be {words} here")
    return text


def read_count(query: Query, name: str, default: int, highest: int, lowest: int = 1) -> int:
    """Return a whole number from `lowest` to `highest`."""
    text = read_text(query, name, str(default))
    if not _NATURAL.fullmatch(text) or not lowest <= int(text) <= highest:
        message = f"{name} is a whole number from {lowest} to {highest:,}"
        raise ClientError(400, "bad_parameter", message)
    return int(text)


def read_timeout(query: Query, default_s: float = TIMEOUT_DEFAULT_S) -> float:
    """Return `?timeout=` in seconds: decimal, at most 60."""
    text = read_text(query, "timeout", str(default_s))
    if not _DECIMAL.fullmatch(text) or float(text) > TIMEOUT_MAX_S:
        raise ClientError(
            400, "bad_parameter", f"timeout is seconds, decimal, at most {TIMEOUT_MAX_S:.0f}"
        )
    return float(text)


def read_level(query: Query) -> Level:
    """Return who has to hold an increment before it is answered (`?ack=`)."""
    return LEVELS[read_choice(query, "ack", tuple(LEVELS))]


def wants_text(query: Query) -> bool:
    """Say whether numbers are wanted as strings (`?as=string`)."""
    return read_choice(query, "as", ("number", "string")) == "string"
