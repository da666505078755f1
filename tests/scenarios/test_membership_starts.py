"""Starts in any order, by names that are wrong at first; `scripts/soak` plays more seeds."""

from __future__ import annotations

import pytest

from tests.soak import starts

SEEDS = range(3)


@pytest.mark.parametrize("seed", SEEDS)
def test_b1_names_that_resolve_late_leave_no_islands(seed: int) -> None:
    starts.resolve_late(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_b2_an_address_that_went_to_another_cluster_merges_nothing(seed: int) -> None:
    starts.reuse_an_address(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_b3_any_order_of_starts_forms_one_cluster(seed: int) -> None:
    starts.start_in_any_order(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_b4_garbage_is_refused_and_not_kept(seed: int) -> None:
    starts.hear_garbage(seed)
