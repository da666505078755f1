"""Data directories of a large node, made by the daemon's own rooms and not by a million requests.

Theory. Images are what a checkpoint leaves; the journal above them holds changes that touch every
segment of every column and is nearly as large as it can get before the next checkpoint begins. So
a start on such a directory is the slowest that an undamaged disk asks for, and a few increments
more make the node write every segment.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import trio

from gcounterd.counters.batches import Batch, split_blocks
from gcounterd.counters.checkpoint import Checkpoint
from gcounterd.counters.counters import Counters
from gcounterd.daemon.checkpoints import JOURNAL_BYTES_MIN, JOURNAL_SHARE_OF_IMAGES
from gcounterd.ids import NodeId, draw_epoch
from gcounterd.node.records import Group, TakeBatch
from gcounterd.storage.records import encode_group
from gcounterd.storage.schema import Settings
from gcounterd.storage.store import Store
from tests.bench import sample

# What is left below the size at which a checkpoint begins.
JOURNAL_ROOM_BYTES = 400 * 1024
# Counters that change in one journal row of one column: one second of a busy peer.
CHANGES_PER_ROW = 16_384
# What `tests.cluster` calls its clusters: a node refuses a directory of another one.
CLUSTER = "demo"


def make_stores(directories: list[Path], counters: int, columns: int, *, journal: bool) -> None:
    """Make data directories of nodes `n1`, `n2`, … that hold the same `columns` columns.

    With `journal` there is one nearly as large as the next checkpoint asks for; without it there
    is none. Takes some 5 s for a million counters.
    """
    held = Counters(sample.make_column(200), max_counters=counters)
    names = sample.make_names(counters)
    generator = np.random.default_rng(sample.SEED)
    for number in range(1, columns + 1):
        counts = sample.draw_counts("uniform", np.arange(counters), generator)
        sample.fill(held, sample.make_column(number), names, counts)
    images = Checkpoint(held, 0)
    bodies = [*images.images(), *images.columns()]
    size = sum(len(image.body) for image in bodies)
    limit = max(JOURNAL_BYTES_MIN, size // JOURNAL_SHARE_OF_IMAGES) - JOURNAL_ROOM_BYTES
    rows = list(_rows(held, limit)) if journal else []

    async def write(directory: Path, number: int) -> None:
        store = Store.open(directory)
        store.put_settings(_settings(number))
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            for image in bodies:
                await store.put_images([image])
            for seq, row in enumerate(rows, 1):
                await store.append(seq, row, durable=False)
            nursery.cancel_scope.cancel()

    for number, directory in enumerate(directories, 1):
        trio.run(write, directory, number)


def _settings(number: int) -> Settings:
    return Settings(
        store_id=bytes([number]) * 16,
        node_id=NodeId(bytes([100 + number]) * 16),
        name=f"n{number}",
        cluster=CLUSTER,
        epoch=draw_epoch(sample.EPOCH_MS, number),
    )


def _rows(counters: Counters, limit_bytes: int) -> Iterator[bytes]:
    """Yield journal rows up to a size: changes all over each column, in turn."""
    generator = np.random.default_rng(sample.SEED + 1)
    columns = list(counters.columns.values())
    size = 0
    while True:
        column = columns[0]
        columns = [*columns[1:], column]
        positions = sample.draw_positions(
            "uniform", column.size, min(CHANGES_PER_ROW, column.size), generator
        )
        counts = column.counts_at(positions) + generator.geometric(1 / 8, len(positions))
        batches = [
            Batch(column.id, column.head, column.head + 1, (block,))
            for block in split_blocks(column.size, (), positions, counts)
        ]
        row = encode_group(Group(tuple(TakeBatch(batch) for batch in batches), False, False))
        size += len(row)
        if size > limit_bytes:
            return
        for batch in batches:
            counters.apply(batch)
        yield row
