"""The scenarios of the membership that matter most, with real daemons.

The stories are in tests/soak/live.py; `scripts/soak --live` plays those that take longer, too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.live import (
    heal_a_split,
    leave_one_by_one,
    resolve_late,
    restart_at_once,
    restart_elsewhere,
    reuse_an_address,
    stand_still,
)
from tests.soak.live_stage import processes

pytestmark = pytest.mark.slow


async def test_p1_both_sides_of_a_split_count_and_merge_with_nobody_dead(tmp_path: Path) -> None:
    async with processes(tmp_path, 10) as cluster:
        await heal_a_split(cluster)


async def test_p5_a_kill_with_a_restart_at_once_harms_nobody_else(tmp_path: Path) -> None:
    async with processes(tmp_path, 10) as cluster:
        await restart_at_once(cluster)


async def test_p6_a_restart_at_a_new_address_wins_over_the_old_one(tmp_path: Path) -> None:
    async with processes(tmp_path, 4) as cluster:
        await restart_elsewhere(cluster)


async def test_s1_a_node_that_stands_still_harms_nobody_else(tmp_path: Path) -> None:
    async with processes(tmp_path, 10) as cluster:
        await stand_still(cluster)


async def test_l1_seven_of_ten_leave_one_after_the_other_and_nobody_is_dead(tmp_path: Path) -> None:
    async with processes(tmp_path, 10) as cluster:
        await leave_one_by_one(cluster)


async def test_b1_islands_that_asked_for_seeds_in_vain_merge_when_one_appears(
    tmp_path: Path,
) -> None:
    async with processes(tmp_path, 4) as cluster:
        await resolve_late(cluster)


async def test_b2_an_address_that_went_to_another_cluster_merges_nothing(tmp_path: Path) -> None:
    async with processes(tmp_path, 5) as cluster:
        await reuse_an_address(cluster)
