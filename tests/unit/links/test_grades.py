"""Which error says what about whom."""

from __future__ import annotations

import errno
import socket

import pytest

from gcounterd.links.grades import grade_of, surest
from gcounterd.node.grades import Grade


@pytest.mark.parametrize(
    ("number", "grade"),
    [
        (errno.ECONNREFUSED, Grade.REFUSED),
        (errno.ETIMEDOUT, Grade.TIMEOUT),
        (errno.EHOSTUNREACH, Grade.UNREACHABLE),
        (errno.ENETUNREACH, Grade.LOCAL),
        (errno.EMFILE, Grade.LOCAL),
        (errno.EADDRNOTAVAIL, Grade.LOCAL),
        (errno.EPERM, Grade.LOCAL),
    ],
)
def test_an_error_number_has_its_grade(number: int, grade: Grade) -> None:
    assert grade_of(OSError(number, "")) is grade


def test_a_resolver_error_is_about_the_name_whatever_its_number() -> None:
    assert grade_of(socket.gaierror(errno.ECONNREFUSED, "")) is Grade.NAME


def test_an_error_without_a_number_is_our_own() -> None:
    assert grade_of(OSError("strange")) is Grade.LOCAL


def test_what_the_far_side_says_outweighs_our_own_trouble() -> None:
    assert surest([Grade.LOCAL, Grade.REFUSED, Grade.TIMEOUT]) is Grade.REFUSED
    assert surest([Grade.LOCAL, Grade.TIMEOUT]) is Grade.TIMEOUT
