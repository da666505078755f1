"""Reading: values that are exact, as large as a client has seen already, or both.

Theory. `min` is a floor that a client carries from node to node, `consistency=consistent` a
question to every member; a read may ask for both, and is answered 200 only where both hold. Values
only rise, so a value that was exact for the moment at which the read began still has all it must
have after waiting for the floor. What cannot be had in time is a 503 with the best value and the
names of the members missed, never a 200 with less than was asked for.

This module refuses to know how a value is written, and how members are asked.
"""

from __future__ import annotations

import trio

from gcounterd.api.backend import Backend
from gcounterd.api.limits import TIMEOUT_DEFAULT_S, TIMEOUT_MAX_S
from gcounterd.api.requests import Query, read_count, read_timeout
from gcounterd.api.responses import Response, refuse
from gcounterd.api.routing import Parameter
from gcounterd.errors import ClientError

# The largest floor: sums are exact up to here.
LEAST_MAX = 2**63 - 1

MIN = Parameter(
    "min",
    "wait until the value is at least this",
    {"type": "integer", "minimum": 0, "maximum": LEAST_MAX},
)

TIMEOUT = Parameter(
    "timeout",
    f"seconds, decimal; {TIMEOUT_DEFAULT_S} by default",
    {"type": "number", "minimum": 0, "maximum": TIMEOUT_MAX_S},
)


def read_least(query: Query) -> int:
    """Return `?min=`, 0 if there is none."""
    return read_count(query, "min", 0, LEAST_MAX, lowest=0)


async def find_value(
    backend: Backend, key: bytes, query: Query, *, consistent: bool, as_text: bool = False
) -> int | Response:
    """Return a value that keeps what the query asks for, or the 503 that says why there is none."""
    least, seconds = read_least(query), read_timeout(query)
    value, error = await read_floor(backend, key, least, seconds, consistent=consistent)
    if error is None:
        return value
    return refuse(error, {"best": str(value) if as_text else value})


async def read_floor(
    backend: Backend, key: bytes, least: int, seconds: float, *, consistent: bool
) -> tuple[int, ClientError | None]:
    """Return the best value known, and why it does not keep what was asked for if it does not.

    The error names the members that were not heard, as `missing`.
    """
    began, missing = trio.current_time(), tuple[str, ...]()
    value = backend.value(key)
    if consistent:
        read = await backend.consistent(key, seconds)
        value, missing = read.value, read.missing
    if value < least and not missing:
        value = await backend.reach(key, least, began + seconds - trio.current_time())
    details = {"missing": list(missing)}
    if missing:
        text = f"no answer in time from {', '.join(missing)}"
        return value, ClientError(503, "not_exact", text, details=details)
    if value < least:
        text = f"the value was below {least} until time was up"
        return value, ClientError(503, "not_reached", text, details=details)
    return value, None
