"""What is sent: requests as values, and the checks that make a bad one impossible.

Theory. A repeat must be the same request, or the node refuses it: the same method, path, body and
idempotency key. How long to wait for others is no part of that. Keys and amounts that every node
would refuse are refused here, before anything is sent.

This module refuses to know sockets, and when to repeat.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlencode

from gcounterd.client.limits import AMOUNT_MAX, KEY_BYTES_MAX, TIMEOUT_S_MAX

Ack = Literal["local", "majority", "all"]
ACKS: tuple[Ack, ...] = ("local", "majority", "all")
# A millisecond is the finest that a timeout is worth being told in, and the shortest.
_TIMEOUT_S_MIN = 0.001


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `headers` are those beside Host and Content-Length."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def check_key(key: str) -> str:
    """Return a key of 1 to 1,024 bytes of UTF-8, else raise `ValueError`."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise ValueError("a key is text that UTF-8 can write") from None
    if not 1 <= size <= KEY_BYTES_MAX:
        raise ValueError(f"a key is 1 to {KEY_BYTES_MAX:,} bytes of UTF-8")
    return key


def check_amount(amount: int) -> int:
    """Return a whole number from 1 to 2^31, else raise `ValueError`."""
    if type(amount) is not int or not 1 <= amount <= AMOUNT_MAX:
        raise ValueError(f"an amount is a whole number from 1 to {AMOUNT_MAX:,}")
    return amount


def check_ack(ack: str) -> Ack:
    """Return where an increment must be durable, else raise `ValueError`."""
    for known in ACKS:
        if ack == known:
            return known
    raise ValueError(f"ack is one of {', '.join(ACKS)}")


def check_timeout(seconds: float) -> float:
    """Return a time that a call may take: above 0, at most 60 s; else raise `ValueError`."""
    if not 0 < seconds <= TIMEOUT_S_MAX:
        raise ValueError(f"a timeout is above 0 and at most {TIMEOUT_S_MAX:g} seconds")
    return seconds


def check_token(token: str) -> str:
    """Return a token of visible ASCII, or "" for none; else raise `ValueError`."""
    if not all("!" <= character <= "~" for character in token):
        raise ValueError("a token is visible ASCII characters")
    return token


def credentials(token: str) -> dict[str, str]:
    """Return the headers that show a token."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def count_request(counts: Mapping[str, int], key: str, ack: Ack, timeout_s: float) -> Request:
    """Return the request that counts these, under an idempotency key.

    `timeout_s` is how long the node waits for the acknowledgements of others.
    """
    query = "" if ack == "local" else f"?{_query(ack=ack, timeout=_seconds(timeout_s))}"
    headers = (("Content-Type", "application/json"), ("Idempotency-Key", key))
    if len(counts) == 1:
        [(name, amount)] = counts.items()
        return Request("POST", _path(name) + query, headers, _dump({"by": amount}))
    return Request("POST", "/v1/counters" + query, headers, _dump({"counts": dict(counts)}))


def as_repeat(request: Request, first: str) -> Request:
    """Return the request as a repeat of one that the node called `first`, if known, may have."""
    more = [("Idempotency-Retry", "1")]
    if first:
        more.append(("Gcounter-Node", first))
    return dataclasses.replace(request, headers=(*request.headers, *more))


def read_request(key: str, least: int, *, consistent: bool, timeout_s: float) -> Request:
    """Return the request that reads a counter: at least `least`, within `timeout_s`."""
    query: dict[str, str] = {}
    if consistent:
        query["consistency"] = "consistent"
    if least:
        query["min"] = str(least)
    if query:
        query["timeout"] = _seconds(timeout_s)
    return Request("GET", _path(key) + (f"?{_query(**query)}" if query else ""))


def _path(key: str) -> str:
    return f"/v1/counters/{quote(key, safe='')}"


def _query(**parameters: str) -> str:
    return urlencode(parameters, quote_via=quote)


def _seconds(timeout_s: float) -> str:
    return f"{min(max(timeout_s, _TIMEOUT_S_MIN), TIMEOUT_S_MAX):.3f}"


def _dump(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
