"""Chance: draws that come out the same, to the last bit, on every machine.

Theory. A seed is a history only if every draw from it is the same everywhere; one bit in one delay
makes another history. `random()` is the same: an integer over a power of two. Sums, products and
quotients of such numbers are too, since IEEE 754 says how they are rounded. Logarithms and powers
are not: C libraries, and one library on two processors (with fused multiplication or without),
differ in the last bit. So times between events, whose textbook draw is a logarithm, are drawn by
von Neumann's method ("Various techniques used in connection with random digits", 1951), which only
compares: u1 > u2 > ... falls for exactly n draws with chance u1^(n-1)/(n-1)! - u1^n/n!, of which
those with odd n add up to e^-u1, the density of the exponential distribution between 0 and 1; with
chance 1/e there is none, and one more whole goes by.

This module refuses to know what is drawn for.
"""

from __future__ import annotations

from random import Random


def draw_exponential(rng: Random, mean: float) -> float:
    """Draw from the exponential distribution of this mean: how long until the next event."""
    wholes = 0
    while True:
        first = last = rng.random()
        is_odd = True
        while (draw := rng.random()) < last:
            last, is_odd = draw, not is_odd
        if is_odd:
            return mean * (wholes + first)
        wholes += 1


def draw_rank(rng: Random, ranks: int) -> int:
    """Draw from 1 to `ranks` as words come in a text: beyond the k-th is one draw in k + 1."""
    return min(ranks, int(1 / (1 - rng.random())))
