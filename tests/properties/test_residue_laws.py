"""Residues in larger clusters than the exhaustive search can try, by chance."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.search.forgetting import (
    LOWERING,
    Row,
    Rules,
    World,
    cell,
    never_lower,
    next_worlds,
    outcome,
    version_of,
)

COLUMNS, REPLICAS, VERSIONS = 5, 5, 6
STEPS = 80


def rows(columns: int) -> st.SearchStrategy[Row]:
    cells = st.builds(cell, st.integers(0, VERSIONS), forgotten=st.booleans())
    return st.tuples(*[cells] * columns)


@given(st.integers(1, COLUMNS).flatmap(lambda n: st.lists(rows(n), min_size=2, max_size=REPLICAS)))
@settings(max_examples=400, deadline=None)
def test_whatever_they_hold_replicas_end_alike_or_refuse_each_other(held) -> None:
    assert outcome(tuple(held)) in ("agree", "yield", "refuse")


def wander(rng: Random, rules: Rules, held: tuple[int, ...]) -> tuple[World, list[str]]:
    """Take random steps from a random beginning; return where they led, and what they were."""
    drawn = [[cell(rng.choice(held)) for _ in rules.final] for _ in range(REPLICAS)]
    nothing = ((None,) * REPLICAS,) * REPLICAS
    world, acts = World(tuple((tuple(row), False) for row in drawn), shown=nothing), []
    for _ in range(STEPS):
        # Meetings are many and the rest rare, so what happens is drawn before where it does.
        by_act: dict[str, list[World]] = {}
        for act, after in next_worlds(world, rules):
            by_act.setdefault(act, []).append(after)
        act = rng.choice([*by_act, "level", "shown", "shown"])
        after = rng.choice(by_act[act])
        assert act in LOWERING or never_lower(world, after), (act, world)
        world, acts = after, [*acts, act]
    return world, acts


@given(st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_forgetting_what_is_final_loses_nothing(seed) -> None:
    rules = Rules((2,) * COLUMNS, returns=True, losses=2, rolled=True, stale=True)
    world, _ = wander(Random(seed), rules, (0, 2))
    assert outcome(world.rows) == "agree", world


@given(st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_forgetting_what_was_released_loses_nothing_while_no_disk_does(seed) -> None:
    rules = Rules((2, 0, 0, 0), returns=True, stale=True)
    world, acts = wander(Random(seed), rules, (0, 1, 2))
    assert "yield" not in acts
    assert outcome(world.rows) == "agree", world


def test_random_steps_do_forget() -> None:
    rules = Rules((2, 2), stale=True)
    walks = [wander(Random(seed), rules, (2,)) for seed in range(20)]
    assert any("forget" in acts for _, acts in walks)
    assert any(version_of(held) == 2 for world, _ in walks for row in world.rows for held in row)
