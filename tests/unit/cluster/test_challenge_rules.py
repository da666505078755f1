"""What the challenge accepts of a read, and that its table cannot be green with one red row."""

from __future__ import annotations

import json

import pytest

from tests.cluster.challenge import Finding, judge, show, show_table
from tests.cluster.client import Answer

REFUSED = Answer(503, json.dumps({"error": {"code": "not_exact"}, "best": 7}).encode())


@pytest.mark.parametrize(
    ("answer", "may_refuse", "holds"),
    [
        (Answer(200, b"10"), False, True),
        (Answer(200, b"12\n"), False, True),
        (Answer(200, b"9"), True, False),  # misses what was answered
        (Answer(200, b"13"), True, False),  # more than was ever sent
        (Answer(200, b"ten"), True, False),
        (Answer(200, b""), True, False),
        (REFUSED, True, True),
        (REFUSED, False, False),
        (Answer(500, b""), True, False),
        (None, True, False),  # it has to answer, if only that it cannot
    ],
)
def test_a_read_is_within_what_was_answered_and_sent_or_refuses_where_it_may(
    answer: Answer | None, may_refuse: bool, holds: bool
) -> None:
    assert judge(answer, 10, 12, may_refuse=may_refuse) is holds


def test_answers_are_shown_in_a_few_words() -> None:
    shown = [show(a) for a in (Answer(200, b"7\n"), REFUSED, Answer(502, b"<html>"), None)]
    assert shown == ["7", "503 not_exact, best 7", "502", "no answer"]


def test_one_finding_that_does_not_hold_makes_its_priority_not_hold() -> None:
    good = [Finding("s", priority, "read", "1", True) for priority in ("P0", "P1", "P2")]
    table = show_table([*good, Finding("s", "P0", "read", "2", False)])
    assert "P0 accurate: DOES NOT HOLD (1 of 2)" in table
    assert "P1 available: holds (1 of 1)" in table
    assert "s     P0   read   2     NO" in table
    assert "P2 crash-tolerant: DOES NOT HOLD (0 of 0)" in show_table(good[:2])  # not looked at
