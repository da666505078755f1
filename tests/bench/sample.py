"""Sample data: names, changes and columns that look like those of a web site.

Theory. What a batch costs depends on how its positions and counts are spread, so every row that
depends on it is measured on two kinds: *uniform*, where each counter is as likely to change as any
other, and *Zipf*, where few counters have most of the hits, as pages, words and clients do. All is
drawn from a seed, so two runs measure the same thing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gcounterd.counters.batches import Batch, split_blocks
from gcounterd.counters.counters import Counters
from gcounterd.ids import ColumnId, Epoch, NodeId, column_id, draw_epoch

SEED = 20_260_101
KINDS = ("uniform", "zipf")
# Names of one slice: a block's worth, so that building is like receiving.
SLICE = 4096
# Hits on pages and words fall off about so; numpy wants more than 1.
ZIPF_EXPONENT = 1.1
# Any time of this century: an epoch carries one.
EPOCH_MS = 1_750_000_000_000

_SECTIONS = (b"articles", b"products", b"users", b"images", b"docs", b"tags", b"api/v2/items")
_WORDS = (b"summer", b"index", b"blue", b"release-notes", b"how-to", b"gallery", b"report", b"a")


def make_names(number: int) -> list[bytes]:
    """Return different names that look like paths; 31 bytes each on average."""
    return [
        b"/%b/%d/%b-%b.html"
        % (_SECTIONS[i % 7], i * 7919 % 1_000_003, _WORDS[i % 8], _WORDS[i // 8 % 8])
        + (b"?page=%d" % (i // 1_000_003) if i >= 1_000_003 else b"")
        for i in range(number)
    ]


def make_column(number: int) -> ColumnId:
    """Return the id of the only column of an imagined node."""
    node = NodeId(bytes([number]) * 16)
    epoch: Epoch = draw_epoch(EPOCH_MS, number)
    return column_id(node, epoch)


def draw_positions(
    kind: str, size: int, number: int, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return `number` different positions below `size`, ascending, drawn as `kind` says."""
    if kind == "uniform":
        return np.sort(generator.choice(size, number, replace=False)).astype(np.int64)
    drawn: npt.NDArray[np.int64] = np.empty(0, np.int64)
    while True:
        more = generator.zipf(ZIPF_EXPONENT, 4 * number) - 1
        drawn = np.concatenate([drawn, more[more < size]])
        found, first = np.unique(drawn, return_index=True)
        if len(found) >= number:  # those that changed first; a repeated hit is no change more
            return np.sort(found[np.argsort(first)[:number]])


def draw_counts(
    kind: str, positions: npt.NDArray[np.int64], generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return plausible counts at `positions`: below 256 but for a few, or falling with rank."""
    if kind == "uniform":
        return generator.geometric(1 / 40, len(positions)).astype(np.int64)
    expected = 2_000_000 / (positions + 1.0)
    return (generator.poisson(expected) + 1).astype(np.int64)


def fill(
    counters: Counters, column: ColumnId, names: list[bytes], counts: npt.NDArray[np.int64]
) -> None:
    """Take a whole column in, as if it had come in pushes."""
    for batch in naming_batches(counters.head(column), column, names, counts):
        counters.apply(batch)


def naming_batches(
    head: int, column: ColumnId, names: list[bytes], counts: npt.NDArray[np.int64]
) -> Iterator[Batch]:
    """Yield batches above `head` that name all of `names` from position 0 on."""
    version = head
    for at in range(0, len(names), SLICE):
        some = names[at : at + SLICE]
        positions = np.arange(at, at + len(some), dtype=np.int64)
        for block in split_blocks(at, some, positions, counts[at : at + len(some)]):
            version += 1
            yield Batch(column, version - 1, version, (block,))
