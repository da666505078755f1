"""Clients of simulated clusters see nothing wrong, whatever the weather; and when a node lies, what
they saw is enough to tell.

`scripts/soak histories` is the same for many seeds.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from gcounterd.counters.counters import Counters
from gcounterd.node.acknowledging import Acknowledging
from gcounterd.node.inquiries import Inquiries
from gcounterd.node.levels import Level
from gcounterd.sim.clients import Add
from gcounterd.sim.promises import Promises
from tests.histories.checker import RULES
from tests.histories.simulated import play

pytestmark = pytest.mark.slow

# The daemon waits for `min=`, so simulated clients have none; and they ask for one counter a time.
UNJUDGED = ("min is kept", "all or nothing")
# None of these fails without a lie.
SEEDS = range(40, 52)


def test_clients_in_any_weather_see_nothing_wrong() -> None:
    judged: Counter[str] = Counter()
    for seed in range(8):
        played = play(seed, minutes=0.5, removals=seed % 2 == 1)
        assert played.wrong == [], f"seed {seed}\n{played.where}"
        judged += played.verdict.judged
    assert [rule for rule in RULES if not judged[rule]] == list(UNJUDGED)
    assert min(judged[rule] for rule in RULES if rule not in UNJUDGED) > 20


def broken_rules() -> list[str]:
    """Return the rules that clients find broken, up to the first seed in which they do."""
    for seed in SEEDS:
        played = play(seed, nodes=3, minutes=0.5)
        if played.verdict.findings:
            return played.verdict.broken
    return []


def test_a_consistent_read_that_waits_for_nobody_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Inquiries, "attend", lambda self, nodes: None)
    assert "asks everybody" in broken_rules()


def test_an_answer_that_members_hold_what_they_do_not_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Promises, "make", lambda *_: None)  # else they see it first
    monkeypatch.setattr(Acknowledging, "_reached", lambda self, mark: Level.ALL)
    monkeypatch.setattr(
        Acknowledging, "_holders", lambda self, mark: [e.node for e in self._roster.belonging()]
    )
    assert "held by all" in broken_rules()


def test_a_value_that_falls_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    value = Counters.value
    calls = iter(range(10**9))

    def fall(self: Counters, key: bytes) -> int:
        return value(self, key) - (next(calls) % 50 == 49)

    monkeypatch.setattr(Counters, "value", fall)
    assert "no dip" in broken_rules()


def test_an_increment_that_is_refused_and_counts_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = Add.__init__
    calls = iter(range(10**9))

    def lie(self: Add, key: bytes, amount: int, told: Any) -> None:
        wrong = next(calls) % 20 == 19
        answered(self, key, amount, (lambda counts: told(counts=False)) if wrong else told)

    monkeypatch.setattr(Add, "__init__", lie)
    assert "refused is nothing" in broken_rules()
