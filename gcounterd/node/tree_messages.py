"""Messages by which a crowd passes on what is new, and shapes the tree that it goes along.

Values only, as all messages; what follows from them is in `node.tree` and `node.pushes`.
"""

from __future__ import annotations

import attrs

from gcounterd.counters.batches import Batch
from gcounterd.ids import ColumnId

# What one message holds at most, each batch of one block.
PASSED_BATCHES_MAX = 256
PASSED_BYTES_MAX = 240 * 1024
# What a batch takes beside its block.
PASSED_OVERHEAD_BYTES = 64


@attrs.frozen(eq=False)
class PassOn:
    """Bulk: batches that are new to me, each of one block."""

    batches: tuple[Batch, ...]


@attrs.frozen
class Beacon:
    """Bulk: beacon `number` of the process that writes `root`; it goes along the tree."""

    root: ColumnId
    number: int


@attrs.frozen
class Prune:
    """Bulk: pass nothing on to me unasked: I hear it from others."""


@attrs.frozen
class Graft:
    """Bulk: pass on to me what is new, as I shall to you."""
