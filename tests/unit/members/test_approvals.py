"""Approvals: what a token is worth, and what a table keeps."""

from __future__ import annotations

import hashlib

import attrs
import pytest

from gcounterd.ids import NodeId
from gcounterd.members.approvals import (
    APPROVALS_MAX,
    CLOCKS_APART_MS_MAX,
    HOUR_MS,
    LIFE_MS_MAX,
    Approval,
    Approvals,
    Verdict,
    hash_token,
    judge,
    merge_approvals,
)

TOKEN = b"t" * 32
WALL_MS = 1_800_000_000_000
A, B = NodeId(b"a" * 16), NodeId(b"b" * 16)
APPROVAL = Approval("n4", hash_token(TOKEN), WALL_MS + HOUR_MS)
USED = attrs.evolve(APPROVAL, used_by=A)


def numbered(number: int, expires_ms: int = WALL_MS + HOUR_MS) -> Approval:
    return Approval("n4", number.to_bytes(32, "big"), expires_ms)


@pytest.mark.parametrize(
    ("approval", "name", "verdict"),
    [
        (APPROVAL, "n4", Verdict.GOOD),
        (USED, "n4", Verdict.GOOD),  # the same node comes again
        (None, "n4", Verdict.UNKNOWN),
        (APPROVAL, "n5", Verdict.FOREIGN),
        (attrs.evolve(APPROVAL, used_by=B), "n4", Verdict.USED),
        (attrs.evolve(APPROVAL, expires_ms=WALL_MS), "n4", Verdict.EXPIRED),
    ],
)
def test_a_token_is_good_once_for_its_name_and_its_time(
    approval: Approval | None, name: str, verdict: Verdict
) -> None:
    assert judge(approval, name, A, WALL_MS) is verdict


def test_a_clock_that_is_far_behind_honours_nothing() -> None:
    longest = attrs.evolve(APPROVAL, expires_ms=WALL_MS + LIFE_MS_MAX)
    assert judge(longest, "n4", A, WALL_MS - CLOCKS_APART_MS_MAX) is Verdict.GOOD
    assert judge(longest, "n4", A, WALL_MS - CLOCKS_APART_MS_MAX - 1) is Verdict.EXPIRED


def test_a_table_finds_the_approval_of_a_token_and_no_other() -> None:
    table = Approvals([numbered(1), APPROVAL, numbered(2)])
    assert table.find(TOKEN) == APPROVAL
    assert table.find(b"T" * 32) is None
    assert table.find(b"") is None


def test_a_name_may_have_several_approvals() -> None:
    table = Approvals()
    assert table.merge([APPROVAL, numbered(1)], WALL_MS) == (APPROVAL, numbered(1))
    assert len(table) == 2


def test_what_is_known_is_no_news_and_a_use_is() -> None:
    table = Approvals([APPROVAL])
    assert table.news([APPROVAL], WALL_MS) == ()
    assert table.merge([USED, APPROVAL], WALL_MS) == (USED,)
    assert list(table) == [USED]


def test_of_two_that_used_one_token_the_smaller_id_is_kept() -> None:
    merged = merge_approvals(attrs.evolve(APPROVAL, used_by=B), USED)
    assert merged.used_by == A


def test_what_expired_over_a_day_ago_is_dropped_and_not_taken_again() -> None:
    late_ms = APPROVAL.expires_ms + CLOCKS_APART_MS_MAX
    table = Approvals([APPROVAL])
    before = table.hash()
    table.forget(late_ms)
    assert list(table) == [APPROVAL]
    table.forget(late_ms + 1)
    assert len(table) == 0
    assert table.hash() != before
    assert table.merge([APPROVAL], late_ms + 1) == ()
    assert table.merge([APPROVAL], late_ms) == (APPROVAL,)


def test_the_hash_of_a_table_is_that_of_bytes_which_other_programs_can_make_as_well() -> None:
    moment = USED.expires_ms.to_bytes(8, "big")
    prints = moment + USED.token_hash + b"\x02n4" + A
    assert Approvals([USED]).hash() == hashlib.blake2b(prints, digest_size=16).digest()
    unused = moment + USED.token_hash + b"\x02n4" + bytes(16)
    assert Approvals([APPROVAL]).hash() == hashlib.blake2b(unused, digest_size=16).digest()


def test_of_too_many_those_that_expire_last_are_kept() -> None:
    table = Approvals(numbered(number, WALL_MS + number) for number in range(APPROVALS_MAX))
    soonest, later = numbered(9999, WALL_MS - 1), numbered(9999, WALL_MS + APPROVALS_MAX)
    assert table.merge([soonest], WALL_MS) == ()
    assert table.merge([later], WALL_MS) == (later,)
    assert len(table) == APPROVALS_MAX
    assert numbered(0, WALL_MS) not in list(table)


def test_only_what_is_unused_and_unexpired_is_awaited() -> None:
    expired = numbered(1, WALL_MS)
    table = Approvals([USED, expired, numbered(2)])
    assert table.awaited(WALL_MS) == [numbered(2)]
