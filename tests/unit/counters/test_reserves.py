"""Reserves: long arrays of zeros that take no memory before they are touched."""

from __future__ import annotations

import resource

import numpy as np
import pytest

from gcounterd.counters.reserves import reserve


@pytest.mark.parametrize("size", [0, 1, 4096, 100_000])
def test_a_reserve_is_all_zeros_and_can_be_written(size: int) -> None:
    array = reserve(size, np.int64)
    assert array.shape == (size,)
    assert array.dtype == np.int64
    assert not array.any()
    array[:] = 7
    assert array.sum() == 7 * size


def test_two_reserves_share_nothing() -> None:
    one, other = reserve(10, np.uint32), reserve(10, np.uint32)
    one[3] = 1
    assert not other.any()


def test_touching_one_item_of_a_large_reserve_takes_one_small_page() -> None:
    array = reserve(16_000_000, np.int64)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for at in range(0, 16_000_000, 1_000_000):
        array[at] = 1
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert faults >= 16
    assert array.sum() == 16


def test_the_array_keeps_its_memory_when_nothing_else_does() -> None:
    assert reserve(1000, np.int64)[500:].sum() == 0
