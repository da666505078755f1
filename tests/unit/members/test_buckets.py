"""Buckets: what differs shows in its own bucket, and nothing else does."""

from random import Random

import attrs

from gcounterd.ids import Epoch, NodeId
from gcounterd.members.buckets import (
    ALL_BUCKETS,
    BUCKET_HASH_BYTES,
    BUCKETS,
    bucket_of,
    differing,
)
from gcounterd.members.roster import Entry, Roster, State

RNG = Random(3)
NODES = [NodeId(RNG.randbytes(16)) for _ in range(500)]


def entry(node: NodeId, *, life: int = 1) -> Entry:
    return Entry(node, Epoch(bytes([life]) * 16), 0, node.hex(), "h:1", State.ACTIVE)


def roster(nodes: list[NodeId] = NODES) -> Roster:
    return Roster(entry(node) for node in nodes)


def test_one_entry_among_five_hundred_that_changed_shows_in_its_bucket_alone() -> None:
    one, two = roster(), roster()
    two.merge([entry(NODES[7], life=2)])

    found = differing(one.bucket_hashes(), two.bucket_hashes())

    assert found == 1 << bucket_of(NODES[7])
    told = two.in_buckets(found)
    assert entry(NODES[7], life=2) in told
    assert len(told) < 30
    one.merge(told)
    assert differing(one.bucket_hashes(), two.bucket_hashes()) == 0
    assert one.hash() == two.hash()


def test_buckets_hold_every_entry_once_and_in_order() -> None:
    held = roster()
    assert held.in_buckets(ALL_BUCKETS) == list(held)
    assert [each.node for each in held] == sorted(NODES)
    each_alone = [e for number in range(BUCKETS) for e in held.in_buckets(1 << number)]
    assert each_alone == list(held)
    assert held.in_buckets(0) == []


def test_an_empty_roster_differs_from_another_where_that_one_has_entries() -> None:
    found = differing(Roster().bucket_hashes(), roster(NODES[:3]).bucket_hashes())
    assert found == sum({1 << bucket_of(node): None for node in NODES[:3]})
    assert len(Roster().bucket_hashes()) == BUCKETS * BUCKET_HASH_BYTES


def test_a_hash_asked_for_between_changes_is_that_of_a_roster_made_afresh() -> None:
    held = Roster()
    for node in NODES[:100]:
        held.merge([entry(node)])
        held.hash()
    assert held.hash() == roster(NODES[:100]).hash()


def test_every_field_of_an_entry_is_in_the_hash() -> None:
    plain = entry(NODES[0])
    others = {
        "epoch": Epoch(b"\2" * 16),
        "revision": 1,
        "name": "other",
        "address": "h:2",
        "state": State.REMOVING,
        "heir": NODES[1],
        "forced": True,
        "released": b"\2" * 16,
    }
    assert {"node", *others} == {field.name for field in attrs.fields(Entry)}
    for name, value in others.items():
        changed = Roster([attrs.evolve(plain, **{name: value})])
        assert changed.hash() != Roster([plain]).hash(), name


def test_who_belongs_has_a_hash_that_a_restart_leaves_alone_and_a_removal_does_not() -> None:
    held = roster(NODES[:5])
    before = held.members_hash()
    held.merge([entry(NODES[2], life=2)])
    assert held.members_hash() == before
    held.merge([attrs.evolve(entry(NODES[2]), state=State.REMOVED)])
    removed = held.members_hash()
    assert removed != before
    held.merge([entry(NODES[6])])
    assert held.members_hash() not in (before, removed)
