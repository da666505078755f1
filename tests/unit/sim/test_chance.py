"""Draws that are the same everywhere, and as they should be spread."""

from __future__ import annotations

import math
from random import Random

import pytest

from gcounterd.sim.chance import draw_exponential, draw_rank

DRAWS = 20_000


def test_times_between_events_are_spread_exponentially() -> None:
    rng = Random(1)
    times = [draw_exponential(rng, 5.0) for _ in range(DRAWS)]
    assert math.fsum(times) / DRAWS == pytest.approx(5.0, rel=0.03)
    for least in (0.1, 0.5, 1.0, 2.0, 4.0):
        share = sum(time >= 5.0 * least for time in times) / DRAWS
        assert share == pytest.approx(math.exp(-least), abs=0.012)


def test_draws_are_the_same_on_every_machine() -> None:
    """Bit by bit; what is wrong where this fails is `random()` itself, or a sum of floats."""
    rng = Random(428)
    assert [draw_exponential(rng, 0.0005).hex() for _ in range(3)] == [
        "0x1.12aa72000183ep-10",
        "0x1.11637a13f44ddp-15",
        "0x1.3e9b9cf8cecc9p-12",
    ]
    assert [draw_rank(rng, 60) for _ in range(12)] == [1, 2, 2, 1, 2, 10, 27, 1, 2, 4, 1, 1]


def test_a_few_ranks_get_most_and_none_is_beyond_the_last() -> None:
    rng = Random(1)
    ranks = [draw_rank(rng, 60) for _ in range(DRAWS)]
    for rank in (1, 2, 5, 20, 59):
        share = sum(drawn > rank for drawn in ranks) / DRAWS
        assert share == pytest.approx(1 / (rank + 1), abs=0.012)
    assert (min(ranks), max(ranks)) == (1, 60)
