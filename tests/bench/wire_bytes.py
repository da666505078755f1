"""Row `wire`: bytes of whole frames per changed counter that the receiver knows by position."""

from __future__ import annotations

import numpy as np

from gcounterd.counters.batches import Batch, split_blocks
from gcounterd.node.messages import Push
from gcounterd.wire.codec import encode
from tests.bench import sample
from tests.bench.rows import Row

COUNTERS = 1_000_000
SIZES = (1_000, 10_000, 100_000)
BATCHES = 5


def measure(*, quick: bool) -> list[Row]:
    """Return bytes per counter, for each kind of data and size of batch."""
    sizes = SIZES[:2] if quick else SIZES
    return [
        Row(
            "wire",
            f"bytes per changed counter, {size:,} of {COUNTERS:,}, {kind}",
            frame_bytes(kind, size) / size,
            "bytes",
            at_most=6,
        )
        for kind in sample.KINDS
        for size in sizes
    ]


def frame_bytes(kind: str, size: int) -> float:
    """Return the mean size of the frames that push one batch of `size` changes."""
    generator = np.random.default_rng(sample.SEED)
    column = sample.make_column(1)
    total = 0
    for _ in range(BATCHES):
        positions = sample.draw_positions(kind, COUNTERS, size, generator)
        counts = sample.draw_counts(kind, positions, generator)
        for version, block in enumerate(split_blocks(COUNTERS, (), positions, counts), 1):
            total += len(encode(Push(Batch(column, version - 1, version, (block,)))))
    return total / BATCHES
