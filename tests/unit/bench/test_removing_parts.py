"""What the benchmarks of removal rest on: bytes by type of message, and rates between two times."""

from __future__ import annotations

import numpy as np

from gcounterd.counters.batches import Batch, split_blocks
from gcounterd.node.messages import Digest, Push
from gcounterd.wire.codec import encode
from tests.bench import sample
from tests.bench.paced import Tick
from tests.bench.passing import DIGEST, PUSH, Passing
from tests.bench.removing import answered
from tests.bench.restarting import State, compare

COLUMN = sample.make_column(1)


def push() -> bytes:
    positions = np.arange(3, dtype=np.int64)
    [block] = split_blocks(0, sample.make_names(3), positions, np.ones(3, np.int64))
    return encode(Push(Batch(COLUMN, 0, 1, (block,))))


def test_frames_are_told_apart_however_the_stream_is_cut() -> None:
    digest = encode(Digest({COLUMN: 1}, True))
    stream = digest + push() + digest
    for size in (1, 7, len(stream)):
        passing = Passing()
        for at in range(0, len(stream), size):
            passing("one", stream[at : at + size])
            passing("other", digest[at : at + size])
        assert passing.bytes == {DIGEST: 3 * len(digest), PUSH: len(push())}
        assert passing.longest == {DIGEST: len(digest), PUSH: len(push())}
        assert passing.counts() == len(push())


def test_answers_between_two_times_are_summed() -> None:
    trace = [Tick(1.0, 10), Tick(2.0, 20), Tick(3.0, 30)]
    assert answered(trace, 1.0, 3.0) == 50


def test_many_lives_are_compared_with_one() -> None:
    rows = compare(State(100, 50, 1, 60, 20.0, 9), State(105, 50, 1, 60, 40.0, 9), 1000)
    assert [row.verdict for row in rows] == ["pass"] * 4 + ["FAIL"] + ["measured"] * 2
