"""Rows `floor`: what memory and information theory allow, and how near a merge and a block come.

Theory. *Merging* 10,000 counts must at least gather the old ones, compare, and write counts, stamps
and totals at their places: bare NumPy does only that here, on flat arrays of the same types, with
no segments, names or checks; and every one of these places is a cache line that has to come from
memory, which at the bandwidth of a plain copy would take so long. *A block* must at least say which
counters changed and to what. With k of n equally likely that is log2(n choose k) bits and the
entropy of each count; in Zipf's case each counter has a chance of its own to be among them, and the
bits are the sum of the entropies of these chances. The models are those of `sample`; no knowledge
of earlier counts is assumed, which a receiver has and a cleverer block could use.
"""

from __future__ import annotations

import math
import statistics
import time

import numpy as np
import numpy.typing as npt

from gcounterd.counters.batches import Batch, make_block
from gcounterd.counters.counters import Counters
from tests.bench import sample
from tests.bench.applying import CHANGES
from tests.bench.rows import Row
from tests.bench.wire_bytes import COUNTERS, frame_bytes

# Far larger than any cache.
COPY_BYTES = 256 * 1024 * 1024
CACHE_LINE_BYTES = 64
# Read and written for a merged counter, each at a place of its own: counts, stamps and totals are
# read and written back, rows only read.
LINES_MOVED = 2 * 3 + 1
WIRE_CHANGES = 10_000
Array = npt.NDArray[np.int64]


def measure(*, quick: bool) -> list[Row]:
    """Return how far merging is from its floors, and blocks from theirs."""
    return [*_merge_rows(9 if quick else 31), *_wire_rows()]


def _merge_rows(rounds: int) -> list[Row]:
    bandwidth = _copy_bandwidth(rounds)
    ours, bare = _time_merges(COUNTERS, rounds)
    floor = LINES_MOVED * CACHE_LINE_BYTES / bandwidth * 1e9
    return [
        Row("floor", "memory, a plain copy in NumPy, read and written", bandwidth / 1e9, "GB/s"),
        Row("floor", f"apply {CHANGES:,} known counters of {COUNTERS:,}", ours, "ns each"),
        Row("floor", "the same in bare NumPy, flat arrays, no checks", bare, "ns each"),
        Row("floor", "the cache lines of the same, at the bandwidth of a copy", floor, "ns each"),
        Row("floor", "bare NumPy's time, as a share of ours", bare / ours),
        Row("floor", "the time of the cache lines, as a share of ours", floor / ours),
    ]


def _copy_bandwidth(rounds: int) -> float:
    source = np.ones(COPY_BYTES // 8, np.int64)
    target = np.zeros_like(source)
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        np.copyto(target, source)
        times.append(time.perf_counter() - began)
    return 2 * COPY_BYTES / statistics.median(times)


def _time_merges(size: int, rounds: int) -> tuple[float, float]:
    """Return nanoseconds per counter of the real thing and of bare NumPy, rounds in turn."""
    column = sample.make_column(1)
    counters = Counters(sample.make_column(200), max_counters=size)
    sample.fill(counters, column, sample.make_names(size), np.ones(size, np.int64))
    flat = [np.ones(size, np.int64) for _ in range(3)]
    rows = np.arange(size, dtype=np.int64)
    generator = np.random.default_rng(sample.SEED)
    ours, bare = [], []
    for version in range(1, rounds + 1):
        positions = sample.draw_positions("uniform", size, CHANGES, generator)
        counts = counters.columns[column].counts_at(positions) + generator.geometric(1 / 8, CHANGES)
        head = counters.head(column)
        batch = Batch(column, head, head + 1, (make_block(size, (), positions, counts),))
        began = time.perf_counter_ns()
        counters.apply(batch)
        ours.append((time.perf_counter_ns() - began) / CHANGES)
        began = time.perf_counter_ns()
        merge_bare(flat, rows, positions, counts, version)
        bare.append((time.perf_counter_ns() - began) / CHANGES)
    return statistics.median(ours), statistics.median(bare)


def merge_bare(
    flat: list[Array], rows: Array, positions: Array, counts: Array, version: int
) -> None:
    """Raise counts, stamps and totals in flat arrays: as little as NumPy can do."""
    held, stamps, totals = flat
    old = held[positions]
    new = np.maximum(old, counts)
    held[positions] = new
    stamps[positions] = version
    totals[rows[positions]] += new - old


def _wire_rows() -> list[Row]:
    rows = []
    for kind in sample.KINDS:
        least = entropy_bits(kind, COUNTERS, WIRE_CHANGES) / 8
        real = frame_bytes(kind, WIRE_CHANGES) / WIRE_CHANGES
        what = f"bytes per changed counter, {WIRE_CHANGES:,} of {COUNTERS:,}, {kind}"
        rows += [
            Row("floor", f"{what}: entropy", least, "bytes"),
            Row("floor", f"{what}: the frame, times that", real / least),
        ]
    return rows


def entropy_bits(kind: str, size: int, number: int) -> float:
    """Return the bits per change that `number` changes of `size` counters are worth."""
    if kind == "uniform":
        which = _log2_choose(size, number)
        return which / number + geometric_bits(1 / 40)
    chances = zipf_chances(size, number)
    inner = chances[(chances > 0) & (chances < 1)]
    which = float(-(inner * np.log2(inner) + (1 - inner) * np.log2(1 - inner)).sum())
    return (which + float((chances * poisson_bits(2_000_000 / np.arange(1.0, size + 1))).sum())) / (
        number
    )


def zipf_chances(size: int, number: int) -> npt.NDArray[np.float64]:
    """Return each counter's chance to be among the first `number` different ones drawn."""
    weights = np.arange(1.0, size + 1) ** -sample.ZIPF_EXPONENT
    weights /= weights.sum()
    low, high = 0.0, 1e12  # draws, so that as many different ones are expected
    for _ in range(100):
        draws = (low + high) / 2
        if -np.expm1(-draws * weights).sum() < number:
            low = draws
        else:
            high = draws
    chances: npt.NDArray[np.float64] = -np.expm1(-low * weights)
    return chances


def geometric_bits(p: float) -> float:
    """Return the entropy of a geometric distribution."""
    return -((1 - p) * math.log2(1 - p) + p * math.log2(p)) / p


def poisson_bits(means: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the entropy of Poisson distributions, by the usual approximation; means above 1."""
    bits: npt.NDArray[np.float64] = 0.5 * np.log2(2 * math.pi * math.e * means) - math.log2(
        math.e
    ) / (12 * means)
    return np.maximum(bits, 0)


def _log2_choose(n: int, k: int) -> float:
    return (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)) / math.log(2)
