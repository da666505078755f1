"""Processes that are slow, and those that are well; `scripts/soak` plays more seeds."""

from __future__ import annotations

import pytest

from tests.soak import slowness

SEEDS = range(2)


@pytest.mark.parametrize("seed", SEEDS)
def test_s1_reading_late_for_a_minute_kills_nobody_who_is_well(seed: int) -> None:
    slowness.read_late(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_s1_standing_still_kills_nobody_who_is_well(seed: int) -> None:
    slowness.stand_still(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_s2_a_blocked_loop_doubts_itself(seed: int) -> None:
    slowness.block_the_loop(seed)


def test_s2_a_large_state_fetched_by_all_at_once_makes_nobody_doubt_anybody() -> None:
    slowness.fetch_a_large_state(0, size=5 * 1024 * 1024)  # more than a link queues


@pytest.mark.parametrize("seed", SEEDS)
def test_s3_a_long_sleep_kills_nobody(seed: int) -> None:
    slowness.sleep_for_an_hour(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_s4_a_sick_member_accuses_a_quarter_as_often_as_without_lifeguard(seed: int) -> None:
    slowness.accuse_everybody(seed)
