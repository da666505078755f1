"""The commands that count, and those that answer from what this node has.

Theory. What Redis answers holds wherever it can: a counter that nobody counted is not there (nil,
0, `none`), though over HTTP it is 0. What would lower a number is refused, and so is an amount that
HTTP refuses.
"""

from __future__ import annotations

from gcounterd.api.limits import AMOUNT_MAX
from gcounterd.resp.burst import Burst, Value
from gcounterd.resp.limits import ONLY_GROW
from gcounterd.resp.reading import NOT_A_NUMBER, read_number
from gcounterd.resp.session import Args, Command, Session
from gcounterd.resp.writing import array, bulk, integer, null

# What a number takes in a reply, about.
_NUMBER_BYTES = 24


def incr(session: Session, burst: Burst, args: Args) -> None:
    """`INCR key`."""
    burst.count(args[1], 1)


def incrby(session: Session, burst: Burst, args: Args) -> None:
    """`INCRBY key amount`; 0 reads, as there is nothing to count."""
    amount = read_number(args[2])
    if amount is None:
        burst.deny(NOT_A_NUMBER)
    elif amount < 0:
        burst.deny(ONLY_GROW)
    elif amount > AMOUNT_MAX:
        burst.deny(f"one increment is at most {AMOUNT_MAX}")
    elif amount:
        burst.count(args[1], amount)
    else:
        key = args[1]
        burst.show(lambda value: integer(value(key)), _NUMBER_BYTES)


def get(session: Session, burst: Burst, args: Args) -> None:
    """`GET key`."""
    key, nothing = args[1], null(session.protocol)
    burst.show(lambda value: _string(value(key), nothing), _NUMBER_BYTES)


def mget(session: Session, burst: Burst, args: Args) -> None:
    """`MGET key …`."""
    keys, nothing = args[1:], null(session.protocol)

    def show(value: Value) -> bytes:
        return array(_string(value(key), nothing) for key in keys)

    burst.show(show, _NUMBER_BYTES * len(keys))


def _string(value: int, nothing: bytes) -> bytes:
    return bulk(b"%d" % value) if value > 0 else nothing


def exists(session: Session, burst: Burst, args: Args) -> None:
    """`EXISTS key …`."""
    keys = args[1:]
    burst.show(lambda value: integer(sum(value(key) > 0 for key in keys)), _NUMBER_BYTES)


def type_of(session: Session, burst: Burst, args: Args) -> None:
    """`TYPE key`."""
    key = args[1]
    burst.show(lambda value: b"+string\r\n" if value(key) > 0 else b"+none\r\n", _NUMBER_BYTES)


def dbsize(session: Session, burst: Burst, args: Args) -> None:
    """`DBSIZE`."""
    burst.show(lambda value: integer(session.backend.size()), _NUMBER_BYTES)


ONE_KEY, _ALL_KEYS = (1, 1, 1), (1, -1, 1)
_WRITES, READS = ("write", "denyoom", "fast"), ("readonly", "fast")
COMMANDS = (
    Command(
        "INCR",
        "key",
        2,
        "Counts one, and answers the value after it once it is as durable as `--durability` says.",
        incr,
        queued=True,
        flags=_WRITES,
        keys=ONE_KEY,
        group="string",
    ),
    Command(
        "INCRBY",
        "key amount",
        3,
        f"Counts 1 to {AMOUNT_MAX:,}; 0 only reads. A negative amount is refused.",
        incrby,
        queued=True,
        flags=_WRITES,
        keys=ONE_KEY,
        group="string",
    ),
    Command(
        "GET",
        "key",
        2,
        "This node's value, nil for a counter that nobody counted.",
        get,
        queued=True,
        flags=READS,
        keys=ONE_KEY,
        group="string",
    ),
    Command(
        "MGET",
        "key [key …]",
        -2,
        "The values of several counters, nil for those that nobody counted.",
        mget,
        queued=True,
        flags=READS,
        keys=_ALL_KEYS,
        group="string",
    ),
    Command(
        "EXISTS",
        "key [key …]",
        -2,
        "How many of them have been counted; a name given twice counts twice.",
        exists,
        queued=True,
        flags=READS,
        keys=_ALL_KEYS,
        group="generic",
    ),
    Command(
        "TYPE",
        "key",
        2,
        "`string` for a counter, else `none`.",
        type_of,
        queued=True,
        flags=READS,
        keys=ONE_KEY,
        group="generic",
    ),
    Command(
        "DBSIZE",
        "",
        1,
        "How many names this node knows, those included that other nodes counted.",
        dbsize,
        queued=True,
        flags=READS,
        group="server",
    ),
)
