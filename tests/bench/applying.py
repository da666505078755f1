"""Row `apply`: taking in 10,000 known counters, against a dict of dicts on the same data.

The rival is what one would write first: name → {column: (count, version)}, raised where the count
that came is newer. It keeps no totals, so it has less to do. Both start from what decoding gives
them, positions here and names there; decoding a block is a row of its own. Rounds alternate.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable

import numpy as np

from gcounterd.counters.batches import Batch, make_block, read_block
from gcounterd.counters.counters import Counters
from gcounterd.ids import ColumnId
from tests.bench import sample
from tests.bench.rows import Row

CHANGES = 10_000
Rival = dict[bytes, dict[ColumnId, tuple[int, int]]]


def measure(*, quick: bool) -> list[Row]:
    """Return nanoseconds per counter and the ratio to the rival."""
    size, rounds = (100_000, 9) if quick else (1_000_000, 31)
    names = sample.make_names(size)
    column = sample.make_column(1)
    counters = Counters(sample.make_column(200), max_counters=size)
    sample.fill(counters, column, names, np.ones(size, np.int64))
    rival: Rival = {name: {column: (1, 1)} for name in names}
    generator = np.random.default_rng(sample.SEED)
    reading, applying, raising = [], [], []
    for _ in range(rounds):
        positions = sample.draw_positions("uniform", size, CHANGES, generator)
        counts = counters.columns[column].counts_at(positions) + generator.geometric(1 / 8, CHANGES)
        head = counters.head(column)
        encoded = make_block(size, (), positions, counts).encoded
        began = time.perf_counter_ns()
        block = read_block(encoded)
        read = time.perf_counter_ns()
        counters.apply(Batch(column, head, head + 1, (block,)))
        applied = time.perf_counter_ns()
        reading.append((read - began) / CHANGES)
        applying.append((applied - read) / CHANGES)
        changes = [
            (names[at], n) for at, n in zip(positions.tolist(), counts.tolist(), strict=True)
        ]
        began = time.perf_counter_ns()
        raise_rows(rival, column, changes, head + 1)
        raising.append((time.perf_counter_ns() - began) / CHANGES)
    mine, theirs = statistics.median(applying), statistics.median(raising)
    of = f"of {size:,}, medians of {rounds} rounds"
    return [
        Row("apply", f"apply {CHANGES:,} known counters {of}", mine, "ns each", at_most=60),
        Row("apply", "the same, times faster than a dict of dicts", theirs / mine, at_least=10),
        Row("apply", "a dict of dicts", theirs, "ns each"),
        Row("apply", "decode and check the block", statistics.median(reading), "ns each"),
    ]


def raise_rows(
    rival: Rival, column: ColumnId, changes: Iterable[tuple[bytes, int]], version: int
) -> None:
    """Do with a dict of dicts what `apply` does."""
    for name, count in changes:
        columns = rival.get(name)
        if columns is None:
            columns = rival[name] = {}
        held = columns.get(column)
        if held is None or held[0] < count:
            columns[column] = (count, version)
