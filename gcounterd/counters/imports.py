"""Imports: counts that come from elsewhere, as a column that is born whole and closed.

Theory. What another system has counted has no process here that could write it, and whoever brings
it may bring it twice, at two nodes that cannot hear each other. So its column is named by what it
is: the node part of its id is a hash of the *source*, a name that the operator gives, and the epoch
part a hash of the counts. The same file under the same name is then the same column at every node,
and a column counts once, whoever brings it how often. Its content is fixed by its id, so it has one
version, which is final.

A source stands where a node stands for other columns: its counts are shown as its own. Nobody has
to be told its name apart from the column's line, and nobody can be told a wrong one, since it must
hash to the id (`is_source_of`).

Content is put in order before it is hashed: keys ascending, none twice, none at zero. Sorting a
million keys in one step would hold the loop for a second; they are dealt out to small heaps by a
sample of themselves first.

This module refuses to know files and formats, and whether a source is known already.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_right
from collections.abc import Generator, Iterator
from heapq import merge
from itertools import islice
from random import Random

import attrs
import numpy as np

from gcounterd.counters.batches import COUNT_MAX, Batch, Block, split_blocks
from gcounterd.counters.counters import Counters
from gcounterd.errors import ClientError
from gcounterd.ids import ID_BYTES, ColumnId, Epoch, NodeId, column_id

# The only version of an imported column.
VERSION = 1
# A name for people; with 256 of them in one message it still fits a frame.
SOURCE_BYTES_MAX = 255
# Counters of one import: some 150 bytes each while it is put in order.
KEYS_MAX = 2_000_000
# Work of one slice: keys hashed, compared or sorted.
_KEYS_PER_SLICE = 1024
# Heaps in which keys are sorted: of an import of 2 million, one has a thousand.
_HEAPS_MAX = 2048
# A total below this cannot pass 2^53 by what waits for the disk (see `counters.writer`).
_CLEARLY_SMALL = 2**52
_START_AT = "start-at "
_NODE_DOMAIN = b"gcounterd import\0"
_CONTENT_DOMAIN = b"gcounterd content\0"


def source_node(source: str) -> NodeId:
    """Return the node that stands for a source."""
    digest = hashlib.blake2b(_NODE_DOMAIN + source.encode(), digest_size=ID_BYTES)
    return NodeId(digest.digest())


def is_source_of(source: str, node: NodeId) -> bool:
    """Say whether this is the name of the source for which a node stands."""
    return source_node(source) == node


def start_source(key: bytes) -> str:
    """Return the source of the value at which a counter starts."""
    source = _START_AT + key.decode()
    if len(source.encode()) <= SOURCE_BYTES_MAX:
        return source
    return f"{_START_AT}blake2b:{hashlib.blake2b(key, digest_size=ID_BYTES).hexdigest()}"


def is_start(source: str) -> bool:
    """Say whether this is the source of a value at which a counter starts."""
    return source.startswith(_START_AT)


def show_source(source: str) -> str:
    """Return the words under which the counts of a source are shown."""
    return _START_AT.strip() if is_start(source) else f"import:{source}"


def check_source(source: str) -> None:
    """Raise `ClientError` 400 `bad_source` unless an import may be named so."""
    if not 1 <= len(source.encode()) <= SOURCE_BYTES_MAX or not source.isprintable():
        text = f"a source is 1 to {SOURCE_BYTES_MAX} bytes of printable text"
        raise ClientError(400, "bad_source", text)
    if is_start(source):
        raise ClientError(400, "bad_source", f"a source does not begin with '{_START_AT}'")


@attrs.frozen(eq=False)
class Import:
    """Counts in order, as the column that they are.

    keys, total  how many counters, and what they add up to
    """

    source: str
    column: ColumnId
    batch: Batch
    keys: int
    total: int


class Content:
    """Counts as they come, to be put in order.

    They are kept in what the collector need not look at: a list of a million keys, or of a million
    numbers, would cost it 20 ms each time.
    """

    def __init__(self) -> None:
        self._chunks: list[tuple[bytes, ...]] = []
        self._fresh: list[bytes] = []
        self._counts = array("q")

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, key: bytes, count: int) -> None:
        """Take a count; nothing is taken of a counter at zero.

        Raises `ClientError` 400: `bad_amount`, `too_many_keys`. Whether a key stands twice is
        found by `arranged`.
        """
        if not 0 <= count <= COUNT_MAX:
            raise ClientError(400, "bad_amount", "a count is a whole number from 0 to 2^53")
        if len(self._counts) == KEYS_MAX:
            text = f"one import names at most {KEYS_MAX:,} counters; give the rest another source"
            raise ClientError(400, "too_many_keys", text)
        if count:
            self._fresh.append(key)
            self._counts.append(count)
            if len(self._fresh) == _KEYS_PER_SLICE:
                self._chunks.append(tuple(self._fresh))
                self._fresh = []

    def _key(self, place: int) -> bytes:
        return self._chunks[place // _KEYS_PER_SLICE][place % _KEYS_PER_SLICE]

    def arranged(self, source: str, rng: Random) -> Generator[None, None, Import]:
        """Return the column of these counts, which are gone then, pausing between slices.

        `rng` has no influence on what comes out. Raises `ClientError` 400: `duplicate_key`,
        `nothing_to_import`.
        """
        if not self._counts:
            raise ClientError(400, "nothing_to_import", "there are no counts above 0 in it")
        self._chunks.append(tuple(self._fresh))
        digest = hashlib.blake2b(_CONTENT_DOMAIN, digest_size=ID_BYTES)
        blocks: list[Block] = []
        before, first, total = b"", 0, 0
        heaps = yield from self._dealt(rng)
        for heap in heaps:
            found, runs = yield from self._sorted(heap)
            order = merge(*runs, key=found.__getitem__)
            while run := list(islice(order, _KEYS_PER_SLICE)):
                names = [found[place] for place in run]
                counts = [self._counts[heap[place]] for place in run]
                _check_distinct(before, names)
                digest.update(_written(names, counts))
                positions = np.arange(first, first + len(names), dtype=np.int64)
                blocks += split_blocks(first, names, positions, np.array(counts, np.int64))
                before, first, total = names[-1], first + len(names), total + sum(counts)
                yield
        yield from self.dropped()
        column = column_id(source_node(source), Epoch(digest.digest()))
        batch = Batch(column, 0, VERSION, tuple(blocks))
        return Import(source, column, batch, first, total)

    def _sorted(
        self, heap: array[int]
    ) -> Generator[None, None, tuple[list[bytes], list[list[int]]]]:
        """Return the keys of a heap, and where they stand, in runs that are sorted.

        Heaps are of one size in the mean only: chance makes some of them eight times as large.
        """
        found: list[bytes] = []
        runs = []
        for at in range(0, len(heap), _KEYS_PER_SLICE):
            if at:
                yield
            found += [self._key(place) for place in heap[at : at + _KEYS_PER_SLICE]]
            runs.append(sorted(range(at, len(found)), key=found.__getitem__))
        return found, runs

    def dropped(self) -> Iterator[None]:
        """Let go of what has come, pausing between slices: a million keys take 30 ms to free."""
        while self._chunks:
            self._chunks.pop()
            yield

    def _dealt(self, rng: Random) -> Generator[None, None, list[array[int]]]:
        """Return the places of all keys in small heaps, those of one below those of the next.

        The sample is drawn by chance, so that nobody can make a file of which one heap gets all.
        """
        size = min(len(self) // 512, _HEAPS_MAX)
        bounds = sorted(self._key(place) for place in rng.sample(range(len(self)), size))
        yield
        heaps = [array("L") for _ in range(size + 1)]
        for number, chunk in enumerate(self._chunks):
            for place, key in enumerate(chunk, number * _KEYS_PER_SLICE):
                heaps[bisect_right(bounds, key)].append(place)
            yield
        return [heap for heap in heaps if heap]


def _check_distinct(before: bytes, names: list[bytes]) -> None:
    for name, following in zip([before, *names[:-1]], names, strict=True):
        if name == following:
            shown = following.decode()
            raise ClientError(400, "duplicate_key", f"the counter {shown!r} stands twice")


def _written(names: list[bytes], counts: list[int]) -> bytes:
    parts: list[bytes] = []
    for name, count in zip(names, counts, strict=True):
        parts += (len(name).to_bytes(2, "big"), name, count.to_bytes(8, "big"))
    return b"".join(parts)


def check_room(counters: Counters, given: Import) -> Iterator[None]:
    """Check that counters have room for an import, pausing between slices.

    Raises `ClientError` 400 `too_large` where a counter would pass 2^53 as this node sees it, 507
    `too_many_counters`.
    """
    fresh, most = 0, counters.writer.max_counters
    for block in given.batch.blocks:
        rows = np.array(counters.keys.find_all(block.names), np.int64)
        before = np.where(rows < 0, 0, counters.totals[np.maximum(rows, 0)])
        for place in np.flatnonzero(before + block.counts > _CLEARLY_SMALL).tolist():
            name = block.names[place]
            total = int(before[place]) + int(block.counts[place])
            if total + counters.writer.waiting(name) > COUNT_MAX:
                text = f"the counter {name.decode()!r} would pass 2^53"
                raise ClientError(400, "too_large", text)
        fresh += int(np.count_nonzero(rows < 0))
        if len(counters.keys) + fresh > most:
            raise ClientError(507, "too_many_counters", f"this node holds at most {most} counters")
        yield
