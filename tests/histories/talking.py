"""Talking: how a client asks a node over HTTP, and what an answer of the node makes known.

Theory. Of an increment there are three outcomes only: a 200 or 202 says that it counts; an error
that says `definite`, or a connection that was never made, that it does not; all else that nobody
can say. A read that is refused may still show a value, its best, which is judged as any other.

This module refuses to know when anything happened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs

from tests.cluster.client import Answer, counter_target
from tests.histories.history import Outcome

# What says that we asked wrongly: then the history tells nothing of the node.
OUR_FAULT = (400, 401, 403, 404, 405, 413)
RETRY, TOKEN, REPLAYED = "Idempotency-Retry", "Idempotency-Key", "idempotency-replayed"


@attrs.frozen
class Wish:
    """What a client asks of one key; the fields are those of an operation, but for these.

    ack      how many members are to hold an increment: local, majority or all
    retry    it was asked for at another node before
    seconds  how long the node may take
    counts   of an increment of several counters: the amounts by key; then `key` is none
    """

    key: str
    seconds: float
    amount: int = 0
    ack: str = "local"
    token: str = ""
    retry: bool = False
    consistent: bool = False
    least: int = 0
    counts: Mapping[str, int] = attrs.Factory(dict)

    def method(self) -> str:
        """Return the method."""
        return "POST" if self.amount else "GET"

    def target(self) -> str:
        """Return the path and the query."""
        query = [f"timeout={self.seconds:.2f}"]
        query += [f"ack={self.ack}"] if self.amount and self.ack != "local" else []
        query += ["consistency=consistent"] if self.consistent else []
        query += [f"min={self.least}"] if self.least else []
        path = "/v1/counters" if self.counts else counter_target(self.key)
        return f"{path}?{'&'.join(query)}"

    def body(self) -> bytes:
        """Return the body."""
        if self.counts:
            return json.dumps({"counts": dict(self.counts)}).encode()
        return json.dumps({"by": self.amount}).encode() if self.amount else b""

    def headers(self) -> dict[str, str]:
        """Return the headers that it needs."""
        headers = {TOKEN: self.token} if self.token else {}
        return headers | ({RETRY: "1"} if self.retry else {})


@attrs.frozen
class Said:
    """What an answer makes known.

    held_by   how many members are said to hold it; None if the answer does not count them
    repeated  it is the answer to an earlier request with the same token
    values    of an increment of several counters, by key; then `value` is None
    """

    outcome: Outcome
    value: int | None = None
    held_by: int | None = None
    repeated: bool = False
    values: Mapping[str, int] = attrs.Factory(dict)


def understand(wish: Wish, answer: Answer) -> Said:
    """Return what an answer says; raise `ValueError` where it says what no answer may."""
    told: Any = answer.json()
    if answer.status in (200, 202):
        holders = told.get("held_by")
        if (answer.status == 202) != (holders is not None) or (holders and not wish.amount):
            raise ValueError(f"{wish}: {answer}")
        repeated = answer.headers.get(REPLAYED) == "true"
        held_by = len(holders) if holders is not None else None
        if wish.counts:
            return Said(Outcome.OK, None, held_by, repeated, told["values"])
        return Said(Outcome.OK, told["value"], held_by, repeated)
    if answer.status in OUR_FAULT:
        raise ValueError(f"{wish}: {answer}")
    if wish.amount:
        return Said(Outcome.REFUSED if answer.definite() else Outcome.UNKNOWN)
    return Said(Outcome.REFUSED, told.get("best"))
