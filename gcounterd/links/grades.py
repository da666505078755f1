"""Grading: which grade the error of a dial stands for.

Theory. What grades mean is in `node.grades`; here errors of the system become one. Whatever is not
known to come from afar counts as our own trouble, since an accusation needs evidence.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable

from gcounterd.node.grades import Grade

_BY_ERRNO = {
    errno.ECONNREFUSED: Grade.REFUSED,
    errno.ECONNRESET: Grade.REFUSED,
    errno.EPIPE: Grade.REFUSED,
    errno.ETIMEDOUT: Grade.TIMEOUT,
    errno.EHOSTUNREACH: Grade.UNREACHABLE,
    errno.EHOSTDOWN: Grade.UNREACHABLE,
}
_SUREST_FIRST = list(Grade)


def grade_of(error: OSError) -> Grade:
    """Grade the error of one attempt. What is not known to come from afar is our own trouble."""
    if isinstance(error, socket.gaierror):
        return Grade.NAME
    return _BY_ERRNO.get(error.errno or 0, Grade.LOCAL)


def surest(grades: Iterable[Grade]) -> Grade:
    """Return the grade that says most about the peer: of a name with an IPv6 address that we have
    no route to and an IPv4 address that refuses, the latter counts."""
    return min(grades, key=_SUREST_FIRST.index)
