"""Hot: chunks that are nothing but increments of one, read and answered without a step for each.

Theory. What loads a server is increments in pipelines, and all of those look alike: five lines each
for INCR, seven for the INCRBY of one that some libraries send. So the chunk is split at line ends
once, and whole columns of lines are compared with what they have to be, which is done in C. It is
exact: where every line is as it should be and every length is that of the key behind it, these
bytes can be read in no other way. What a long pipeline's chunk ends with, half a command, is left
for the next. Anything else is for the scanner. A client that waits for each answer sends one at a
time, so a single command is looked at first.

The answers are one format operation. Where a counter is named twice in a chunk its answers differ,
so those are worked out from the last to the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from gcounterd.api.limits import RECEIVE_BYTES
from gcounterd.counters.batches import KEY_BYTES_MAX

_SIZES = tuple(b"$%d" % size for size in range(KEY_BYTES_MAX + 1))


class _Form(NamedTuple):
    """The lines of one command, but for size and key, which are the fourth and the fifth.

    names  of the command, as clients write it
    after  the lines behind the key
    """

    begin: bytes
    array: bytes
    size: bytes
    names: tuple[bytes, bytes]
    after: tuple[bytes, ...]
    lines: int


_INCR = _Form(b"*2\r\n$4\r\n", b"*2", b"$4", (b"INCR", b"incr"), (), 5)
_ONE = _INCR.begin + b"INCR\r\n"
_ONE_LINES = 6  # of INCR, and what follows its end
_INCRBY = _Form(b"*3\r\n$6\r\n", b"*3", b"$6", (b"INCRBY", b"incrby"), (b"$1", b"1"), 7)
_GET = _Form(b"*2\r\n$3\r\n", b"*2", b"$3", (b"GET", b"get"), (), 5)
# The shortest increment, of a key of one byte: so many at most are in a chunk and what was left.
_SHORTEST_BYTES = len(b"*2\r\n$4\r\nINCR\r\n$1\r\na\r\n")
_COUNTS_MAX = 2 * RECEIVE_BYTES // _SHORTEST_BYTES


def read_one(data: bytes) -> bytes | None:
    """Return the key of a chunk that is one INCR and nothing else, else None."""
    if not data.startswith(_ONE):
        return None
    lines = data.split(b"\r\n", _ONE_LINES)
    if len(lines) != _ONE_LINES or lines[-1]:
        return None
    key = lines[4]
    size = len(key)
    return key if size <= KEY_BYTES_MAX and lines[3] == _SIZES[size] else None


def read_counts(data: bytes) -> tuple[list[bytes], bytes] | None:
    """Return the keys of a chunk that is increments of one only, and what it ends with.

    That is the beginning of one more, or b"". None if the chunk is anything else.
    """
    if data.startswith(_INCR.begin):
        return _read(data, _INCR)
    if data.startswith(_INCRBY.begin):
        return _read(data, _INCRBY)
    return None


def read_gets(data: bytes) -> tuple[list[bytes], bytes] | None:
    """Return the keys of a chunk that is GET only, and what it ends with, or None."""
    return _read(data, _GET) if data.startswith(_GET.begin) else None


def _read(data: bytes, form: _Form) -> tuple[list[bytes], bytes] | None:
    lines, stride, tail = data.split(b"\r\n"), form.lines, b""
    number = (len(lines) - 1) // stride
    rest = lines[number * stride :]
    if rest != [b""]:
        tail = b"\r\n".join(rest)
        if not number or not (tail.startswith(form.begin) or form.begin.startswith(tail)):
            return None
    del lines[number * stride :]
    names, keys = lines[2::stride], lines[4::stride]
    if (
        lines[0::stride].count(form.array) != number
        or lines[1::stride].count(form.size) != number
        or sum(map(names.count, form.names)) != number
    ):
        return None
    for at, line in enumerate(form.after, 5):
        if lines[at::stride].count(line) != number:
            return None
    try:
        sizes = [_SIZES[size] for size in map(len, keys)]
    except IndexError:
        return None
    return (keys, tail) if sizes == lines[3::stride] else None


def write_counts(keys: Sequence[bytes], values: Sequence[int]) -> bytes:
    """Write the answers to these increments, given the value of each after all of them."""
    if len(keys) == 1:
        return b":%d\r\n" % values[0]
    if len(set(keys)) == len(keys):
        return _numbers(len(keys)) % tuple(values)
    behind: dict[bytes, int] = {}
    told = []
    for key, value in zip(reversed(keys), reversed(values), strict=True):
        before = behind.get(key, 0)
        told.append(value - before)
        behind[key] = before + 1
    told.reverse()
    return _numbers(len(told)) % tuple(told)


@lru_cache(_COUNTS_MAX)
def _numbers(number: int) -> bytes:
    return b":%d\r\n" * number
