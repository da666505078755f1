"""A newcomer takes the place of a dead member of its name; islands meet with removals on both."""

from __future__ import annotations

import pytest
from removals import REMOVED_S_MAX, finish, node_id, state, wait_exit, wait_removed
from stories import SETTLED_S_MAX, address, agree, form, values
from test_removal_dead import formed, kill

from gcounterd.members.roster import State
from gcounterd.sim.cluster import Cluster
from gcounterd.sim.host import Host

SEEDS = range(5)
over_seeds = pytest.mark.parametrize("seed", SEEDS)
FIVE = ("n1", "n2", "n3", "n4", "n5")


def replace(cluster: Cluster, name: str, machine: str, *seeds: str, take_over: bool = True) -> Host:
    """Start a new machine, with an empty disk, under a name that a member has."""
    host = cluster.add_host(machine, seeds=[address(seed) for seed in seeds])
    host.name, host.take_over = name, take_over
    cluster.start(machine)
    return host


@over_seeds
def test_a_new_disk_takes_over_from_a_dead_node_of_its_name(seed: int) -> None:
    cluster = formed(*FIVE, seed=seed)
    old = node_id(cluster, "n2")
    kill(cluster, "n2", power=True)
    new = replace(cluster, "n2", "new", "n1", "n4")
    wait_removed(cluster, "n2", seconds=2 * REMOVED_S_MAX)
    agree(cluster)
    assert cluster.add("new", b"hits", 100_000)
    agree(cluster)
    assert set(values(cluster, b"hits").values()) == {111_111}
    for name in ("n1", "n3", "n4", "n5", "new"):
        node = cluster.node(name)
        assert node.roster.label(new.node) == "n2"
        assert node.removing.shown_as(old) == "n2"


@over_seeds
def test_one_that_answers_is_not_taken_over_from(seed: int) -> None:
    cluster = formed("n1", "n2", "n3", seed=seed)
    new = replace(cluster, "n2", "new", "n1", "n3")
    cluster.run(10)
    assert new.process is None or state(cluster, "n1", "n2") is State.ACTIVE
    assert cluster.add("n2", b"hits", 1)
    if new.process is not None:
        cluster.kill("new")
    agree(cluster)


@over_seeds
def test_without_take_over_the_name_of_a_dead_node_is_taken(seed: int) -> None:
    cluster = formed("n1", "n2", "n3", seed=seed)
    kill(cluster, "n2")
    new = replace(cluster, "n2", "new", "n1", take_over=False)
    cluster.run(5)
    ((code, text),) = new.exits
    assert code == 4
    assert "start with another --name" in text
    assert state(cluster, "n1", "n2") is State.ACTIVE


@over_seeds
def test_an_old_disk_with_a_new_identity_sends_no_newcomer_away_over_a_name(seed: int) -> None:
    cluster = formed(*FIVE, seed=seed)
    kill(cluster, "n5")
    cluster.remove("n1", "n5", dead=True)
    wait_removed(cluster, "n5")
    cluster.start("n5")
    assert wait_exit(cluster, "n5")[0] == 5
    kill(cluster, "n2")
    cluster.remove("n1", "n2", dead=True)
    wait_removed(cluster, "n2", "n5")
    # What n5 has on its disk says that the name n2 is taken; nobody can tell it better yet.
    cluster.hosts["n5"].new_identity = True
    cluster.split(["n5", "new"], ["n1", "n3", "n4"])
    cluster.start("n5")
    assert cluster.tally["new identity"] == 1
    new = replace(cluster, "n2", "new", "n1", "n5", take_over=False)
    cluster.run(5)
    assert new.exits == []
    assert new.process is not None
    cluster.network.heal()
    agree(cluster)
    assert state(cluster, "n1", "new") is State.ACTIVE


@over_seeds
@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.5])
def test_killed_while_it_takes_over_it_does_so_when_it_is_started_again(
    seed: int, after_s: float
) -> None:
    cluster = formed(*FIVE, seed=seed)
    kill(cluster, "n2")
    replace(cluster, "n2", "new", "n1")
    cluster.run(after_s)
    cluster.kill("new")
    cluster.run(1)
    cluster.start("new")
    wait_removed(cluster, "n2", seconds=4 * REMOVED_S_MAX)
    agree(cluster)
    assert cluster.add("new", b"hits", 100_000)
    agree(cluster)
    assert set(values(cluster, b"hits").values()) == {111_111}


@over_seeds
def test_the_old_disk_that_comes_back_after_it_hands_over_and_ends(seed: int) -> None:
    cluster = formed(*FIVE, seed=seed)
    cluster.split(["n2"], ["n1", "n3", "n4", "n5"])
    assert cluster.add("n2", b"hits", 900_000)
    cluster.run(1)
    kill(cluster, "n2")
    cluster.network.heal()
    replace(cluster, "n2", "new", "n1")
    wait_removed(cluster, "n2", seconds=2 * REMOVED_S_MAX)
    cluster.start("n2")
    cluster.run(10)
    assert cluster.hosts["n2"].exits[-1][0] == 5
    agree(cluster)
    assert set(values(cluster, b"hits").values()) == {911_111}


def joining_and_dead(cluster: Cluster) -> None:
    """Let a newcomer n9 be let in by n1 alone, and die for ever before it is a member."""
    others = [name for name in cluster.hosts if name != "n1"]
    cluster.add_host("n9", seeds=[address("n1")])
    cluster.split(["n9"], others)
    cluster.start("n9")
    for _ in range(1000):
        cluster.run(0.01)
        if node_id(cluster, "n9") in cluster.node("n1").roster:
            break
    cluster.kill("n9", power=True)
    cluster.network.heal()
    assert state(cluster, "n1", "n9") is State.JOINING


@over_seeds
def test_a_newcomer_that_died_before_it_was_a_member_is_taken_over_from(seed: int) -> None:
    cluster = formed("n1", "n2", "n3", seed=seed)
    joining_and_dead(cluster)
    cluster.run(20)
    new = replace(cluster, "n9", "new", "n1", "n2")
    wait_removed(cluster, "n9", seconds=4 * REMOVED_S_MAX)
    agree(cluster)
    assert state(cluster, "n2", "new") is State.ACTIVE
    assert cluster.node("n1").roster.label(new.node) == "n9"
    assert cluster.add("new", b"hits", 1000)
    agree(cluster)
    assert set(values(cluster, b"hits").values()) == {1111}


@over_seeds
def test_its_name_is_taken_while_nobody_says_take_over(seed: int) -> None:
    cluster = formed("n1", "n2", "n3", seed=seed)
    joining_and_dead(cluster)
    cluster.run(20)
    new = replace(cluster, "n9", "new", "n1", take_over=False)
    cluster.run(20)
    larger = new.node > node_id(cluster, "n9")
    assert [code for code, _ in new.exits] == ([4] if larger else [])


@over_seeds
def test_islands_with_removals_on_both_sides_become_one(seed: int) -> None:
    cluster = Cluster(seed)
    for side in ("a", "b"):
        names = [f"{side}{number}" for number in range(3)]
        for name in names:
            cluster.add_host(name, seeds=[address(other) for other in names])
            cluster.start(name)
    cluster.split(["a0", "a1", "a2"], ["b0", "b1", "b2"])
    cluster.run(10)
    for power, name in enumerate(("a0", "a1", "a2", "b0", "b1", "b2")):
        assert cluster.add(name, b"hits", 10**power)
    cluster.run(1)
    cluster.remove("a0", "a2")
    cluster.remove("b0", "b2")
    cluster.run(0.01)
    cluster.network.heal()
    cluster.process("a0").join([address("b0")])
    finish(cluster, "a2", "b2")
    assert values(cluster, b"hits") == dict.fromkeys(("a0", "a1", "b0", "b1"), 111_111)


@over_seeds
def test_a_cluster_that_was_one_and_split_finishes_what_either_side_began(seed: int) -> None:
    cluster = form(*FIVE, seed=seed)
    for power, name in enumerate(FIVE):
        assert cluster.add(name, b"hits", 10**power)
    cluster.run(1)
    cluster.split(["n1", "n2"], ["n3", "n4", "n5"])
    cluster.remove("n1", "n2")  # they do not know yet that they are few
    cluster.remove("n3", "n4")
    cluster.run(40)
    cluster.network.heal()
    finish(cluster, "n2", "n4")
    cluster.settle(SETTLED_S_MAX)
    assert values(cluster, b"hits") == dict.fromkeys(("n1", "n3", "n5"), 11_111)
