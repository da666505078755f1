"""Moments: durations that pass by themselves make no news."""

from __future__ import annotations

import pytest

from gcounterd.daemon import moments
from gcounterd.daemon.moments import Moments


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    clock = [1_000_000]
    monkeypatch.setattr(moments, "wall_ms", lambda: clock[0])
    return clock


def test_what_lasts_is_told_as_the_moment_at_which_it_began(now: list[int]) -> None:
    fixed = Moments()
    seen = {"nodes": [{"id": "a", "since_s": 2.0, "name": "n1"}, {"id": "b", "since_s": None}]}
    told = fixed.fix(seen)
    assert told == {
        "nodes": [{"id": "a", "since_at": 998_000, "name": "n1"}, {"id": "b", "since_at": None}]
    }
    fixed.sweep()
    now[0] += 1000
    later = {"nodes": [{"id": "b", "since_s": None}, {"id": "a", "since_s": 3.041, "name": "n1"}]}
    assert fixed.fix(later)["nodes"][1] == told["nodes"][0]


def test_what_began_anew_is_told_anew(now: list[int]) -> None:
    fixed = Moments()
    fixed.fix([{"node": "a", "since_s": 60.0}])
    fixed.sweep()
    assert fixed.fix([{"node": "a", "since_s": 1.5}]) == [{"node": "a", "since_at": 998_500}]


def test_moments_that_are_not_told_any_more_are_forgotten(now: list[int]) -> None:
    fixed = Moments()
    assert fixed.fix({"since_s": 1.0}, "a") == {"since_at": 999_000}
    fixed.sweep()
    fixed.sweep()
    assert fixed.fix({"since_s": 1.05}, "a") == {"since_at": 998_950}
