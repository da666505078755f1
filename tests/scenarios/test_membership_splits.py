"""Splits that outlast every memory; `scripts/soak` plays the same over more seeds."""

from __future__ import annotations

import pytest

from tests.soak import splits

SEEDS = range(3)


@pytest.mark.parametrize("seed", SEEDS)
def test_p1_a_split_of_minutes_heals_without_an_operator(seed: int) -> None:
    splits.heal_a_long_split(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_p2_a_lone_node_notices_that_it_is_alone_and_comes_back(seed: int) -> None:
    splits.bring_back_a_lone_node(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_p3_two_sides_that_call_each_other_dead_merge_and_nobody_dies_of_it(seed: int) -> None:
    splits.meet_after_many_refutations(seed)
