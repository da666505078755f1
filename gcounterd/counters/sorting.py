"""Sorting: what one commit takes, brought into the order of positions.

Theory. A block wants positions that ascend, each once. What waits comes by name, in slices, and by
row; what a slice finds is put together here, and many are sorted a segment at a time, so that no
step is long.

This module refuses to know names' rows, and what may be counted.
"""

from __future__ import annotations

from collections.abc import Generator

import attrs
import numpy as np

from gcounterd.counters.batches import Counts, Positions
from gcounterd.counters.columns import SEGMENT_BITS

# Entries sorted in one slice.
_SORTED_PER_SLICE = 32_768


@attrs.frozen
class Sorted:
    """What is in flight: known positions and their counts; names new to the column, and theirs."""

    known: Positions
    counts: Counts
    names: list[bytes]
    new: Counts

    @classmethod
    def of_known(cls, positions: Positions, counts: Counts) -> Sorted:
        """Make it of positions alone."""
        return cls(positions, counts, [], np.empty(0, np.int64))


def summed(positions: Positions, counts: Counts) -> tuple[Positions, Counts]:
    """Let ascending positions stand once each: a key may wait by its name and by its row."""
    starts = np.flatnonzero(np.diff(positions, prepend=-1))
    return positions[starts], np.add.reduceat(counts, starts)


def join(parts: list[Sorted]) -> Sorted:
    """Put what slices found behind each other."""
    return Sorted(
        np.concatenate([part.known for part in parts]),
        np.concatenate([part.counts for part in parts]),
        [name for part in parts for name in part.names],
        np.concatenate([part.new for part in parts]),
    )


def in_order(positions: Positions) -> Generator[Positions, None, None]:
    """Yield where positions lie, so that they ascend; of many those of one segment at a time."""
    if len(positions) <= _SORTED_PER_SLICE:
        yield np.argsort(positions)
        return
    segments = positions >> SEGMENT_BITS
    for number in np.flatnonzero(np.bincount(segments)).tolist():
        where = np.flatnonzero(segments == number)
        yield where[np.argsort(positions[where])]
