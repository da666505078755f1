"""Columns of nodes that no roster knows: accepted, closed, and never a reason to lose a count."""

from __future__ import annotations

from closings import closed_at
from stories import agree, form, values

from gcounterd.counters.images import Kind
from gcounterd.members.roster import Roster
from gcounterd.node.records import Group, TakeEntries
from gcounterd.sim.cluster import Cluster
from gcounterd.sim.disk import Disk
from gcounterd.storage.records import decode_group, encode_group
from gcounterd.storage.recovery import roster_images
from gcounterd.wire.entries import decode_entries

# Rosters are compared every half minute, give or take a fifth; two of those, and some.
CLOSED_S_MAX = 90.0


def lose_entry(disk: Disk, node: bytes) -> None:
    """Take a member out of a disk's roster, as a salvage may: the columns are all there."""
    kept = disk.content.images.items()
    entries = [
        entry
        for (kind, _, _), image in kept
        if kind == Kind.ROSTER.value
        for entry in decode_entries(image.body)
    ]
    rows = {}
    for seq, body in disk.content.rows.items():
        records = decode_group(body)
        for record in records:
            if isinstance(record, TakeEntries):
                entries += record.entries
        left = tuple(r for r in records if not isinstance(r, TakeEntries))
        rows[seq] = encode_group(Group(left, facts=True, own=False))
    disk.content.rows = rows
    roster = Roster(entry for entry in Roster(entries) if entry.node != node)
    image, _ = roster_images(roster)
    disk.content.images[image.kind.value, image.column, image.number] = image


def with_a_stranger() -> tuple[Cluster, bytes]:
    """Return two nodes whose disks have a column of n3 and not its entry; n3 is gone."""
    cluster = form("n1", "n2", "n3")
    for amount, name in enumerate(("n1", "n2", "n3"), 1):
        cluster.add(name, b"hits", 10**amount)
    cluster.run(2)
    column = cluster.process("n3").column
    for name in ("n1", "n2", "n3"):
        cluster.kill(name)
    for name in ("n1", "n2"):
        lose_entry(cluster.hosts[name].disk, cluster.hosts["n3"].node)
        cluster.start(name)
    return cluster, column


def test_they_count_and_are_closed_everywhere() -> None:
    cluster, column = with_a_stranger()
    cluster.run(5)
    assert closed_at(cluster, column) == []
    cluster.run(CLOSED_S_MAX)
    assert closed_at(cluster, column) == ["n1", "n2"]
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 1110, "n2": 1110}


def test_whoever_wrote_them_may_come_back_and_goes_on_in_a_column_of_its_own() -> None:
    cluster, column = with_a_stranger()
    cluster.run(CLOSED_S_MAX)
    cluster.start("n3")
    agree(cluster)
    assert cluster.add("n3", b"hits", 1)
    agree(cluster)
    assert cluster.process("n3").column != column
    assert values(cluster, b"hits") == {"n1": 1111, "n2": 1111, "n3": 1111}
