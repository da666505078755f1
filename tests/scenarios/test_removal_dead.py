"""Nodes that do not answer are removed: the others level what is left of them."""

from __future__ import annotations

import pytest
from removals import REMOVED_S_MAX, finish, node_id, report, state, wait_exit, wait_removed
from stories import SETTLED_S_MAX, agree, form, join, read, values

from gcounterd.errors import ClientError
from gcounterd.members.claims import Liveness
from gcounterd.members.roster import State
from gcounterd.sim.cluster import Cluster

SEEDS = range(5)
over_seeds = pytest.mark.parametrize("seed", SEEDS)
FIVE = ("n1", "n2", "n3", "n4", "n5")
DEAD_S = 10.0


def formed(*names: str, seed: int) -> Cluster:
    """Return a cluster in which each node has counted ten times its own digit."""
    cluster = form(*names, seed=seed)
    for power, name in enumerate(names):
        assert cluster.add(name, b"hits", 10**power)
    cluster.run(1)
    return cluster


def kill(cluster: Cluster, *names: str, power: bool = False) -> None:
    """Kill processes, and let the others find out."""
    for name in names:
        cluster.kill(name, power=power)
    dead = [node_id(cluster, name) for name in names]
    for _ in range(100):
        cluster.run(0.5)
        if all(
            each.node.detector.liveness(node) is Liveness.DEAD
            for node in dead
            for each in cluster.running
        ):
            return
    raise AssertionError("nobody believes them dead")


def code_of(cluster: Cluster, at: str, *names: str, **wish: bool) -> str:
    with pytest.raises(ClientError) as caught:
        cluster.remove(at, *names, **wish)
    assert caught.value.definite
    return caught.value.code


@over_seeds
@pytest.mark.parametrize("power", [False, True])
def test_a_dead_node_is_removed_within_seconds_with_all_that_others_hold(
    seed: int, power: bool
) -> None:
    cluster = formed(*FIVE, seed=seed)
    kill(cluster, "n2", power=power)
    assert code_of(cluster, "n1", "n2") == "removal_needs_dead"
    cluster.remove("n1", "n2", into="n3", dead=True)
    assert wait_removed(cluster, "n2") < REMOVED_S_MAX
    finish(cluster, "n2")
    assert set(values(cluster, b"hits").values()) == {11111}
    assert cluster.node("n5").removing.shown_as(node_id(cluster, "n2")) == "n3"


@over_seeds
def test_what_only_some_have_is_levelled_first_and_the_report_says_who_holds_it(
    seed: int,
) -> None:
    cluster = formed(*FIVE, seed=seed)
    cluster.split(["n2"], ["n1", "n4", "n5"])  # n3 alone gets the last of it
    for _ in range(5):
        cluster.add("n2", b"hits", 100_000)
        cluster.run(0.05)
    column = cluster.process("n2").column
    cluster.split(["n3"], ["n1", "n4", "n5"])
    kill(cluster, "n2")
    cluster.network.heal()
    asked = [cluster.node(name).detector for name in ("n1", "n4", "n5")]
    while any(each.liveness(node_id(cluster, "n3")) is not Liveness.ALIVE for each in asked):
        cluster.run(0.1)
    cluster.remove("n1", "n2", dead=True)
    finish(cluster, "n2")
    assert set(values(cluster, b"hits").values()) == {511_111}
    found = report(cluster, "n4", "n2")
    assert found.columns[column][0] == cluster.node("n3").counters.head(column)
    assert sorted(found.holders) == sorted(node_id(cluster, n) for n in ("n1", "n3", "n4", "n5"))
    assert found.not_asked == ()


@over_seeds
def test_the_report_names_who_could_not_be_asked_and_when_it_was_heard_last(seed: int) -> None:
    cluster = formed(*FIVE, seed=seed)
    heard = cluster.process("n1").now
    kill(cluster, "n2", "n5")
    cluster.remove("n1", "n2", dead=True)
    wait_removed(cluster, "n2")
    found = report(cluster, "n1", "n2")
    assert found.not_asked == (node_id(cluster, "n5"),)
    assert not found.live
    assert found.heard is not None
    assert heard - 2 < found.heard < heard + 2
    cluster.start("n5")
    finish(cluster, "n2")


@over_seeds
def test_two_dead_nodes_go_in_one_command(seed: int) -> None:
    cluster = formed(*FIVE, seed=seed)
    kill(cluster, "n2", "n5")
    cluster.remove("n1", "n2", "n5", dead=True)
    finish(cluster, "n2", "n5")
    assert set(values(cluster, b"hits").values()) == {11111}


@over_seeds
def test_on_the_small_side_it_is_refused_and_with_force_it_is_done(seed: int) -> None:
    cluster = formed("n1", "n2", "n3", seed=seed)
    kill(cluster, "n2", "n3")
    assert code_of(cluster, "n1", "n2", dead=True) == "removal_no_majority"
    assert state(cluster, "n1", "n2") is State.ACTIVE
    cluster.remove("n1", "n2", dead=True, forced=True)
    wait_removed(cluster, "n2")
    assert report(cluster, "n1", "n2").not_asked == (node_id(cluster, "n3"),)
    cluster.start("n3")
    finish(cluster, "n2")
    assert values(cluster, b"hits") == {"n1": 111, "n3": 111}


@over_seeds
def test_of_two_nodes_one_of_which_is_dead_the_other_needs_force(seed: int) -> None:
    cluster = formed("n1", "n2", seed=seed)
    kill(cluster, "n2")
    assert code_of(cluster, "n1", "n2", dead=True) == "removal_no_majority"
    cluster.remove("n1", "n2", dead=True, forced=True)
    finish(cluster, "n2")
    assert values(cluster, b"hits") == {"n1": 11}


@over_seeds
def test_when_those_that_remain_lose_their_majority_it_waits_and_force_may_be_added(
    seed: int,
) -> None:
    cluster = formed(*FIVE, seed=seed)
    kill(cluster, "n2")
    cluster.split(["n1", "n3"], ["n4", "n5"])
    assert cluster.remove("n1", "n2", dead=True).alive == 4  # they are not believed dead yet
    cluster.run(30)
    assert state(cluster, "n1", "n2") is State.REMOVING
    waited = [who for who, _ in report(cluster, "n1", "n2").waiting]
    assert sorted(waited) == sorted(node_id(cluster, name) for name in ("n4", "n5"))
    cluster.remove("n3", "n2", forced=True)
    while state(cluster, "n1", "n2") is not State.REMOVED:
        cluster.run(0.1)
    cluster.network.heal()
    finish(cluster, "n2")


@over_seeds
def test_whoever_answers_is_not_removed_as_dead(seed: int) -> None:
    cluster = formed("n1", "n2", "n3", seed=seed)
    assert code_of(cluster, "n1", "n2", dead=True) == "removal_is_alive"
    cluster.process("n2").pause()
    while cluster.node("n1").detector.liveness(node_id(cluster, "n2")) is Liveness.ALIVE:
        cluster.run(0.05)
    assert code_of(cluster, "n1", "n2", dead=True) == "removal_suspect"
    cluster.process("n2").resume()
    agree(cluster)


@over_seeds
@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.05, 0.2])
@pytest.mark.parametrize("other", ["n1", "n3"])
def test_any_other_node_is_killed_while_its_columns_are_saved(
    seed: int, other: str, after_s: float
) -> None:
    cluster = formed(*FIVE, seed=seed)
    kill(cluster, "n2")
    for name in ("n1", "n3", "n4", "n5"):
        cluster.hosts[name].disk.pace.append_s = 0.02
    cluster.remove("n1", "n2", into="n3", dead=True)
    cluster.remove("n4", "n2", into="n3", dead=True)
    cluster.run(after_s)
    cluster.kill(other)
    cluster.run(1)
    cluster.start(other)
    finish(cluster, "n2")
    assert set(values(cluster, b"hits").values()) == {11111}


@over_seeds
def test_with_its_heir_dead_as_well_and_removed_later_the_share_goes_on_along_the_chain(
    seed: int,
) -> None:
    cluster = formed(*FIVE, seed=seed)
    kill(cluster, "n2", "n3")
    cluster.remove("n1", "n2", into="n3", dead=True)
    wait_removed(cluster, "n2")
    assert cluster.node("n1").removing.shown_as(node_id(cluster, "n2")) == "n3"
    cluster.remove("n1", "n3", into="n4", dead=True)
    finish(cluster, "n2", "n3")
    assert cluster.node("n1").removing.shown_as(node_id(cluster, "n2")) == "n4"


@over_seeds
def test_it_comes_back_before_it_is_removed_and_then_leaves_as_one_that_lives(
    seed: int,
) -> None:
    cluster = formed(*FIVE, seed=seed)
    kill(cluster, "n2")
    cluster.split(["n1", "n3"], ["n4", "n5"])
    cluster.remove("n1", "n2", dead=True)
    cluster.run(20)
    assert state(cluster, "n1", "n2") is State.REMOVING
    cluster.network.heal()
    cluster.start("n2")
    assert wait_exit(cluster, "n2", 30.0)[0] in (0, 5)
    finish(cluster, "n2")


@over_seeds
def test_a_dead_joining_node_makes_reads_inexact_until_it_is_removed(seed: int) -> None:
    cluster = formed("n1", "n2", "n3", seed=seed)
    for name in ("n2", "n3"):
        cluster.network.block("n4", name)
        cluster.network.block(name, "n4")
    join(cluster, "n4", "n1")
    cluster.run(3)
    kill(cluster, "n4")
    ended = read(cluster, "n1", 1.0)
    cluster.run(2)
    assert ended == [("n4",)]
    cluster.remove("n1", "n4", dead=True)
    wait_removed(cluster, "n4")
    ended = read(cluster, "n1", 1.0)
    cluster.run(2)
    assert ended == [()]
    finish(cluster, "n4")


@over_seeds
def test_nodes_join_while_dead_ones_are_removed(seed: int) -> None:
    cluster = formed("n1", "n2", "n3", seed=seed)
    kill(cluster, "n2")
    join(cluster, "n4", "n1")
    cluster.remove("n3", "n2", dead=True)
    join(cluster, "n5", "n3")
    finish(cluster, "n2")
    assert values(cluster, b"hits") == dict.fromkeys(("n1", "n3", "n4", "n5"), 111)


@over_seeds
def test_many_removals_and_joins_leave_nothing_behind_but_lines_of_the_roster(seed: int) -> None:
    """N to 1 to N: what is open, linked and unfinished is as in a fresh cluster."""
    cluster = form("n1", "n2", "n3", seed=seed)
    for number in range(8):
        old, new = f"n{number + 2}", f"n{number + 4}"
        cluster.add(old, b"hits", 10**number)
        cluster.run(0.1)
        join(cluster, new, "n1")
        cluster.settle(SETTLED_S_MAX)
        cluster.remove("n1", old)
        finish(cluster, old)
    node = cluster.node("n1")
    assert len(node.roster.belonging()) == 3
    assert len(node.counters.heads()) <= 3
    assert cluster.value("n1", b"hits") == 11_111_111
    assert list(node.removing.savings) == []
