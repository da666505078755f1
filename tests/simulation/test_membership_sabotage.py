"""The scenarios are no ornament: a detector that is worse in one point fails the one that asks it.

Each point is an error that a detector in use had, or a part of Lifeguard taken out.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import pytest

from gcounterd.members.beliefs import Beliefs
from gcounterd.members.timing import LAN, Timing
from gcounterd.node.relays import Relays
from gcounterd.sim.cluster import Cluster
from tests.soak.catalogue import SCENARIOS
from tests.soak.scenario import play

# Seeds that may be played until a scenario notices; none of them fails without a sabotage.
SEEDS = range(6)


def violations(name: str) -> Iterator[str]:
    for seed in SEEDS:
        played = play(SCENARIOS[name], seed)
        if played.violation:
            yield played.violation


def first_violation(name: str) -> str:
    return next(violations(name), "nothing was noticed")


def use(monkeypatch: pytest.MonkeyPatch, timing: Timing) -> None:
    """Let every node of every cluster keep these constants."""
    make = Cluster.__init__

    def init(self: Cluster, seed: int, _: Timing = LAN) -> None:
        make(self, seed, timing)

    monkeypatch.setattr(Cluster, "__init__", init)


def test_deaths_by_hearsay_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Beliefs, "_soften", lambda self, claim, member, now: claim)
    assert "false deaths" in first_violation("P3")


def test_members_that_refute_nothing_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Beliefs, "_answer", lambda self, claim, source: [])
    assert first_violation("L3").startswith("L3: not within")


def test_a_suspicion_that_is_too_short_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, attrs.evolve(LAN, alpha=0.2, health_max=0))
    assert "false deaths" in first_violation("S1")


def test_relays_that_say_no_too_late_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    make = Relays.__init__

    def late(self: Relays, nack_after: float, keep: float) -> None:
        make(self, LAN.timeout + nack_after, keep)

    monkeypatch.setattr(Relays, "__init__", late)
    assert "doubts itself" in first_violation("S8")


@pytest.mark.parametrize("name", ["P3", "L3", "S8"])
def test_without_a_sabotage_nothing_is_noticed(name: str) -> None:
    assert list(violations(name)) == []
