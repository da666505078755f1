"""Hot: chunks that are nothing but INCR, read and answered without a step for each.

Theory. What loads a server is INCR in pipelines, and all of those look alike: five lines each. So
the chunk is split at line ends once, and whole columns of lines are compared with what they have to
be, which is done in C. It is exact: where every line is as it should be and every length is that of
the key behind it, these bytes can be read in no other way. Anything else, also half a command at
the end, is for the scanner.

The answers are one format operation. Where a counter is named twice in a chunk its answers differ,
so those are worked out from the last to the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from gcounterd.api.limits import RECEIVE_BYTES
from gcounterd.counters.batches import KEY_BYTES_MAX

_BEGIN = b"*2\r\n$4\r\n"
_SIZES = tuple(b"$%d" % size for size in range(KEY_BYTES_MAX + 1))
_NAMES = (b"INCR", b"incr")
# The shortest INCR, of a key of one byte.
_SHORTEST_BYTES = len(b"*2\r\n$4\r\nINCR\r\n$1\r\na\r\n")
_FORMS = RECEIVE_BYTES // _SHORTEST_BYTES + 1


def read_counts(data: bytes) -> list[bytes] | None:
    """Return the keys of a chunk that is whole INCR commands only, else None."""
    if not data.startswith(_BEGIN):
        return None
    lines = data.split(b"\r\n")
    number, rest = divmod(len(lines) - 1, 5)
    if rest or lines.pop() or lines[0::5].count(b"*2") != number:
        return None
    names, keys = lines[2::5], lines[4::5]
    if names.count(_NAMES[0]) + names.count(_NAMES[1]) != number:
        return None
    try:
        sizes = [_SIZES[size] for size in map(len, keys)]
    except IndexError:
        return None
    return keys if sizes == lines[3::5] and lines[1::5].count(b"$4") == number else None


def write_counts(keys: Sequence[bytes], values: Sequence[int]) -> bytes:
    """Write the answers to these increments, given the value of each after all of them."""
    if len(set(keys)) == len(keys):
        return _form(len(keys)) % tuple(values)
    behind: dict[bytes, int] = {}
    numbers = []
    for key, value in zip(reversed(keys), reversed(values), strict=True):
        before = behind.get(key, 0)
        numbers.append(value - before)
        behind[key] = before + 1
    numbers.reverse()
    return _form(len(numbers)) % tuple(numbers)


@lru_cache(_FORMS)
def _form(number: int) -> bytes:
    return b":%d\r\n" * number
