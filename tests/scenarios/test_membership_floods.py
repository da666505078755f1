"""Rumours in storms, and when they end; `scripts/soak` plays more seeds."""

from __future__ import annotations

import pytest

from tests.soak import floods

SEEDS = range(2)


@pytest.mark.parametrize("seed", SEEDS)
def test_q1_rumours_do_not_delay_counts(seed: int) -> None:
    floods.count_in_a_storm(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_q2_rumours_end_and_the_dead_stay_dead(seed: int) -> None:
    floods.fall_silent(seed)
