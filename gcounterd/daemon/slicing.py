"""Slicing: work of the node that pauses, run to its end while others run in between.

It refuses to know what the work is.
"""

from __future__ import annotations

import gc
from collections.abc import Generator
from typing import TypeVar

import trio

from gcounterd.counters.batches import Block

T = TypeVar("T")

# The collector looks once at each name of a tuple that is new to it (see `daemon.driver`); the
# slices that make most of them sort 4,096 names each.
_SLICES_PER_COLLECTION = 8
# Freeing so many blocks of 4,096 names takes a millisecond.
_BLOCKS_FREED = 16


async def sliced(work: Generator[None, None, T]) -> T:
    """Run a generator to its end, letting others run between its slices."""
    number = 0
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result
        number += 1
        if number % _SLICES_PER_COLLECTION == 0:
            gc.collect(0)
        await trio.lowlevel.checkpoint()


async def free(blocks: list[Block]) -> None:
    """Let go of blocks step by step; a million names at once take 15 ms to free."""
    while len(blocks) > _BLOCKS_FREED:
        del blocks[-_BLOCKS_FREED:]
        await trio.lowlevel.checkpoint()
