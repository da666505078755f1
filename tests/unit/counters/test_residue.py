"""When a column may be forgotten; what the rules come to together is searched elsewhere."""

from __future__ import annotations

import pytest

from gcounterd.counters.residue import Shown, all_agree, may_forget

MINE = Shown(b"roster", b"lines")


def test_all_agree_when_everybody_has_shown_what_i_hold() -> None:
    assert all_agree(MINE, [MINE, Shown(b"roster", b"lines")])
    assert all_agree(MINE, [])


def test_with_another_roster_nobody_agrees() -> None:
    assert not all_agree(MINE, [MINE, Shown(b"another", b"lines")])


def test_with_other_lines_nobody_agrees() -> None:
    assert not all_agree(MINE, [Shown(b"roster", b"others"), MINE])


def test_a_member_that_has_shown_nothing_does_not_agree() -> None:
    assert not all_agree(MINE, [MINE, None])


@pytest.mark.parametrize(
    ("version", "final", "released", "may"),
    [
        (3, 3, False, True),
        (2, 3, False, False),  # there is more of it somewhere
        (3, 0, False, False),  # nobody knows where it ends
        (3, 0, True, True),
        (0, 0, True, False),  # there is nothing to add up
    ],
)
def test_what_may_be_forgotten_is_final_or_released(
    version: int, final: int, released: bool, may: bool
) -> None:
    assert may_forget(version, final=final, released=released) == may
