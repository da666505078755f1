"""Restarts of all kinds; `scripts/soak` plays the same over more seeds."""

from __future__ import annotations

import pytest

from tests.soak import restarts

SEEDS = range(2)


@pytest.mark.parametrize("seed", SEEDS)
def test_p4_all_restart_at_once_and_all_see_all(seed: int) -> None:
    restarts.restart_everyone(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_p5_a_process_killed_and_back_at_once_is_one_member_and_never_dead(seed: int) -> None:
    restarts.restart_at_once(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_p6_the_same_disk_at_another_address_wins_at_once(seed: int) -> None:
    restarts.move_to_another_address(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_p8_a_clock_that_is_behind_hurts_no_restart(seed: int) -> None:
    restarts.restart_with_a_wrong_clock(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_p9_crash_loops_leave_no_members_behind(seed: int) -> None:
    restarts.loop_in_crashes(seed)
