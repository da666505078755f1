"""Faults are brought to the phases of removals, and a pair that never came fails a large range."""

from __future__ import annotations

from collections import Counter
from random import Random

import attrs

from gcounterd.sim.cluster import Cluster
from gcounterd.sim.report import (
    SEEDS_FOR_REMOVALS,
    SEEDS_FOR_SOMETIMES,
    SOMETIMES,
    SOMETIMES_OF_REMOVALS,
    Report,
)
from gcounterd.sim.run import run_seed
from gcounterd.sim.steering import CELL, PHASES, STRIKES_MAX, Steering

NAMES = ("n1", "n2", "n3", "n4")


def form(seed: int) -> Cluster:
    """Return a cluster of four that has come to rest."""
    cluster = Cluster(seed)
    for name in NAMES:
        cluster.add_host(name, seeds=[f"{other}:7700" for other in NAMES])
        cluster.start(name)
    cluster.settle(30.0)
    return cluster


def test_every_fault_meets_the_phases_of_removals_in_its_turn() -> None:
    struck: list[str] = []

    def flood() -> None:
        struck.append("flood")

    def frost() -> None:
        struck.append("frost")

    met = Counter[str]()
    for seed in range(8):
        cluster = form(seed)
        steering = Steering(cluster, Random(seed), [flood, frost])
        cluster.kill("n3", power=True)
        cluster.remove("n2", "n4")
        cluster.run(8.0)
        cluster.remove("n2", "n3", dead=True)
        cluster.run(10.0)
        steering.ended = True
        before = len(struck)
        cluster.run(5.0)
        assert len(struck) == before
        met.update({cell: n for cell, n in cluster.tally.items() if cell.startswith(CELL)})
    assert set(met) == {
        f"{CELL}{phase} x {kind}" for phase in PHASES for kind in ("flood", "frost")
    }
    assert all(met.values()), met
    assert abs(struck.count("flood") - struck.count("frost")) <= 8 * STRIKES_MAX


def test_a_fault_that_never_met_a_phase_fails_a_large_range() -> None:
    found = Report(seeds=SEEDS_FOR_SOMETIMES)
    found.tally.update(dict.fromkeys([*SOMETIMES, *SOMETIMES_OF_REMOVALS], 1))
    found.tally.update({f"{CELL}saving x kill": 0, f"{CELL}closing x kill": 2})
    assert found.missing == [f"{CELL}saving x kill"]
    assert attrs.evolve(found, seeds=SEEDS_FOR_SOMETIMES - 1).missing == []


def test_what_removals_need_is_asked_of_a_range_that_has_them() -> None:
    found = Report(seeds=SEEDS_FOR_REMOVALS, tally=Counter({f"{CELL}saving x kill": 1}))
    assert found.missing == list(SOMETIMES_OF_REMOVALS)
    assert attrs.evolve(found, tally=Counter()).missing == []


def test_a_range_without_removals_has_no_such_pairs() -> None:
    outcome = run_seed(7, nodes=2, minutes=0.05)
    assert not any(what.startswith(CELL) for what in outcome.tally)
