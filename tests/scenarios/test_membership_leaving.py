"""Goodbyes of all kinds; `scripts/soak` plays the same over more seeds."""

from __future__ import annotations

import pytest

from tests.soak import leaving

SEEDS = range(2)


@pytest.mark.parametrize("seed", SEEDS)
def test_l1_seven_of_ten_leave_and_nobody_is_called_dead(seed: int) -> None:
    leaving.scale_down(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_l2_a_farewell_wins_over_what_is_in_flight(seed: int) -> None:
    leaving.leave_while_refuting(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_l2_a_farewell_that_nobody_hears_ends_in_a_death(seed: int) -> None:
    leaving.leave_with_nobody_to_tell(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_l3_a_farewell_in_anothers_name_is_refuted(seed: int) -> None:
    leaving.leave_in_anothers_name(seed)


def test_l3_a_live_member_is_removed_as_a_live_one_only_and_goes() -> None:
    leaving.force_out_a_live_member(0)


@pytest.mark.parametrize("seed", SEEDS)
def test_l4_many_farewells_at_once_are_told_and_end(seed: int) -> None:
    leaving.leave_all_at_once(seed)


def test_l4_many_removals_at_once_end_and_nothing_more_is_told() -> None:
    leaving.remove_many_at_once(0)


@pytest.mark.parametrize("seed", SEEDS)
def test_l5_leaving_and_coming_again_works(seed: int) -> None:
    leaving.leave_and_come_again(seed)
