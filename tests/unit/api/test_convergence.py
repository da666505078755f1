"""Convergence in words: nobody is called equal who has not said so."""

from __future__ import annotations

import pytest

from gcounterd.api.convergence import Standing, describe, lasting


def alive(name: str, behind: float | None = 0.0) -> Standing:
    return Standing(name, "alive", behind, 0.5)


def dead(name: str, silent: float | None = 12.4) -> Standing:
    return Standing(name, "dead", 0.0, silent)


@pytest.mark.parametrize(
    ("others", "flags", "level", "text"),
    [
        ([], {}, "equal", "One node, so there is nothing to compare."),
        ([alive("n2"), alive("n3")], {}, "equal", "All 3 nodes are equal."),
        (
            [alive("n2")],
            {"moving": True},
            "moving",
            "All 2 nodes keep up: each holds what n1 held a second ago.",
        ),
        (
            [alive("n2", 1.8), alive("n3", 1.0), alive("n4")],
            {},
            "behind",
            "2 nodes behind, oldest 1.8 s: n2, n3. 1 other is equal to n1.",
        ),
        ([alive("n2", 30.0)], {}, "behind", "1 node behind, 30 s: n2."),
        (
            [alive("n2"), dead("n3")],
            {},
            "unknown",
            "n3 not heard for 12 s: its counts are unknown since. 1 other is equal to n1.",
        ),
        (
            [dead("n3", None)],
            {},
            "unknown",
            "n3 was not heard since this node started: its counts are unknown.",
        ),
        (
            [alive("n2", 2.0), alive("n3")],
            {"moving": True},
            "behind",
            "1 node behind, 2.0 s: n2. 1 other is level with what n1 held a second ago.",
        ),
        ([alive("n2", None)], {}, "unknown", "n2 has not said yet what it holds."),
        (
            [alive("n2", None), alive("n3", None)],
            {},
            "unknown",
            "n2, n3 have not said yet what they hold.",
        ),
        (
            [alive("n2")],
            {"lacking": True},
            "behind",
            "n1 itself is still fetching what others hold. 1 other is equal to n1.",
        ),
        (
            [alive("n2"), Standing("n3", "left", 0.0, 40.0)],
            {},
            "equal",
            "n3 stopped 40 s ago and counts nothing until it starts. 1 other is equal to n1.",
        ),
    ],
)
def test_it_says_what_is_known_and_no_more(
    others: list[Standing], flags: dict[str, bool], level: str, text: str
) -> None:
    verdict = describe("n1", others, **{"moving": False, "lacking": False, **flags})
    assert (verdict.level, verdict.text) == (level, text)


def test_of_many_that_are_not_heard_some_are_named() -> None:
    verdict = describe("n1", [dead(f"m{n}") for n in range(9)], moving=False, lacking=False)
    assert verdict.text.count("not heard for") == 4
    assert "5 more are not heard" in verdict.text
    many = describe("n1", [alive(f"m{n}", 2.0) for n in range(9)], moving=True, lacking=False)
    assert "m0, m1, m2, m3 and 5 more" in many.text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.9, "9.9 s"), (12.4, "12 s"), (180, "3 min"), (7300, "2 h"), (2e5, "2 d")],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert lasting(seconds) == text
