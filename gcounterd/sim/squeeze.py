"""The squeeze: limits made small, so that few counters do what else takes millions.

Theory. Deltas of many parts, applies in slices, images of several segments and full queues begin
where a state is large, and a large state is slow to simulate. What happens at a limit does not
depend on how high it is; so some seeds run with limits of a few entries, and meet in two minutes
what a cluster meets in a year. The limits are module constants, changed for one run at a time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from random import Random
from types import ModuleType

from gcounterd.counters import batches, checkpoint, columns, counters, deltas, keys, turns
from gcounterd.node import exchange, forgetting, serving, settling, taking, warming

# Peers in the clusters that are run squeezed.
PEERS_MAX = 15

_Setting = tuple[ModuleType, str, float]


@contextlib.contextmanager
def squeezed(rng: Random) -> Iterator[None]:
    """Run the block with small limits, drawn from `rng`."""
    settings = _draw(rng)
    before = [(module, name, getattr(module, name)) for module, name, _ in settings]
    try:
        for module, name, value in settings:
            setattr(module, name, value)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def _draw(rng: Random) -> list[_Setting]:
    bits = rng.choice([3, 4, 6])
    names = rng.choice([4, 16, 64])
    entries = rng.choice([8, 16, 64])
    window = rng.choice([1, 2, 8])
    wants = exchange.WANTS_PER_LINK_MAX + exchange.WAITING_PER_LINK_MAX
    return [
        (columns, "SEGMENT_BITS", bits),
        (columns, "SEGMENT_SIZE", 1 << bits),
        (columns, "_OFFSET_MASK", (1 << bits) - 1),
        (columns, "_FIRST_CAPACITY", 4),
        (columns, "_SCALAR_MAX", rng.choice([0, 2, 24])),
        (deltas, "SEGMENT_SIZE", 1 << bits),
        (deltas, "LAST_PART_BYTES_MAX", rng.choice([64, 200, 1000])),
        (deltas, "_PART_ENTRIES", entries),
        (deltas, "_PART_NAMES", rng.choice([1, 5, 20])),
        (deltas, "_PART_BYTES", rng.choice([60, 1500])),
        (deltas, "_PART_NAMES", entries // 4),
        (batches, "_ENTRIES_PER_BLOCK", entries),
        (batches, "_NAMES_PER_BLOCK", entries // 8),
        (batches, "_BYTES_PER_BLOCK", 1600),
        (counters, "_NAMES_PER_SLICE", rng.choice([1, 3, 10])),
        (keys, "NAMES_PER_IMAGE", names),
        (checkpoint, "NAMES_PER_IMAGE", names),
        (exchange, "PARTS_PER_WANT", window),
        (serving, "PARTS_PER_WANT", window),
        # Below what one peer's wants need, gatherings would drive each other out for ever.
        (serving, "GATHERINGS_MAX", rng.choice([wants * PEERS_MAX, 256])),
        (settling, "LINES_MAX", rng.choice([1, 3, 256])),
        (turns, "SEGMENT_SIZE", 1 << bits),
        (turns, "_NAMES_PER_SLICE", rng.choice([1, 3, 10])),
        (turns, "_ROWS_PER_SLICE", rng.choice([3, 100])),
        (forgetting, "LOOK_S", rng.choice([0.1, 2.0])),
        (forgetting, "ASK_AGAIN_S", rng.choice([0.5, 8.0])),
        (forgetting, "COLUMNS_PER_TURN", rng.choice([1, 3, 64])),
        (forgetting, "_LINES_PER_STEP", rng.choice([1, 4, 4096])),
        (taking, "LINES_OF_NODE_PER_MESSAGE", rng.choice([1, 2, 1024])),
        (warming, "WARM_MAX", rng.choice([0, 2, 64])),
        (warming, "UNUSED_S", rng.choice([0.0, 5.0])),
        (settling, "FEW_LINES", rng.choice([1, 3, 16])),
        (settling, "PARTS", rng.choice([2, 8])),
    ]
