"""Columns that are forgotten: when, by whom, and what becomes of those who missed it."""

from __future__ import annotations

import attrs
import pytest
from stories import address, agree, form, join, read, values

from gcounterd.errors import ClientError
from gcounterd.ids import ColumnId, node_of
from gcounterd.members.roster import State
from gcounterd.sim.cluster import Cluster

# Hashes are compared every half minute; two rounds, and some.
LONG_S = 90.0


def stop(cluster: Cluster, name: str) -> ColumnId:
    """Stop a node in good order, so that its column is final; return that."""
    column = cluster.process(name).column
    cluster.stop(name)
    return column


def has_forgotten(cluster: Cluster, name: str, column: ColumnId) -> bool:
    return cluster.node(name).counters.is_forgotten(column)


def count_and_restart(cluster: Cluster, name: str, amount: int = 1) -> ColumnId:
    """Let a node count, stop it in good order, and start it again."""
    cluster.add(name, b"hits", amount)
    cluster.run(1)
    column = stop(cluster, name)
    cluster.start(name)
    return column


def test_a_life_that_ended_well_is_forgotten_by_all_and_counts_on() -> None:
    cluster = form("n1", "n2", "n3")
    column = count_and_restart(cluster, "n2", 5)
    cluster.add("n2", b"hits", 1)
    cluster.run(LONG_S)
    assert all(has_forgotten(cluster, name, column) for name in ("n1", "n2", "n3"))
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 6, "n2": 6, "n3": 6}
    disk = cluster.hosts["n1"].disk
    assert not disk.read_column(column)


def test_a_life_that_crashed_is_kept() -> None:
    cluster = form("n1", "n2")
    cluster.add("n2", b"hits", 5)
    cluster.run(1)
    column = cluster.process("n2").column
    cluster.kill("n2")
    cluster.start("n2")
    cluster.run(LONG_S)
    assert not has_forgotten(cluster, "n1", column)
    agree(cluster)


def test_nothing_is_forgotten_while_a_member_is_away() -> None:
    cluster = form("n1", "n2", "n3")
    cluster.kill("n3")
    column = count_and_restart(cluster, "n2")
    cluster.run(LONG_S)
    assert not has_forgotten(cluster, "n1", column)
    assert cluster.node("n1").settlement.forgetting.waiting_for() == [cluster.hosts["n3"].node]
    cluster.start("n3")
    cluster.run(LONG_S)
    assert all(has_forgotten(cluster, name, column) for name in ("n1", "n2", "n3"))
    agree(cluster)


def test_what_is_forgotten_survives_a_power_cut_of_all() -> None:
    cluster = form("n1", "n2", "n3")
    column = count_and_restart(cluster, "n2", 3)
    cluster.run(LONG_S)
    for name in ("n1", "n2", "n3"):
        cluster.kill(name, power=True)
    for name in ("n1", "n2", "n3"):
        cluster.start(name)
    agree(cluster)
    assert has_forgotten(cluster, "n1", column)
    assert values(cluster, b"hits") == {"n1": 3, "n2": 3, "n3": 3}


def test_a_newcomer_gets_what_is_forgotten_as_a_sum() -> None:
    cluster = form("n1", "n2", "n3")
    columns = [count_and_restart(cluster, "n2", amount) for amount in (1, 10, 100)]
    cluster.run(LONG_S)
    join(cluster, "n4", "n1")
    agree(cluster)
    assert values(cluster, b"hits")["n4"] == 111
    assert all(has_forgotten(cluster, "n4", column) for column in columns)


def test_a_newcomer_gets_a_large_sum_in_many_parts() -> None:
    cluster = form("n1", "n2")
    for number in range(3000):
        cluster.add("n2", b"key%d" % number, number + 1)
    cluster.run(1)
    column = stop(cluster, "n2")
    cluster.start("n2")
    cluster.run(LONG_S)
    assert has_forgotten(cluster, "n1", column)
    join(cluster, "n3", "n1")
    agree(cluster)
    assert cluster.value("n3", b"key2999") == 3000


def test_a_disk_from_before_takes_the_sum_for_its_copy() -> None:
    cluster = form("n1", "n2", "n3")
    cluster.add("n2", b"hits", 2)
    cluster.run(1)
    backup = cluster.hosts["n3"].disk.content.copy()
    column = count_and_restart(cluster, "n2", 5)
    cluster.run(LONG_S)
    assert has_forgotten(cluster, "n3", column)
    cluster.kill("n3")
    cluster.roll_back("n3", backup)
    cluster.start("n3")
    assert cluster.value("n3", b"hits") == 2
    agree(cluster)
    assert has_forgotten(cluster, "n3", column)
    assert values(cluster, b"hits") == {"n1": 7, "n2": 7, "n3": 7}


def islands() -> Cluster:
    """Return two pairs, each of which has forgotten a life of its own, about to meet."""
    cluster = Cluster(1)
    names = ("n1", "n2", "n3", "n4")
    for name in names:
        cluster.add_host(name, seeds=[address(other) for other in names])
    cluster.split(("n1", "n2"), ("n3", "n4"))
    for name in names:
        cluster.start(name)
    cluster.run(20)
    for name, amount in (("n1", 1), ("n3", 10)):
        count_and_restart(cluster, name, amount)
    cluster.run(LONG_S)
    return cluster


def test_islands_that_have_forgotten_become_one() -> None:
    cluster = islands()
    assert [node_of(c) for c in cluster.node("n1").counters.settled] == [cluster.hosts["n1"].node]
    cluster.network.heal()
    agree(cluster)
    assert values(cluster, b"hits") == dict.fromkeys(("n1", "n2", "n3", "n4"), 11)


def test_a_consistent_read_at_a_newcomer_waits_for_the_sum() -> None:
    cluster = form("n1", "n2")
    count_and_restart(cluster, "n2", 4)
    cluster.run(LONG_S)
    join(cluster, "n3", "n1")
    cluster.run(0.3)
    ended = read(cluster, "n3")
    cluster.run(5)
    assert ended == [()]
    assert cluster.value("n3", b"hits") == 4


def remove_dead(cluster: Cluster, name: str, at: str) -> None:
    """Kill a node, and write into the roster that it is removed."""
    cluster.run(1)
    cluster.kill(name)
    node = cluster.node(at)
    entry = node.roster.get(cluster.hosts[name].node)
    assert entry is not None
    node.intake.take_entries((attrs.evolve(entry, state=State.REMOVED),))
    cluster.process(at).turn()
    cluster.run(5)


def release(cluster: Cluster, at: str, name: str) -> int:
    released = cluster.node(at).settlement.releasing.release(name)
    cluster.process(at).turn()
    return released


def test_a_dead_nodes_life_is_kept_until_it_is_released() -> None:
    cluster = form("n1", "n2", "n3")
    cluster.add("n3", b"hits", 5)
    column = cluster.process("n3").column
    remove_dead(cluster, "n3", at="n1")
    cluster.run(LONG_S)
    assert not has_forgotten(cluster, "n1", column)
    assert release(cluster, "n2", "n3") == 1
    cluster.run(LONG_S)
    assert has_forgotten(cluster, "n1", column)
    assert has_forgotten(cluster, "n2", column)
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 5, "n2": 5}
    join(cluster, "n4", "n2")
    agree(cluster)
    assert cluster.value("n4", b"hits") == 5


def remove_one_that_counted_on() -> tuple[Cluster, ColumnId]:
    """Return a cluster that removed n3, and n3's column: 105 at n3, of which others have 5."""
    cluster = form("n1", "n2", "n3")
    cluster.add("n3", b"hits", 5)
    cluster.run(1)
    cluster.split(("n3",), ("n1", "n2"))
    cluster.add("n3", b"hits", 100)
    cluster.run(1)
    column = cluster.process("n3").column
    remove_dead(cluster, "n3", at="n1")
    return cluster, column


def test_what_a_released_node_counted_unseen_is_refused_and_kept_in_a_file() -> None:
    cluster, column = remove_one_that_counted_on()
    cluster.release("n1", cluster.hosts["n3"].node)
    cluster.run(LONG_S)
    assert has_forgotten(cluster, "n1", column)
    cluster.network.heal()
    cluster.start("n3")
    cluster.run(LONG_S)
    assert cluster.hosts["n3"].exits[-1][0] == 5
    assert (column, b"hits", 105) in [
        *cluster.process("n1").refused,
        *cluster.process("n2").refused,
    ]
    assert cluster.node("n1").settlement.late.refused[node_of(column)] >= 1
    cluster.settle(60)
    assert values(cluster, b"hits") == {"n1": 5, "n2": 5}
    cluster.check_everything()


def test_a_late_version_is_refused_from_the_moment_of_the_release() -> None:
    cluster, column = remove_one_that_counted_on()
    cluster.kill("n2")
    release(cluster, "n1", "n3")
    cluster.run(5)
    assert not has_forgotten(cluster, "n1", column)
    cluster.network.heal()
    cluster.start("n3")
    cluster.run(20)
    assert cluster.value("n1", b"hits") == 5
    assert (column, b"hits", 105) in cluster.process("n1").refused


def test_only_a_removed_node_can_be_released() -> None:
    cluster = form("n1", "n2")
    with pytest.raises(ClientError) as refused:
        release(cluster, "n1", "n2")
    assert refused.value.code == "removal_not_removed"
    with pytest.raises(ClientError) as refused:
        release(cluster, "n1", "n7")
    assert refused.value.code == "unknown_node"


def test_a_budget_lets_the_oldest_crashed_lives_go() -> None:
    cluster = form("n1", "n2")
    columns = []
    for _ in range(4):
        for number in range(10):
            cluster.add("n2", b"key%d" % number)
        cluster.run(1)
        columns.append(cluster.process("n2").column)
        cluster.kill("n2")
        cluster.start("n2")
        cluster.run(1)
    cluster.kill("n1")
    cluster.hosts["n1"].archive_budget = 200  # two lives of ten counts, at 8 bytes
    cluster.start("n1")
    cluster.run(LONG_S)
    assert [has_forgotten(cluster, "n2", column) for column in columns] == [1, 1, 0, 0]
    agree(cluster)
    assert values(cluster, b"key9") == {"n1": 4, "n2": 4}


@pytest.mark.parametrize("moment", range(1, 25))
def test_a_power_cut_while_a_newcomer_takes_a_sum_costs_nothing(moment) -> None:
    cluster = form("n1", "n2")
    for number in range(200):
        cluster.add("n2", b"key%d" % number, number + 1)
    cluster.run(1)
    stop(cluster, "n2")
    cluster.start("n2")
    cluster.run(LONG_S)
    join(cluster, "n3", "n1")
    cluster.run(moment * 0.05)
    cluster.kill("n3", power=True)
    cluster.start("n3")
    agree(cluster)
    assert cluster.value("n3", b"key199") == 200
