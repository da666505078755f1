"""Bodies: the JSON that clients send, read without trusting it.

Theory. A JSON parser is a machine that strangers drive: nesting drives its recursion, digits its
big integers, elements its time, and a name given twice its meaning. Each is bounded or refused
here, so that a body is either exactly what was asked for or a 400 that says why. Amounts are
whole numbers: `1.0`, `1e3`, `true`, `"1"` and NaN are none.

`{"counts": {…}}` may name ten thousand counters, which would hold the loop too long in one call;
it is scanned pair by pair, in slices. This module refuses to know counters and routes.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
from collections.abc import Sequence

import trio

from gcounterd.api.limits import AMOUNT_MAX, AMOUNT_MIN, JSON_ITEMS_MAX, KEYS_MAX, SLICE_KEYS
from gcounterd.api.requests import check_key
from gcounterd.errors import ClientError

# Digits that any number we accept may have; longer ones are not worth converting.
_DIGITS_MAX = 19

_SPACE = r"[ \t\r\n]*+"
_STRING = r'"((?:[^"\\\x00-\x1f]++|\\.)*+)"'
_OPENING = re.compile(rf'{_SPACE}\{{{_SPACE}"counts"{_SPACE}:{_SPACE}\{{{_SPACE}')
_NAME = re.compile(rf"{_STRING}{_SPACE}:{_SPACE}")
_NUMBER = re.compile(rf"(0|[1-9][0-9]{{0,{_DIGITS_MAX - 1}}})(?=[ \t\r\n,}}])")
_VALUE_START = re.compile(r'[-0-9"\[{tfnNI]')
_BETWEEN = re.compile(rf"{_SPACE}([,}}]){_SPACE}")
_CLOSING = re.compile(rf"{_SPACE}\}}{_SPACE}")
# Where peers connect when an address names no port: the default of `gcounterd run --peer`.
PEER_PORT = 7700
_PORT_MAX = 65_535
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})(:(?P<port>[0-9]{1,5}))?")
_ASCII_INTEGER = re.compile(rb"[ \t\r\n]*\+?([0-9]{1,19})[ \t\r\n]*")


def read_object(
    body: bytes, names: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, object]:
    """Return the JSON object of a body that has exactly these names, and maybe the optional ones.

    Raises `ClientError` 400 `bad_json` (not JSON, or JSON made to hurt) or `bad_body`.
    """
    if body.count(b",") + body.count(b"[") + body.count(b"{") > JSON_ITEMS_MAX:
        raise _bad_json(f"more than {JSON_ITEMS_MAX:,} items")
    try:
        value = json.loads(
            body.decode(),
            object_pairs_hook=_distinct,
            parse_int=_short_integer,
            parse_float=_no_integer,
        )
    except RecursionError:
        raise _bad_json("nested too deeply") from None
    except ValueError as error:
        raise _bad_json(str(error)) from None
    if not isinstance(value, dict) or sorted({*value} - {*optional}) != sorted(names):
        shape = ", ".join(f'"{name}": …' for name in names)
        more = f", if you like {', '.join(optional)}," if optional else ""
        raise ClientError(400, "bad_body", f"the body is {{{shape}}}{more} and nothing else")
    return value


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _twice()
    return value


def _short_integer(text: str) -> int | float:
    return int(text) if len(text) <= _DIGITS_MAX else math.inf


def _no_integer(text: str) -> float:
    # Numbers with a point or an exponent are never what we want; converting them is wasted.
    return math.nan


def _bad_json(why: str) -> ClientError:
    return ClientError(400, "bad_json", f"the body is not JSON that can be read: {why}")


def _twice() -> ClientError:
    return ClientError(400, "duplicate_key", "a name stands twice in one object")


def check_amount(value: object, lowest: int = AMOUNT_MIN, highest: int = AMOUNT_MAX) -> int:
    """Return `value` if it is a whole number in range, else raise 400 `bad_amount`."""
    if type(value) is not int or not lowest <= value <= highest:
        raise ClientError(
            400, "bad_amount", f"an amount is a whole number from {lowest} to {highest}"
        )
    return value


def check_address(value: object, code: str) -> str:
    """Return a peer address with its port, if `value` is "host" or "host:port", else raise 400."""
    match = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if match is not None and 1 <= int(match["port"] or PEER_PORT) <= _PORT_MAX:
        return f"{match['host']}:{match['port'] or PEER_PORT}"
    try:
        return f"[{ipaddress.IPv6Address(str(value))}]:{PEER_PORT}"
    except ValueError:
        message = f'a peer address is "host" or "host:port", with a port from 1 to {_PORT_MAX}'
        raise ClientError(400, code, message) from None


def read_ascii_amount(body: bytes) -> int:
    """Return the ASCII integer of a body, 0 to 2^31; raise 400 `bad_amount`."""
    match = _ASCII_INTEGER.fullmatch(body)
    return check_amount(int(match[1]) if match else None, lowest=0)


async def read_counts(body: bytes) -> dict[bytes, int]:
    """Read `{"counts": {key: amount, …}}`, in slices.

    Raises `ClientError` 400: `bad_json`, `bad_body`, `bad_key`, `bad_amount`, `duplicate_key`,
    `too_many_keys`.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise _bad_json(str(error)) from None
    opening = _OPENING.match(text)
    if opening is None:
        # Say what is wrong with it; if nothing is, it merely spells "counts" with escapes.
        read_object(body, ["counts"])
        raise ClientError(400, "bad_body", 'the body is {"counts": {key: amount, …}}')
    counts: dict[bytes, int] = {}
    at: int | None = opening.end()
    if text.startswith("}", opening.end()):
        _check_end(text, opening.end() + 1)
        at = None
    while at is not None:
        at = _read_slice(text, at, counts)
        await trio.lowlevel.checkpoint()
    return counts


def _read_slice(text: str, at: int, counts: dict[bytes, int]) -> int | None:
    # Take up to a slice of pairs; return where the next one starts, or None at the end.
    for _ in range(SLICE_KEYS):
        name = _NAME.match(text, at)
        if name is None:
            raise _bad_json(f"a name and a colon are missing at character {at}")
        key = check_key(_encode(name[1]))
        number = _NUMBER.match(text, name.end())
        if number is None and not _VALUE_START.match(text, name.end()):
            raise _bad_json(f"a value is missing at character {name.end()}")
        amount = check_amount(int(number[1]) if number else None)
        assert number is not None
        if key in counts:
            raise _twice()
        if len(counts) == KEYS_MAX:
            raise ClientError(400, "too_many_keys", f"one request names at most {KEYS_MAX:,} keys")
        counts[key] = amount
        between = _BETWEEN.match(text, number.end())
        if between is None:
            raise _bad_json(f"a comma or a brace is missing at character {number.end()}")
        at = between.end()
        if between[1] == "}":
            _check_end(text, at)
            return None
    return at


def _check_end(text: str, at: int) -> None:
    if not _CLOSING.fullmatch(text, at):
        raise ClientError(400, "bad_body", 'the body is {"counts": {…}} and nothing else')


def _encode(raw: str) -> bytes:
    try:
        name = json.loads(f'"{raw}"') if "\\" in raw else raw
        assert isinstance(name, str)
        return name.encode()
    except UnicodeEncodeError:
        raise ClientError(400, "bad_key", "a key is UTF-8") from None
    except ValueError as error:
        raise _bad_json(str(error)) from None
