"""Writing: replies as bytes, in RESP 2 and RESP 3.

Theory. The two differ where this server is concerned in two things only: RESP 3 has one null and
has maps; RESP 2 writes the null that stands for a string, and a map as a flat array. So replies are
written at once, by the protocol that the connection speaks now.

Errors begin with a word that clients sort by. `ERR`: nothing was counted. `UNCERTAIN`: it may have
been. `LOADING`: this node is not ready to be read, which clients take as "try again, or elsewhere".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gcounterd.errors import ClientError
from gcounterd.resp.limits import INTEGER_MAX

OK = b"+OK\r\n"
QUEUED = b"+QUEUED\r\n"
EMPTY = b"*0\r\n"

# What a reply may hold: arrays and maps hold replies.
Shape = int | str | bytes | None | list["Shape"] | dict[str, "Shape"]


def error(text: str, word: str = "ERR") -> bytes:
    """Write an error; what would end its line becomes a space."""
    line = " ".join(f"{word} {text}".split())
    return b"-%b\r\n" % line.encode("utf-8", "backslashreplace")


def refuse(refusal: ClientError) -> bytes:
    """Write why an increment was not counted, or that nobody knows whether it was."""
    return error(refusal.message, "ERR" if refusal.definite else "UNCERTAIN")


def integer(number: int) -> bytes:
    """Write a number; above what clients can read it is an error."""
    if number > INTEGER_MAX:
        return error(f"the value {number} is above 2^63-1; GET answers it as a string")
    return b":%d\r\n" % number


def bulk(text: bytes) -> bytes:
    """Write a string of bytes."""
    return b"$%d\r\n%b\r\n" % (len(text), text)


def null(protocol: int) -> bytes:
    """Write that there is no such string."""
    return b"_\r\n" if protocol == 3 else b"$-1\r\n"


def array(items: Iterable[bytes]) -> bytes:
    """Write replies as one."""
    written = list(items)
    return b"*%d\r\n%b" % (len(written), b"".join(written))


def write(shape: Shape, protocol: int) -> bytes:
    """Write anything; text is a string like bytes."""
    match shape:
        case int():
            return integer(shape)
        case str():
            return bulk(shape.encode())
        case bytes():
            return bulk(shape)
        case None:
            return null(protocol)
        case list():
            return array(write(item, protocol) for item in shape)
    return _write_map(shape, protocol)


def _write_map(shape: Mapping[str, Shape], protocol: int) -> bytes:
    items = b"".join(write(key, protocol) + write(item, protocol) for key, item in shape.items())
    if protocol == 3:
        return b"%%%d\r\n%b" % (len(shape), items)
    return b"*%d\r\n%b" % (2 * len(shape), items)
