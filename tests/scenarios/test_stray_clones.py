"""Cloned disks that know nobody, or that somebody met for a moment only: found by seeds."""

from __future__ import annotations

import pytest
from stories import address, agree, form, join, values

from gcounterd.members.claims import Liveness
from gcounterd.node.messages import Channel
from gcounterd.sim.cluster import Cluster

over_seeds = pytest.mark.parametrize("seed", range(5))


@over_seeds
def test_a_clone_from_before_its_node_met_anybody_ends_when_it_has_handed_over(seed: int) -> None:
    """Found by seed 428: told to try again, it had nobody on its roster whom to try."""
    cluster = Cluster(seed)
    cluster.add_host("n1")
    cluster.start("n1")
    cluster.run(0.1)
    cluster.add("n1", b"hits", 3)
    cluster.run(0.5)
    clone = cluster.clone("n1", "copy")
    clone.seeds = (address("n2"),)
    join(cluster, "n2", "n1")
    cluster.settle(10)
    cluster.start("copy")
    cluster.run(5)
    assert clone.process is None
    assert [code for code, _ in clone.exits] == [4]
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 3, "n2": 3}


@over_seeds
def test_a_member_that_met_a_clone_for_a_moment_comes_to_believe_in_its_node_again(
    seed: int,
) -> None:
    """Found by seed 269: the clone's epoch was the higher one, and on nobody's roster."""
    cluster = form("n1", "n2", "n3", seed=seed)
    cluster.split(["n1", "n2"], ["n3", "copy"])
    for way in (("n3", "copy"), ("copy", "n3")):
        cluster.network.bar(*way, Channel.BULK)
    clone = cluster.clone("n1", "copy")
    cluster.start("copy")
    cluster.run(5)
    detector = cluster.node("n3").detector
    believed = detector.view(clone.node)
    assert believed is not None
    assert believed.epoch == cluster.node("copy").config.epoch > cluster.node("n1").config.epoch
    cluster.kill("copy")
    while detector.lives(clone.node):
        cluster.run(1)
    cluster.network.heal()
    agree(cluster)
    assert detector.liveness(clone.node) is Liveness.ALIVE
    assert not cluster.hosts["n1"].exits


@over_seeds
def test_what_earlier_lives_of_a_process_that_gives_way_counted_is_handed_over_from_disk(
    seed: int,
) -> None:
    """Found by seed 1015: their columns are closed, and nobody had them read."""
    cluster = form("n1", "n2", "n3", seed=seed)
    cluster.split(["n1"], ["n2", "n3", "copy"])
    cluster.clone("n1", "copy")
    cluster.hosts["n1"].rows_per_checkpoint = 1
    for amount in (1, 10, 100):
        cluster.add("n1", b"hits", amount)
        cluster.run(0.5)
        cluster.kill("n1")
        cluster.start("n1")
        cluster.run(5)  # until what was closed has left memory
    counters = cluster.node("n1").counters
    assert [column for column in counters.settled if counters.is_cold(column)]
    cluster.start("copy")
    cluster.run(5)
    cluster.add("copy", b"hits", 1000)
    cluster.network.heal()
    agree(cluster)
    assert cluster.tally["twin ended"] == 1
    assert set(values(cluster, b"hits").values()) == {1111}
