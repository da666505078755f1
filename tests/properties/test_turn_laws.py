"""Real sums under every kind of turn: each column counts once, at the version of its line."""

from __future__ import annotations

from random import Random

import pytest
from forgetful import Replica, life
from hypothesis import given, settings
from hypothesis import strategies as st

from gcounterd.counters import columns, deltas, turns
from gcounterd.counters.residue import Step
from gcounterd.ids import node_of

KEYS = [b"key%d" % number for number in range(20)]
LIVES = [life("a", number) for number in (1, 2, 3)]
A = node_of(LIVES[0])
STEPS = 40


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "SEGMENT_BITS", 3)
    monkeypatch.setattr(columns, "SEGMENT_SIZE", 8)
    monkeypatch.setattr(columns, "_OFFSET_MASK", 7)
    monkeypatch.setattr(columns, "_FIRST_CAPACITY", 4)
    monkeypatch.setattr(turns, "SEGMENT_SIZE", 8)
    monkeypatch.setattr(deltas, "SEGMENT_SIZE", 8)
    monkeypatch.setattr(turns, "_NAMES_PER_SLICE", 3)
    monkeypatch.setattr(turns, "_ROWS_PER_SLICE", 5)


class Story:
    """Three columns that were written, and three replicas to which anything may happen."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.contents = {}
        self.batches = {}
        for column in LIVES:
            writer = Replica(column)
            for version in (1, 2, 3):
                amounts = {key: rng.randint(1, 100) for key in rng.sample(KEYS, rng.randint(1, 9))}
                self.batches.setdefault(column, []).extend(writer.count(amounts))
                self.contents[column, version] = writer.values(KEYS)
        self.replicas = [Replica(life(letter, 1)) for letter in "xyz"]

    def step(self) -> None:
        rng = self.rng
        mine, theirs = rng.sample(self.replicas, 2)
        column = rng.choice(LIVES)
        before = mine.values(KEYS)
        step = Step.NOTHING
        match rng.choice(["write", "level", "forget", "forget", "learn", "learn", "disk", "crash"]):
            case "write":
                mine.take(*self.batches[column][: rng.randint(1, 3)])
            case "level":
                mine.level(theirs, column)
            case "forget":
                mine.close(column)
                if mine.counters.head(column) and not mine.counters.is_forgotten(column):
                    mine.forget(column, crash=rng.choice(["", "before", "after"]))
            case "learn":
                for life_ in LIVES:
                    mine.close(life_)
                step = mine.learn(theirs, A, crash=rng.choice(["", "", "before", "after"]))
            case "disk":
                mine.checkpoint()
            case "crash":
                mine.crash()
        self.check(mine)
        if step is not Step.YIELD:
            assert all(mine.counters.value(key) >= before[key] for key in KEYS), "a dip"

    def check(self, replica: Replica) -> None:
        heads = {column: replica.counters.head(column) for column in LIVES}
        for key in KEYS:
            expected = sum(self.contents[c, v][key] for c, v in heads.items() if v)
            assert replica.counters.value(key) == expected, (key, heads)
        assert replica.is_sound()


@given(st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_a_value_is_each_column_once_at_the_version_of_its_line(seed) -> None:
    story = Story(Random(seed))
    for _ in range(STEPS):
        story.step()
