"""Faults of the catalogue and holes of other systems, played against removals, by their numbers.

10  a partition longer than any timer, with a removal inside
12  a process killed at any moment of a removal
13  a crash that loses what was not synced, likewise
H2  two sides of a split remove each other, and both the same dead node
H6  whoever began a removal, its heir, is gone before the removal is through

The torn sectors of 14 need a real disk: `tests/unit/daemon/test_torn_removals.py`.
"""

from __future__ import annotations

import contextlib

import pytest
from removals import finish, node_id, state, wait_exit, wait_removed
from stories import SETTLED_S_MAX, address, agree, values
from test_removal_dead import formed, kill

from gcounterd.errors import ClientError
from gcounterd.members.roster import State
from gcounterd.sim.cluster import Cluster

THREE = ("n1", "n2", "n3")
FIVE = ("n1", "n2", "n3", "n4", "n5")
# A removal of a live node among three takes some 2 s here, most of it until its end is believed.
MOMENTS_S = [0.0005 * 1.5**number for number in range(21)]
# How slow a disk is on which much is under way at any moment.
SLOW_S = 0.02


def shown(cluster: Cluster) -> set[int]:
    return {*values(cluster, b"hits").values()}


def test_10_a_partition_longer_than_any_timer_with_a_removal_inside_counts_once() -> None:
    """No timer decides: what the removed node counted meanwhile is taken in when it is back."""
    cluster = formed(*FIVE, seed=1)
    cluster.split(["n2", "n3"], ["n1", "n4", "n5"])
    cluster.run(20)
    cluster.remove("n1", "n2", dead=True)
    counted = 0
    for _ in range(4):
        cluster.run(240)
        for name in ("n2", "n3", "n5"):
            assert cluster.add(name, b"hits", 1_000_000)
            counted += 1_000_000
    assert state(cluster, "n1", "n2") is State.REMOVED
    assert state(cluster, "n3", "n2") is State.ACTIVE
    cluster.network.heal()
    assert wait_exit(cluster, "n2", 120.0)[0] == 5
    finish(cluster, "n2")
    assert shown(cluster) == {11_111 + counted}


def removing(*, slow: bool = False) -> Cluster:
    """Return three nodes that count while n2 begins to be removed into n3."""
    cluster = formed(*THREE, seed=1)
    for name in THREE:
        if slow:
            cluster.hosts[name].disk.pace.append_s = SLOW_S
        cluster.add(name, b"hits", 1000)
    cluster.remove("n1", "n2", into="n3")
    return cluster


def insist(cluster: Cluster) -> None:
    """Ask again where the wish was lost with the process that it was told to."""
    while not any(state(cluster, each.host, "n2") > State.ACTIVE for each in cluster.running):
        with contextlib.suppress(ClientError):  # until it is known who lives
            cluster.remove("n1", "n2", into="n3")
        cluster.run(1)
        assert cluster.world.now < 200


def finish_after(cluster: Cluster, victim: str) -> None:
    """Start a killed process again where it is down, and see the removal through."""
    for name in THREE:
        cluster.hosts[name].disk.pace.append_s = 0.0003
    if cluster.hosts[victim].process is None:
        cluster.start(victim)
    insist(cluster)
    while cluster.hosts["n2"].process is not None:
        cluster.run(0.1)
        assert cluster.world.now < 200
    assert cluster.hosts["n2"].exits[-1][0] in (0, 5)
    finish(cluster, "n2")
    # What was refused was never acknowledged; what was not stands in the checkers' ledger.
    assert len(shown(cluster)) == 1
    assert cluster.node("n1").removing.shown_as(node_id(cluster, "n2")) == "n3"


@pytest.mark.parametrize("victim", THREE)
@pytest.mark.parametrize("moment", MOMENTS_S)
def test_12_killed_at_any_moment_of_a_removal_a_process_goes_on_with_it(
    victim: str, moment: float
) -> None:
    cluster = removing()
    cluster.run(moment)
    if cluster.hosts[victim].process is not None:
        cluster.kill(victim)
    finish_after(cluster, victim)


@pytest.mark.parametrize("victim", THREE)
@pytest.mark.parametrize("moment", MOMENTS_S[6:])
def test_13_a_power_cut_that_loses_what_was_not_synced_loses_no_removal_and_no_count(
    victim: str, moment: float
) -> None:
    cluster = removing(slow=True)
    cluster.run(moment)
    if cluster.hosts[victim].process is not None:
        cluster.kill(victim, power=True)
    finish_after(cluster, victim)


def test_13_all_lose_power_at_once_in_the_middle_of_a_removal() -> None:
    cluster = removing(slow=True)
    cluster.run(0.1)
    for name in THREE:
        cluster.kill(name, power=True)
    for name in THREE:
        cluster.start(name)
    finish_after(cluster, "n2")


@pytest.mark.parametrize("seed", range(3))
def test_h2_two_sides_that_remove_each_other_and_the_same_third_count_it_once(seed: int) -> None:
    """Elsewhere each side adds the third's count to its own: 43 where 23 was counted."""
    cluster = formed(*FIVE, seed=seed)
    cluster.split(["n3"], ["n1", "n2"])
    assert cluster.add("n3", b"hits", 20_000_000)  # which only n4 and n5 learn of
    cluster.run(2)
    kill(cluster, "n3")
    cluster.network.heal()
    cluster.split(["n1", "n2"], ["n4", "n5"])
    cluster.run(20)
    cluster.remove("n1", "n3", "n4", "n5", into="n1", dead=True, forced=True)
    cluster.remove("n4", "n3", "n1", "n2", into="n4", dead=True, forced=True)
    cluster.run(10)
    for name in ("n1", "n4"):
        assert cluster.add(name, b"hits", 1_000_000)
    cluster.run(2)
    cluster.network.heal()
    cluster.process("n1").join([address("n4")])
    cluster.run(60)
    for name in ("n1", "n2", "n4", "n5"):
        cluster.stop(name)
        cluster.hosts[name].new_identity = True
        cluster.start(name)
    agree(cluster)
    assert shown(cluster) == {22_011_111}
    heirs = {each.node.removing.shown_as(node_id(cluster, "n3")) for each in cluster.running}
    assert len(heirs) == 1  # one heir to all, or none


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.3])
def test_h6_who_began_a_removal_and_its_heir_may_be_gone_for_ever(
    seed: int, after_s: float
) -> None:
    """Elsewhere the marker of the dead owner comes back with every merge, and nobody finishes."""
    cluster = formed(*FIVE, seed=seed)
    cluster.remove("n1", "n3", into="n1")
    while state(cluster, "n1", "n3") is State.ACTIVE:
        cluster.run(0.001)
    cluster.run(after_s)
    told = [
        name
        for name in ("n2", "n3", "n4", "n5")
        if cluster.hosts[name].process is not None and state(cluster, name, "n3") > State.ACTIVE
    ]
    cluster.kill("n1", power=True)
    cluster.run(20)
    if not told:
        cluster.remove("n2", "n3", into="n2")
    wait_removed(cluster, "n3", seconds=30.0)
    assert cluster.hosts["n3"].exits[-1][0] == 0
    cluster.remove("n2", "n1", into="n4", dead=True)
    wait_removed(cluster, "n1", seconds=30.0)
    finish(cluster, "n1", "n3")
    assert shown(cluster) == {11_111}
    # Its disk comes back with all it knew, and changes nothing.
    cluster.start("n1")
    assert wait_exit(cluster, "n1", 30.0)[0] == 5
    cluster.settle(SETTLED_S_MAX)
    assert shown(cluster) == {11_111}
    last = cluster.node("n2").removing.shown_as(node_id(cluster, "n3"))
    assert last == ("n4" if told else "n2")
