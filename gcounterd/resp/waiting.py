"""The commands that wait: a listing, other nodes, a value.

Theory. A cursor of SCAN is a place in the order in which this process met its counters. Names are
never moved, so whatever is there for the whole of a scan is seen, once. The upper digits tell the
process, since another one has another order: its cursors are refused and not misread.

The one command that Redis lacks is `GCOUNTER.GET`, named as those of a module are: a read with a
floor, or an exact one, which no argument of GET could say without its clients taking it for
something else.
"""

from __future__ import annotations

import re
import time

import trio

from gcounterd.api.limits import TIMEOUT_DEFAULT_S
from gcounterd.api.reading import read_floor
from gcounterd.resp.burst import unready
from gcounterd.resp.counting import ONE_KEY
from gcounterd.resp.globs import compile_glob
from gcounterd.resp.limits import (
    PATTERN_BYTES_MAX,
    SCAN_COUNT_DEFAULT,
    SCAN_COUNT_MAX,
    SCAN_STEP_S,
    WAIT_S_MAX,
)
from gcounterd.resp.reading import NOT_A_NUMBER, ArgumentError, read_number
from gcounterd.resp.session import Args, Command, Session
from gcounterd.resp.writing import array, bulk, error, integer

ROW_BITS = 32
# Counters looked at before the clock is.
_SCAN_STEP = 16
_CURSOR = re.compile(rb"[0-9]{1,20}")


async def scan(session: Session, args: Args) -> bytes:
    """`SCAN cursor [MATCH pattern] [COUNT n] [TYPE type]`."""
    if refusal := _refuse_unread(session):
        return refusal
    try:
        start = _read_cursor(args[1], session.room.life)
        pattern, count, wanted = _read_options(args[2:])
    except ArgumentError as refused:
        return error(str(refused))
    found: list[bytes] = []
    row: int | None = start
    left, until = count, time.perf_counter() + SCAN_STEP_S
    while left and row is not None:
        counters, row = session.backend.scan(row, min(left, _SCAN_STEP))
        found += [key for key, value in counters if pattern is None or pattern.fullmatch(key)]
        left -= min(left, _SCAN_STEP)
        if time.perf_counter() > until:
            await trio.lowlevel.checkpoint()
            until = time.perf_counter() + SCAN_STEP_S
    cursor = 0 if row is None else session.room.life << ROW_BITS | row
    keys = array(bulk(key) for key in found) if wanted else array([])
    return array([bulk(b"%d" % cursor), keys])


def _read_cursor(text: bytes, life: int) -> int:
    if not _CURSOR.fullmatch(text):
        raise ArgumentError("invalid cursor")
    cursor = int(text)
    if cursor and cursor >> ROW_BITS != life:
        raise ArgumentError("this cursor is of another process or node; begin again from 0")
    return cursor & (1 << ROW_BITS) - 1


def _read_options(words: Args) -> tuple[re.Pattern[bytes] | None, int, bool]:
    """Return the pattern, how many counters to look at, and whether counters are wanted at all."""
    pattern, count, wanted = None, SCAN_COUNT_DEFAULT, True
    if len(words) % 2:
        raise ArgumentError("syntax error")
    for name, text in zip(words[::2], words[1::2], strict=True):
        match name.upper():
            case b"MATCH" if len(text) <= PATTERN_BYTES_MAX:
                pattern = None if text == b"*" else compile_glob(text)
            case b"MATCH":
                raise ArgumentError(f"a pattern is at most {PATTERN_BYTES_MAX} bytes")
            case b"COUNT":
                number = read_number(text)
                if number is None or number < 1:
                    raise ArgumentError(NOT_A_NUMBER if number is None else "syntax error")
                count = min(number, SCAN_COUNT_MAX)
            case b"TYPE":
                wanted = text.lower() == b"string"
            case _:
                raise ArgumentError("syntax error")
    return pattern, count, wanted


async def wait(session: Session, args: Args) -> bytes:
    """`WAIT number milliseconds`."""
    number, timeout = read_number(args[1]), read_number(args[2])
    if number is None or number < 0:
        return error(NOT_A_NUMBER)
    if timeout is None or timeout < 0:
        return error("timeout is not an integer or out of range")
    seconds = min(timeout / 1000 or WAIT_S_MAX, WAIT_S_MAX)
    return integer(await session.backend.copies(session.counted, number, seconds))


async def read(session: Session, args: Args) -> bytes:
    """`GCOUNTER.GET key [MIN n] [CONSISTENT] [TIMEOUT ms]`."""
    if refusal := _refuse_unread(session):
        return refusal
    try:
        least, consistent, seconds = _read_wishes(args[2:])
    except ArgumentError as refused:
        return error(str(refused))
    value, why = await read_floor(session.backend, args[1], least, seconds, consistent=consistent)
    if why is None:
        return bulk(b"%d" % value)
    return error(f"{why.message}; the best value known is {value}", why.code.upper())


def _read_wishes(words: Args) -> tuple[int, bool, float]:
    least, consistent, seconds = 0, False, TIMEOUT_DEFAULT_S
    rest = iter(words)
    for word in rest:
        match word.upper():
            case b"CONSISTENT":
                consistent = True
            case b"MIN" | b"TIMEOUT" as name:
                number = read_number(next(rest, b""))
                if number is None or number < 0:
                    raise ArgumentError(NOT_A_NUMBER)
                if name == b"MIN":
                    least = number
                else:
                    seconds = min(number / 1000, WAIT_S_MAX)
            case _:
                raise ArgumentError("syntax error")
    return least, consistent, seconds


def _refuse_unread(session: Session) -> bytes | None:
    readiness = session.backend.readiness()
    return None if readiness.readable else unready(readiness.reasons)


COMMANDS = (
    Command(
        "SCAN",
        "cursor [MATCH pattern] [COUNT n] [TYPE type]",
        -2,
        "Some counters and the cursor to go on with, 0 at the end. Every counter that is there "
        "from the first call to the last is answered, once. A cursor is good for one process of "
        f"one node; others are refused. `COUNT` is {SCAN_COUNT_DEFAULT} if not given, "
        f"{SCAN_COUNT_MAX:,} at most.",
        perform=scan,
        flags=("readonly",),
        group="generic",
        since="2.8.0",
    ),
    Command(
        "WAIT",
        "number milliseconds",
        3,
        "Waits until so many *other* nodes hold, as durably as each is set, all that this "
        "connection counted; answers how many do, at the latest after that time (0: after "
        f"{WAIT_S_MAX:g} s). Of a connection that counted nothing all do.",
        perform=wait,
        flags=(),
        group="generic",
        since="3.0.0",
    ),
    Command(
        "GCOUNTER.GET",
        "key [MIN n] [CONSISTENT] [TIMEOUT ms]",
        -2,
        "The value, 0 if nobody counted; at least `n`, so that a client that goes from node to "
        "node never sees it go down; with `CONSISTENT` exact over all members. If that cannot be "
        f"had in time ({TIMEOUT_DEFAULT_S:g} s if not told, {WAIT_S_MAX:g} at most): NOT_REACHED "
        "or NOT_EXACT, with the best value known.",
        perform=read,
        flags=("readonly",),
        keys=ONE_KEY,
        group="string",
        since="",
    ),
)
