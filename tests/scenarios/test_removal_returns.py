"""A removed node that comes back: told before anything else, it hands over, and ends."""

from __future__ import annotations

import pytest
from removals import finish, node_id, state, wait_exit, wait_removed
from stories import SETTLED_S_MAX, address, agree, form, join, values
from test_removal_dead import formed, kill

from gcounterd.errors import ClientError
from gcounterd.members.roster import State
from gcounterd.sim.cluster import Cluster

SEEDS = range(5)
over_seeds = pytest.mark.parametrize("seed", SEEDS)
FIVE = ("n1", "n2", "n3", "n4", "n5")


def counted_last(cluster: Cluster, name: str, amount: int) -> None:
    """Let a node count what no other gets: it dies cut off."""
    cluster.split([name], [other for other in cluster.hosts if other != name])
    assert cluster.add(name, b"hits", amount)
    cluster.run(0.5)


@over_seeds
@pytest.mark.parametrize("after_s", [0.0, 600.0])
def test_its_old_disk_hands_over_what_only_it_had_and_says_how_to_join_afresh(
    seed: int, after_s: float
) -> None:
    cluster = formed(*FIVE, seed=seed)
    counted_last(cluster, "n2", 700_000)
    kill(cluster, "n2")
    cluster.network.heal()
    cluster.remove("n1", "n2", dead=True)
    wait_removed(cluster, "n2")
    assert cluster.value("n1", b"hits") == 11_111
    cluster.run(after_s)
    cluster.start("n2")
    code, text = wait_exit(cluster, "n2")
    assert code == 5
    assert "was removed from the cluster" in text
    assert "--new-identity" in text
    finish(cluster, "n2")
    assert set(values(cluster, b"hits").values()) == {711_111}
    for name in ("n1", "n3", "n4", "n5"):
        assert cluster.node(name).removing.late[node_id(cluster, "n2")] > 0


@over_seeds
def test_told_so_it_refuses_increments_for_certain_and_reads(seed: int) -> None:
    cluster = formed("n1", "n2", "n3", seed=seed)
    counted_last(cluster, "n2", 1000)
    kill(cluster, "n2")
    cluster.network.heal()
    cluster.remove("n1", "n2", dead=True)
    wait_removed(cluster, "n2")
    for name in ("n1", "n3"):
        cluster.hosts[name].disk.pace.full = True  # nobody can take anything over
    cluster.start("n2")
    cluster.run(3)
    node = cluster.node("n2")
    assert not cluster.add("n2", b"hits", 1)
    with pytest.raises(ClientError) as caught:
        node.read(cluster.world.now, 5.0)
    assert (caught.value.status, caught.value.code) == (503, "removed")
    assert "hands over" in node.removing.reasons_unread()[0]
    for name in ("n1", "n3"):
        cluster.hosts[name].disk.pace.full = False
    assert wait_exit(cluster, "n2")[0] == 5
    finish(cluster, "n2")


@over_seeds
def test_only_cut_off_and_still_counting_it_learns_it_stops_and_counts_once(seed: int) -> None:
    cluster = formed(*FIVE, seed=seed)
    cluster.split(["n2"], ["n1", "n3", "n4", "n5"])
    cluster.run(20)
    cluster.remove("n1", "n2", dead=True)
    for _ in range(20):
        assert cluster.add("n2", b"hits", 100_000)
        cluster.run(0.2)
    wait_removed(cluster, "n2")
    cluster.add("n3", b"hits", 1)
    cluster.network.heal()
    while cluster.add("n2", b"hits", 100_000):  # until it knows
        cluster.run(0.05)
    assert wait_exit(cluster, "n2", 30.0)[0] == 5
    finish(cluster, "n2")
    total = set(values(cluster, b"hits").values())
    assert len(total) == 1
    assert total.pop() >= 11_112 + 2_000_000


@over_seeds
def test_it_brings_along_a_newcomer_that_only_it_knew(seed: int) -> None:
    cluster = formed("n1", "n2", "n3", seed=seed)
    cluster.split(["n2", "n4"], ["n1", "n3"])
    cluster.run(15)
    cluster.remove("n1", "n2", dead=True)
    wait_removed(cluster, "n2")
    join(cluster, "n4", "n2")  # it never becomes active there: two of three are missing
    cluster.run(5)
    cluster.network.heal()
    assert wait_exit(cluster, "n2", 60.0)[0] == 5
    finish(cluster, "n2")
    assert state(cluster, "n1", "n4") is State.ACTIVE
    assert set(values(cluster, b"hits").values()) == {111}


@over_seeds
def test_it_hands_over_columns_of_others_that_nobody_else_has(seed: int) -> None:
    cluster = formed(*FIVE, seed=seed)
    cluster.split(["n2", "n5"], ["n1", "n3", "n4"])
    assert cluster.add("n5", b"hits", 900_000)
    cluster.run(2)
    kill(cluster, "n5", "n2")
    cluster.network.heal()
    cluster.remove("n1", "n2", "n5", dead=True)
    wait_removed(cluster, "n2", "n5")
    assert cluster.value("n1", b"hits") == 11_111
    cluster.start("n2")  # n5's disk is never seen again
    assert wait_exit(cluster, "n2")[0] == 5
    finish(cluster, "n2", "n5")
    assert set(values(cluster, b"hits").values()) == {911_111}


@over_seeds
def test_it_waits_for_a_majority_before_it_ends(seed: int) -> None:
    cluster = formed(*FIVE, seed=seed)
    kill(cluster, "n2")
    cluster.remove("n1", "n2", dead=True)
    wait_removed(cluster, "n2")
    cluster.split(["n2", "n1"], ["n3", "n4", "n5"])
    cluster.start("n2")
    cluster.run(30)
    assert cluster.hosts["n2"].process is not None
    cluster.network.heal()
    assert wait_exit(cluster, "n2")[0] == 5
    finish(cluster, "n2")


@over_seeds
@pytest.mark.parametrize("after_s", [0.01, 0.1, 0.5, 2.0])
def test_killed_while_it_hands_over_it_goes_on_when_it_is_started_again(
    seed: int, after_s: float
) -> None:
    cluster = formed("n1", "n2", "n3", seed=seed)
    counted_last(cluster, "n2", 1000)
    kill(cluster, "n2")
    cluster.network.heal()
    cluster.remove("n1", "n2", dead=True)
    wait_removed(cluster, "n2")
    for name in ("n1", "n3"):
        cluster.hosts[name].disk.pace.append_s = 0.1
    cluster.start("n2")
    cluster.run(after_s)
    if cluster.hosts["n2"].process is not None:
        cluster.kill("n2")
    cluster.start("n2")
    assert wait_exit(cluster, "n2", 30.0)[0] == 5
    finish(cluster, "n2")
    assert values(cluster, b"hits") == {"n1": 1111, "n3": 1111}


@over_seeds
def test_a_member_that_never_heard_of_the_removal_tells_it_by_its_roster_later(
    seed: int,
) -> None:
    """n3 was away while n2 was removed: it takes n2 for a member until it hears."""
    cluster = formed(*FIVE, seed=seed)
    cluster.split(["n2", "n3"], ["n1", "n4", "n5"])
    cluster.run(15)
    cluster.remove("n1", "n2", dead=True)
    wait = cluster.world.now + 30
    while cluster.world.now < wait and state(cluster, "n1", "n2") is not State.REMOVED:
        cluster.run(0.1)
    assert cluster.add("n2", b"hits", 100_000)
    assert cluster.add("n3", b"hits", 1_000_000)
    cluster.run(1)
    cluster.network.heal()
    assert wait_exit(cluster, "n2", 60.0)[0] == 5
    finish(cluster, "n2")
    assert set(values(cluster, b"hits").values()) == {1_111_111}


def halves_that_removed_each_other(seed: int) -> Cluster:
    """Return a cluster of four, of which two and two have removed each other."""
    cluster = formed("n1", "n2", "n3", "n4", seed=seed)
    cluster.split(["n1", "n2"], ["n3", "n4"])
    cluster.run(20)
    cluster.remove("n1", "n3", "n4", dead=True, forced=True)
    cluster.remove("n3", "n1", "n2", dead=True, forced=True)
    cluster.run(10)
    cluster.add("n1", b"hits", 10_000)
    cluster.add("n4", b"hits", 100_000)
    cluster.run(1)
    cluster.network.heal()
    return cluster


def let_meet(cluster: Cluster) -> None:
    """Let the halves meet, which do not dial each other any more."""
    cluster.process("n1").join([address("n3")])
    while not all(each.node.removing.returning.is_stranded for each in cluster.running):
        cluster.run(0.1)
        assert cluster.world.now < 300


@over_seeds
def test_two_halves_that_removed_each_other_stop_counting_and_are_read(seed: int) -> None:
    cluster = halves_that_removed_each_other(seed)
    let_meet(cluster)
    cluster.run(60)
    for name in ("n1", "n2", "n3", "n4"):
        assert not cluster.hosts[name].exits
        assert not cluster.add(name, b"hits", 1)
        assert "--new-identity" in cluster.node(name).removing.reasons()[0]
        assert cluster.value(name, b"hits") >= 1111


@over_seeds
def test_both_halves_start_anew_on_their_data_and_nothing_is_lost_or_counted_twice(
    seed: int,
) -> None:
    cluster = halves_that_removed_each_other(seed)
    let_meet(cluster)
    for name in ("n1", "n2", "n3", "n4"):
        cluster.stop(name)
    for name in ("n1", "n2", "n3", "n4"):
        cluster.hosts[name].new_identity = True
        cluster.start(name)
    agree(cluster)
    assert cluster.tally["new identity"] == 4
    assert set(values(cluster, b"hits").values()) == {111_111}
    assert cluster.add("n1", b"hits", 1)


@over_seeds
def test_halves_started_anew_one_after_the_other_leave_nobody_behind(seed: int) -> None:
    cluster = halves_that_removed_each_other(seed)
    let_meet(cluster)
    for name in ("n2", "n3"):
        cluster.stop(name)
        cluster.hosts[name].new_identity = True
        cluster.start(name)
    for name in ("n1", "n4"):  # they meet members now, so they hand over
        assert wait_exit(cluster, name, 60.0)[0] == 5
        cluster.hosts[name].new_identity = True
        cluster.start(name)
    agree(cluster)
    assert set(values(cluster, b"hits").values()) == {111_111}


@over_seeds
def test_a_newcomer_that_both_halves_take_in_is_handed_everything(seed: int) -> None:
    cluster = halves_that_removed_each_other(seed)
    join(cluster, "n5", "n1")
    cluster.run(3)
    while state(cluster, "n1", "n5") is not State.ACTIVE:
        cluster.run(0.1)
    cluster.process("n5").join([address("n3")])
    for name in ("n1", "n2", "n3", "n4"):
        assert wait_exit(cluster, name, 60.0)[0] == 5
    agree(cluster)
    assert values(cluster, b"hits") == {"n5": 111_111}


@over_seeds
def test_with_a_new_identity_its_old_columns_stay_as_those_of_another(seed: int) -> None:
    cluster = formed("n1", "n2", "n3", seed=seed)
    counted_last(cluster, "n2", 1000)
    old = node_id(cluster, "n2")
    kill(cluster, "n2")
    cluster.network.heal()
    cluster.remove("n1", "n2", into="n3", dead=True)
    wait_removed(cluster, "n2")
    cluster.start("n2")
    assert wait_exit(cluster, "n2")[0] == 5
    cluster.hosts["n2"].new_identity = True
    cluster.start("n2")
    cluster.settle(SETTLED_S_MAX)
    assert node_id(cluster, "n2") != old
    assert cluster.add("n2", b"hits", 10_000)
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 11_111, "n2": 11_111, "n3": 11_111}
    assert cluster.node("n1").removing.shown_as(old) == "n3"
    cluster.kill("n2")
    cluster.start("n2")  # and it is asked for again in vain: this identity is not removed
    agree(cluster)
    assert cluster.node("n1").roster.get(node_id(cluster, "n2")) is not None


@over_seeds
def test_new_identity_does_nothing_where_the_identity_is_not_removed(seed: int) -> None:
    cluster = form("n1", "n2", seed=seed)
    before = node_id(cluster, "n2")
    cluster.stop("n2")
    cluster.hosts["n2"].new_identity = True
    cluster.start("n2")
    agree(cluster)
    assert node_id(cluster, "n2") == before


@over_seeds
def test_who_has_missed_a_removal_does_not_end_a_newcomer_of_that_name(seed: int) -> None:
    """Found by chaos, seed 11."""
    cluster = formed("n1", "n2", "n3", "n4", seed=seed)
    for other in ("n1", "n2", "n4"):
        cluster.network.block(other, "n3")
        cluster.network.block("n3", other)
    cluster.remove("n1", "n4")
    while state(cluster, "n1", "n4") is not State.REMOVED:
        cluster.run(0.1)
    host = cluster.add_host("n9", seeds=[address("n1")])
    host.name = "n4"
    cluster.start("n9")
    cluster.run(5)
    cluster.network.heal()
    agree(cluster)
    assert not host.exits
    assert state(cluster, "n3", "n9") is State.ACTIVE
