"""Copies of closed columns that a disk has spoilt while their node runs: fetched again."""

from __future__ import annotations

import pytest
from closings import COOLED_S, cold_at, form, restart
from stories import agree, join, values
from test_forgetting import LONG_S, count_and_restart, has_forgotten

from gcounterd.counters.images import Kind
from gcounterd.ids import ColumnId
from gcounterd.node.effects import Load
from gcounterd.node.mending import AGAIN_S
from gcounterd.sim.cluster import Cluster


def spoil(cluster: Cluster, name: str, column: ColumnId) -> None:
    """Lose the segments of a column on a host's disk, and let its node read it."""
    images = cluster.hosts[name].disk.content.images
    for key in [key for key in images if key[0] == Kind.SEGMENT.value and key[1] == column]:
        del images[key]
    cluster.process(name).carry_out([Load(column)])


def has_copy(cluster: Cluster, name: str, column: ColumnId) -> bool:
    """Say whether a node's copy can be read, whole."""
    node, disk = cluster.node(name), cluster.hosts[name].disk
    read = node.counters.read_cold(column, disk.read_column(column))
    return read.head == node.counters.head(column)


def with_a_crashed_life(*names: str) -> tuple[Cluster, ColumnId]:
    """Return a cluster in which an ended life of n2 lies cold everywhere."""
    cluster = form(*names)
    for number in range(20):
        cluster.add("n2", b"key%d" % number, number + 1)
        cluster.run(0.2)
    column = cluster.process("n2").column
    restart(cluster, "n2")
    for name in names:
        cluster.add(name, b"hits", 100)  # what makes checkpoints due
        cluster.run(1)
        cluster.add(name, b"hits", 100)
        cluster.run(1)
    cluster.run(COOLED_S)
    assert cold_at(cluster, column) == list(names)
    return cluster, column


def test_a_spoilt_copy_is_fetched_again_and_no_value_moves() -> None:
    cluster, column = with_a_crashed_life("n1", "n2", "n3")
    before = cluster.value("n1", b"key19")
    spoil(cluster, "n1", column)
    cluster.run(2)
    assert cluster.notices["copy_damaged"] == cluster.notices["copy_mended"] == 1
    assert has_copy(cluster, "n1", column)
    assert not cluster.node("n1").settlement.mending.all()
    assert cluster.value("n1", b"key19") == before == 20
    agree(cluster)
    restart(cluster, "n1", power=True)
    agree(cluster)
    join(cluster, "n4", "n1")
    agree(cluster)
    assert cluster.value("n4", b"key19") == 20


def test_it_waits_for_somebody_who_has_it() -> None:
    cluster, column = with_a_crashed_life("n1", "n2")
    cluster.kill("n2")
    cluster.run(1)
    spoil(cluster, "n1", column)
    cluster.run(10)
    assert cluster.node("n1").settlement.mending.all() == [column]
    cluster.start("n2")
    cluster.run(AGAIN_S + 5)
    assert has_copy(cluster, "n1", column)
    agree(cluster)


@pytest.mark.parametrize("moment", range(1, 12))
def test_a_power_cut_while_it_is_mended_costs_nothing(moment: int) -> None:
    cluster, column = with_a_crashed_life("n1", "n2")
    spoil(cluster, "n1", column)
    kept = dict(cluster.hosts["n1"].disk.content.images)
    for _ in range(moment):
        cluster.run(0.0008)
    mended = cluster.hosts["n1"].disk.content.images.keys() - kept.keys()
    if not mended:
        cluster.run(2)  # a start could not read it: the simulated one leaves nothing out
    restart(cluster, "n1", power=True)
    agree(cluster)
    assert has_copy(cluster, "n1", column)


def test_a_spoilt_sum_is_fetched_again_from_who_has_forgotten_the_same() -> None:
    cluster = form("n1", "n2")
    column = count_and_restart(cluster, "n2", 5)
    cluster.run(LONG_S)
    assert has_forgotten(cluster, "n1", column)
    part = cluster.node("n1").counters.residues.get(cluster.hosts["n2"].node)
    assert part is not None
    spoil(cluster, "n1", part.id)
    cluster.run(3)
    assert cluster.notices["copy_mended"] == 1
    restart(cluster, "n1", power=True)
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 5, "n2": 5}
