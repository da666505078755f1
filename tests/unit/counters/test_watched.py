"""Watched keys: what each node counted of them, found without searching twice, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from counting import counters
from forgetful import Replica, life

from gcounterd.counters import columns
from gcounterd.counters.watched import Watched
from gcounterd.ids import NodeId, node_of
from tests.finishing import result_of

A1, A2, B, OWN = life("a", 1), life("a", 2), life("b", 1), life("c", 1)
NODE_A, NODE_B = node_of(A1), node_of(B)


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(columns, "SEGMENT_BITS", 2)
    monkeypatch.setattr(columns, "SEGMENT_SIZE", 4)
    monkeypatch.setattr(columns, "_OFFSET_MASK", 3)
    return


def look(watched: Watched) -> dict[bytes, dict[NodeId, int]]:
    """Search, and look at all that changed."""
    for _ in watched.search():
        pass
    return result_of(watched.look(watched.changed()))


def test_a_key_is_looked_at_once_and_again_when_it_has_changed() -> None:
    writer, replica = Replica(A1), Replica(OWN)
    watched = Watched(replica.counters)
    watched.watch(b"x")
    assert look(watched) == {b"x": {}}
    assert look(watched) == {}
    replica.take(*writer.count({b"other": 1}))
    assert look(watched) == {}
    replica.take(*writer.count({b"x": 3}))
    assert look(watched) == {b"x": {NODE_A: 3}}
    assert look(watched) == {}


def test_a_key_that_lies_deep_in_old_columns_is_found() -> None:
    writer, replica = Replica(A1), Replica(OWN)
    replica.take(*writer.count({b"key%d" % number: number + 1 for number in range(50)}))
    watched = Watched(replica.counters)
    watched.watch(b"key3")
    assert look(watched) == {b"key3": {NODE_A: 4}}
    watched.watch(b"key49")
    replica.take(*writer.count({b"new%d" % number: 1 for number in range(9)}))
    watched.watch(b"new7")
    assert look(watched) == {b"key49": {NODE_A: 50}, b"new7": {NODE_A: 1}}


def test_lives_of_one_node_are_one_count_and_closing_moves_none() -> None:
    replica = Replica(OWN)
    watched = Watched(replica.counters)
    watched.watch(b"x")
    first, second, other = Replica(A1), Replica(A2), Replica(B)
    replica.take(*first.count({b"x": 1}), *second.count({b"x": 10}), *other.count({b"x": 5}))
    assert look(watched) == {b"x": {NODE_A: 11, NODE_B: 5}}
    replica.close(A1)
    assert look(watched) == {}
    replica.take(*first.count({b"x": 100}))  # late, for a closed column
    assert look(watched) == {b"x": {NODE_A: 111, NODE_B: 5}}
    replica.take(*second.count({b"x": 10}))
    assert look(watched) == {b"x": {NODE_A: 121, NODE_B: 5}}


def test_what_nobody_watches_any_more_is_not_looked_at() -> None:
    writer, replica = Replica(A1), Replica(OWN)
    watched = Watched(replica.counters)
    watched.watch(b"x")
    watched.watch(b"x")
    watched.leave(b"x")
    replica.take(*writer.count({b"x": 1}))
    assert look(watched) == {b"x": {NODE_A: 1}}
    watched.leave(b"x")
    assert len(watched) == 0
    replica.take(*writer.count({b"x": 1}))
    assert look(watched) == {}
    watched.watch(b"x")
    assert look(watched) == {b"x": {NODE_A: 2}}


def test_counts_that_come_between_search_and_look_are_seen_by_the_next() -> None:
    writer, replica = Replica(A1), Replica(OWN)
    watched = Watched(replica.counters)
    watched.watch(b"x")
    look(watched)
    for _ in watched.search():
        pass
    replica.take(*writer.count({b"x": 7}))
    seen = result_of(watched.look([b"x"]))
    assert seen == {b"x": {}}  # the total has it, no position is known yet
    assert look(watched) == {b"x": {NODE_A: 7}}


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_counts_closings_and_looks_gives_the_shares(seed: int) -> None:
    rng = Random(seed)
    lives = [A1, A2, B, life("b", 2)]
    writers = {each: Replica(each) for each in lives}
    replica = Replica(OWN)
    watched = Watched(replica.counters)
    keys = [b"k%d" % number for number in range(12)]
    shown: dict[bytes, dict[NodeId, int]] = {}
    for _ in range(60):
        act = rng.random()
        if act < 0.5:
            writer = writers[rng.choice(lives)]
            replica.take(*writer.count({rng.choice(keys): rng.randint(1, 9)}))
        elif act < 0.6:
            replica.close(rng.choice(lives))
        elif act < 0.8:
            key = rng.choice(keys)
            watched.watch(key)
            shown.setdefault(key, {})
        else:
            shown |= look(watched)
    shown |= look(watched)
    assert {key: sum(counts.values()) for key, counts in shown.items()} == {
        key: replica.counters.value(key) for key in shown
    }
    for key, counts in shown.items():
        row = replica.counters.keys.find(key)
        shares: dict[NodeId, int] = {}
        for found in replica.counters.share_of_row(row) if row is not None else ():
            if found is not None:
                shares[found[0]] = shares.get(found[0], 0) + found[1]
        assert counts == shares


def test_merged_counters_above_the_limit_are_watched_too() -> None:
    writer, held = Replica(A1), counters("c", 2)
    watched = Watched(held)
    watched.watch(b"key0")
    (batch,) = writer.count({b"key0": 1})
    held.apply(batch)
    assert look(watched) == {b"key0": {NODE_A: 1}}
    for batch in writer.count({b"key%d" % number: 1 for number in range(30)}):
        held.apply(batch)
    watched.watch(b"key29")
    assert look(watched) == {b"key0": {NODE_A: 2}, b"key29": {NODE_A: 1}}
