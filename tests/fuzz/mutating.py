"""A plain mutator: examples, changed a little, thousands of times a second.

Theory. Most of what is wrong with a reader shows near what it reads: a length changed, a part
repeated, two inputs joined. Which bytes come is decided by a seed alone, so a find is repeated by
its number. Now and then the memory that a reading takes is measured, which costs several times
the reading.

Whatever is not an error of the daemon's own tree, and was not caught by the target, is a find. This
module refuses to know what is read.
"""

from __future__ import annotations

import time
import traceback
import tracemalloc
from collections.abc import Iterator
from random import Random

import attrs

from tests.fuzz.targets import MEMORY_MIN, Target

INPUT_BYTES_MAX = 64 * 1024
MEASURED_EACH = 64
FINDS_MAX = 5
# A reading of an input of this size that takes so long would hold the loop up.
SECONDS_MAX = 2.0


@attrs.frozen
class Find:
    """An input after which something does not hold."""

    data: bytes
    text: str


@attrs.define
class Outcome:
    """What came of a target."""

    executions: int = 0
    seconds: float = 0.0
    peak: int = 0
    finds: list[Find] = attrs.field(factory=list)


def mutate(rng: Random, pool: list[bytes], words: tuple[bytes, ...]) -> bytes:
    """Return an input of the pool, changed in up to four places."""
    data = bytearray(rng.choice(pool))
    for _ in range(rng.randrange(5)):
        at = rng.randrange(len(data) + 1)
        size = rng.choice((1, 1, 2, 4, 8, 30))
        match rng.randrange(8):
            case 0 if data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            case 1 if data:
                data[at % len(data)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            case 2:
                del data[at : at + size]
            case 3:
                data[at:at] = rng.randbytes(size)
            case 4:
                data[at:at] = data[at : at + size] * rng.choice((1, 1, 1, 5, 100))
            case 5 if words:
                data[at:at] = rng.choice(words)
            case 6:
                other = rng.choice(pool)
                start = rng.randrange(len(other) + 1)
                data[at:] = other[start:]
            case _:
                del data[at:]
    return bytes(data[:INPUT_BYTES_MAX])


def inputs(target: Target, pool: list[bytes], seed: int) -> Iterator[bytes]:
    """Yield the examples of a target, and then changed ones for ever."""
    rng = Random(f"{target.name} {seed}")
    yield from pool
    while True:
        yield mutate(rng, pool, target.words)


def run(
    target: Target, *, seconds: float = 1e9, executions: int = 10**12, seed: int = 1
) -> Outcome:
    """Let a target read until a time is over, or so many inputs were read."""
    pool = list(target.examples())
    outcome, started = Outcome(), time.monotonic()
    for data in inputs(target, pool, seed):
        outcome.seconds = time.monotonic() - started
        if outcome.executions >= executions or outcome.seconds > seconds:
            break
        try:
            _read(target, data, outcome)
        except Exception:  # whatever it is, it is a find
            outcome.finds.append(Find(data, traceback.format_exc(limit=-4)))
            if len(outcome.finds) >= FINDS_MAX:
                break
        outcome.executions += 1
    return outcome


def _read(target: Target, data: bytes, outcome: Outcome) -> None:
    if not target.held or outcome.executions % MEASURED_EACH:
        begun = time.thread_time()
        target.run(data)
        assert time.thread_time() - begun < SECONDS_MAX, "this took too long"
        return
    tracemalloc.start()
    try:
        target.run(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    outcome.peak = max(outcome.peak, peak)
    assert peak <= MEMORY_MIN + target.held * len(data), f"{peak} bytes for {len(data)}"
