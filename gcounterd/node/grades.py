"""Grades: what a failed dial says, and about whom.

Theory. A dial that fails is evidence, but of different things. A reset tells that the host is up
and nobody listens: worth asking others at once. Silence is what a lost packet, a cut or a dead
host look like. An error of our own (no descriptors, no route, no port left) says nothing about
the peer and must never be held against it.

This module refuses to know how a grade is found out.
"""

from __future__ import annotations

import enum


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
