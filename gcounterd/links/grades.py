"""Grades: what a failed dial says, and about whom.

Theory. A dial that fails is evidence, but of different things. A reset tells that the host is up
and nobody listens: worth asking others at once. Silence is what a lost packet, a cut or a dead
host look like. An error of our own (no descriptors, no route, no port left) says nothing about
the peer and must never be held against it.
"""

from __future__ import annotations

import enum
import errno
import socket
from collections.abc import Iterable


class Grade(enum.StrEnum):
    """Why a dial came to nothing, the surest knowledge about the peer first."""

    REJECTED = "rejected"  # the peer answered with a refusal
    UNWANTED = "unwanted"  # the peer answered, and we refused it
    PROTOCOL = "protocol"  # somebody answered, but not as a peer does
    REFUSED = "refused"  # the host is up, no process answers there
    UNREACHABLE = "unreachable"  # a router says that the host is not there
    TIMEOUT = "timeout"  # silence
    NAME = "name"  # the address does not resolve, or is none
    LOCAL = "local"  # our own trouble


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
