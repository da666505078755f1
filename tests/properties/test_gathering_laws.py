"""A gathering is whole, whatever is asked twice, lost or late, and however the column goes on."""

from __future__ import annotations

from collections import deque
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcounterd.counters import batches, columns, deltas
from gcounterd.counters.batches import Batch
from gcounterd.counters.counters import Counters, check_batch
from gcounterd.counters.deltas import Gathering, Piece, Stage
from gcounterd.ids import ColumnId

WRITER = ColumnId(b"w" * 32)
READER = ColumnId(b"r" * 32)
KEYS = [b"key%d" % number for number in range(60)]
WINDOW = 3
STEPS_MAX = 3000


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let dozens of counters need many parts and rounds."""
    monkeypatch.setattr(columns, "SEGMENT_BITS", 3)
    monkeypatch.setattr(columns, "SEGMENT_SIZE", 8)
    monkeypatch.setattr(deltas, "SEGMENT_SIZE", 8)
    monkeypatch.setattr(columns, "_OFFSET_MASK", 7)
    monkeypatch.setattr(columns, "_FIRST_CAPACITY", 4)
    monkeypatch.setattr(deltas, "LAST_PART_BYTES_MAX", 150)
    monkeypatch.setattr(deltas, "_PART_ENTRIES", 8)
    monkeypatch.setattr(deltas, "_PART_NAMES", 3)
    monkeypatch.setattr(batches, "_ENTRIES_PER_BLOCK", 8)


def write_some(writer: Counters, rng: Random, most: int) -> None:
    for key in rng.sample(KEYS, rng.randint(1, most)):
        writer.add(key, rng.randint(1, 500))
    for batch in writer.cut():
        writer.apply(batch)
    writer.writer.settle()


def content(counters: Counters) -> dict[bytes, int]:
    return {key: value for key in KEYS if (value := counters.value(key))}


class Rig:
    """A sender that serves windows as it is asked, and a receiver that asks too often."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.writer, self.reader = Counters(WRITER, 256), Counters(READER, 256)
        write_some(self.writer, rng, 30)
        self.content = {self.head: content(self.writer)}
        self.stage = Stage(b"", 0)
        self.wants: deque[int] = deque([0])
        self.pieces: deque[Piece] = deque()
        self.until = WINDOW
        self.gathering = self.writer.gather(WRITER, 0, 0)

    @property
    def head(self) -> int:
        return self.writer.head(WRITER)

    def serve(self) -> None:
        number = self.wants.popleft()
        for _ in range(WINDOW):
            made = self.gathering.pieces(number)
            self.pieces += made
            number += len(made)
            if made[-1].version:
                return

    def take(self) -> Batch | None:
        piece = self.pieces.popleft()
        if self.rng.random() < 0.2:
            return None  # dropped from a full queue
        batch = self.stage.take(WRITER, piece.number, piece.version, piece.block)
        if batch is None and self.stage.next >= self.until:
            self.ask()
        return batch

    def ask(self) -> None:
        self.until = self.stage.next + WINDOW
        self.wants.append(self.stage.next)

    def step(self) -> Batch | None:
        act = self.rng.choice(["write", *["serve"] * 4, *["take"] * 10, "ask"])
        if act == "write" and self.head < 60:
            write_some(self.writer, self.rng, 12)
            self.content[self.head] = content(self.writer)
        elif act == "serve" and self.wants:
            self.serve()
        elif act == "take" and self.pieces:
            return self.take()
        elif act == "ask" and len(self.wants) < 3:
            self.ask()
        return None


@given(st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_what_a_gathering_brings_is_the_column_at_its_version(seed: int) -> None:
    rig = Rig(Random(seed))
    batch = None
    for _ in range(STEPS_MAX):
        batch = rig.step()
        if batch is not None:
            break
    assert batch is not None, "the gathering never ended"
    check_batch(batch, 0)
    rig.reader.apply(batch)
    assert content(rig.reader) == rig.content[batch.version]


def test_a_part_beyond_the_next_one_is_refused() -> None:
    rig = Rig(Random(1))
    with pytest.raises(deltas.PeerError):
        rig.gathering.pieces(5)
    assert isinstance(rig.gathering, Gathering)
