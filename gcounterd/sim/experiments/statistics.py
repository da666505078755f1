"""Statistics: percentiles that are values, and bounds that are exact.

Theory. A nearest-rank percentile is one of the values measured, so it needs no words about
interpolation. For a share of runs, the bounds of Clopper and Pearson hold at least as often as they
say, however few runs there are; zero of n leaves up to about 3.7 / n.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

# Halvings of [0, 1]: far below what is printed.
_STEPS = 50


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile: the least value with that share of all at or below it."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean, NaN of nothing."""
    return sum(values) / len(values) if values else math.nan


def bounds(hits: int, runs: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Clopper-Pearson bounds of a share of which `hits` of `runs` were seen."""
    if not runs:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = 0.0 if not hits else _solve(lambda p: 1 - _at_most(hits - 1, runs, p), tail)
    high = 1.0 if hits == runs else 1 - _solve(lambda p: _at_most(hits, runs, 1 - p), tail)
    return low, high


def _at_most(hits: int, runs: int, share: float) -> float:
    """Return the chance of at most so many hits."""
    return sum(math.comb(runs, k) * share**k * (1 - share) ** (runs - k) for k in range(hits + 1))


def _solve(rising: Callable[[float], float], goal: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if rising(middle) < goal:
            low = middle
        else:
            high = middle
    return low
