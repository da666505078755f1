"""What is said of those who answer, and who do not; `scripts/soak` plays more seeds."""

from __future__ import annotations

import pytest

from tests.soak import suspecting

SEEDS = range(2)


@pytest.mark.parametrize("seed", SEEDS)
def test_s5_a_stale_suspicion_is_answered(seed: int) -> None:
    suspecting.hold_a_stale_suspicion(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_s6_only_who_probed_is_an_accuser(seed: int) -> None:
    suspecting.confirm_by_hearsay(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_s7_a_refuted_suspicion_never_kills_later(seed: int) -> None:
    suspecting.suspect_again(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_s8_nobody_doubts_itself_over_a_clean_crash(seed: int) -> None:
    suspecting.watch_a_clean_crash(seed)
