"""Networks that work one way, partly, or elsewhere; `scripts/soak` plays more seeds."""

from __future__ import annotations

import pytest

from tests.soak import routes

SEEDS = range(2)


@pytest.mark.parametrize("seed", SEEDS)
def test_n1_a_route_that_works_one_way_now_and_then_troubles_nobody_else(seed: int) -> None:
    routes.work_one_way_now_and_then(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_n1_a_member_that_loses_most_troubles_nobody_else(seed: int) -> None:
    routes.lose_most(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_n2_a_newcomer_that_cannot_be_reached_is_told_so(seed: int) -> None:
    routes.advertise_a_wrong_address(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_n3_whose_probes_are_cut_is_shown_as_dead_though_data_would_pass(seed: int) -> None:
    routes.block_the_probes_only(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_n4_news_reach_all_once_whatever_is_lost(seed: int) -> None:
    routes.lose_and_delay(seed)
