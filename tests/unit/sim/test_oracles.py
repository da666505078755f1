"""What theory says, against figures that others have published or that can be had by hand."""

from __future__ import annotations

import math
from random import Random

import pytest

from gcounterd.sim.experiments import oracles
from gcounterd.sim.experiments.statistics import bounds, mean, percentile


@pytest.mark.parametrize(
    ("members", "median"),
    [(5, 5.7), (10, 5.7), (32, 7.7), (50, 8.5), (100, 9.7), (200, 10.9), (1000, 13.7)],
)
def test_the_closed_form_gives_the_medians_measured_of_others(members: int, median: float) -> None:
    assert oracles.detection_median(members, 4.0) == pytest.approx(median, abs=0.06)


def test_the_first_suspicion_takes_two_intervals_in_the_mean() -> None:
    drawn = oracles.first_suspicions(Random(1), 50, 4000)
    assert mean(drawn) == pytest.approx(2.0, abs=0.06)
    assert percentile(drawn, 0.5) == pytest.approx(1.69, abs=0.06)
    assert percentile(drawn, 0.99) == pytest.approx(5.5, abs=0.5)


@pytest.mark.parametrize(
    ("loss", "relays", "expected"),
    [(0.01, 1, 1.2e-3), (0.01, 3, 1.9e-6), (0.05, 3, 9.8e-4), (0.10, 3, 1.2e-2), (0.17, 3, 7.1e-2)],
)
def test_swims_formula_of_false_detections(loss: float, relays: int, expected: float) -> None:
    assert oracles.false_detection(1 - loss, relays) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    ("members", "loss", "seconds"),
    [(10, 0.0, 1.6), (30, 0.0, 1.8), (100, 0.0, 2.0), (1000, 0.0, 2.2), (100, 0.25, 2.6)],
)
def test_serfs_curve(members: int, loss: float, seconds: float) -> None:
    assert 0.2 * oracles.rounds_to(0.9999, members, 3, loss) == pytest.approx(seconds, abs=0.21)


def test_tellings_grow_with_the_digits() -> None:
    assert [oracles.tellings(n, 4) for n in (8, 50, 99, 100, 1000)] == [4, 8, 8, 12, 16]


def test_a_percentile_is_one_of_the_values() -> None:
    values = [3.0, 1.0, 2.0, 4.0]
    assert [percentile(values, share) for share in (0.0, 0.5, 0.51, 0.99)] == [1.0, 2.0, 3.0, 4.0]
    assert math.isnan(percentile([], 0.5))
    assert math.isnan(mean([]))


@pytest.mark.parametrize(
    ("hits", "runs", "low", "high"),
    [
        (0, 100, 0.0, 0.0362),
        (3, 100, 0.0062, 0.0852),
        (100, 100, 0.9638, 1.0),
        (5, 10, 0.187, 0.813),
    ],
)
def test_bounds_of_a_share_are_those_of_clopper_and_pearson(
    hits: int, runs: int, low: float, high: float
) -> None:
    assert bounds(hits, runs) == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))
