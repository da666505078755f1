"""Nodes that join, islands that meet, and those that are not let in."""

from __future__ import annotations

from stories import address, agree, form, join, read, values

from gcounterd.members.roster import State
from gcounterd.sim.cluster import Cluster


def state_of(cluster: Cluster, name: str) -> State | None:
    node = cluster.node(name)
    entry = node.roster.get(node.config.node)
    return entry.state if entry else None


def test_two_islands_that_name_each_other_merge() -> None:
    cluster = Cluster(1)
    for name in ("n1", "n2"):
        cluster.add_host(name)
        cluster.start(name)
        cluster.add(name, b"hits", 5)
    cluster.run(0.1)
    for name in ("n1", "n2"):
        cluster.add(name, b"hits", 5)
    cluster.run(0.1)
    assert values(cluster, b"hits") == {"n1": 5, "n2": 5}
    cluster.process("n1").join([address("n2")])
    cluster.process("n2").join([address("n1")])
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 10, "n2": 10}


def test_two_fresh_nodes_that_name_each_other_form_a_cluster() -> None:
    cluster = Cluster(1)
    for name in ("n1", "n2"):
        join(cluster, name, "n1", "n2")
    agree(cluster)
    assert [state_of(cluster, name) for name in ("n1", "n2")] == [State.ACTIVE, State.ACTIVE]


def test_a_node_that_names_only_itself_starts_alone() -> None:
    cluster = Cluster(1)
    join(cluster, "n1", "n1")
    cluster.run(1)
    assert cluster.add("n1", b"hits")


def test_a_newcomer_counts_only_after_a_majority_holds_its_entry() -> None:
    cluster = form("n1", "n2", "n3")
    cluster.split(["n4"], ["n2", "n3"])
    cluster.split(["n1"], ["n2", "n3"])
    join(cluster, "n4", "n1")
    cluster.run(20)
    assert len(cluster.node("n4").roster) == 4
    assert state_of(cluster, "n4") is State.JOINING
    assert not cluster.add("n4", b"hits")
    assert "1 of 3 members" in cluster.node("n4").joining.reasons()[0]
    cluster.network.heal()
    cluster.run(10)
    assert cluster.add("n4", b"hits")
    agree(cluster)


def test_a_newcomer_is_ready_only_when_it_has_caught_up() -> None:
    """Of one member it asks the counts; the two others, with nothing else to say, confirm it."""
    cluster = form("n1", "n2", "n3")
    for number in range(500):
        cluster.add("n1", b"key%d" % number, number + 1)
    cluster.run(1)
    for source in ("n1", "n2", "n3"):
        cluster.network.thin(source, "n4", 2_000.0)
    join(cluster, "n4", "n1", "n2", "n3")
    behind = 0
    while cluster.node("n4").joining.reasons():
        behind += cluster.node("n4").joining.counting
        assert cluster.value("n4", b"key7") in (0, 8)
        cluster.run(0.1)
        assert cluster.world.now < 60
    assert behind > 0  # it counted before it could be read
    assert cluster.value("n4", b"key499") == 500
    agree(cluster)


def test_a_name_in_use_is_refused_and_the_newcomer_exits_4() -> None:
    cluster = form("n1", "n2")
    cluster.add("n1", b"hits")
    host = cluster.add_host("n9", seeds=[address("n1")])
    host.name = "n2"
    cluster.start("n9")
    cluster.run(1)
    ((code, text),) = host.exits
    assert code == 4
    assert "the name 'n2' belongs to" in text
    assert address("n2") in text
    agree(cluster)
    assert len(cluster.node("n1").roster) == 2


def test_a_foreign_cluster_is_refused_before_anything_is_merged() -> None:
    cluster = form("n1", "n2")
    host = cluster.add_host("n9", seeds=[address("n1")])
    host.cluster = "other"
    cluster.start("n9")
    cluster.run(1)
    ((code, text),) = host.exits
    assert code == 4
    assert "this is cluster 'local', you are in 'other'" in text
    agree(cluster)
    assert len(cluster.node("n1").roster) == 2
    assert host.disk.recover(cluster.process("n1").column, 16).roster.get(host.node) is not None


def test_foreign_clusters_that_name_each_other_stay_apart() -> None:
    cluster = Cluster(1)
    for name, of in (("n1", "one"), ("n2", "two")):
        cluster.add_host(name).cluster = of
        cluster.start(name)
        cluster.run(0.1)
        cluster.add(name, b"hits", 3)
    cluster.process("n1").join([address("n2")])
    cluster.process("n2").join([address("n1")])
    cluster.run(30)
    assert values(cluster, b"hits") == {"n1": 3, "n2": 3}
    assert cluster.tally["hello refused: wrong_cluster"] > 0


def test_of_two_newcomers_with_one_name_one_stays() -> None:
    for seed in range(8):
        cluster = Cluster(seed)
        for host in ("a", "b"):
            cluster.add_host(host, seeds=[address("a"), address("b")]).name = "twin"
            cluster.start(host)
        cluster.run(10)
        (winner,) = cluster.running
        ((code, _),) = [end for host in cluster.hosts.values() for end in host.exits]
        assert code == 4
        assert winner.node.config.node == min(host.node for host in cluster.hosts.values())


def test_an_older_life_that_starts_beside_the_present_one_is_refused() -> None:
    """An old backup is started elsewhere, by a clock that is behind, while its node runs."""
    cluster = form("n1", "n2")
    backup = cluster.hosts["n1"].disk.content.copy()
    cluster.kill("n1")
    cluster.run(5)
    cluster.start("n1")
    cluster.add("n1", b"hits")
    cluster.run(1)
    clone = cluster.add_host("copy", node=cluster.hosts["n1"].node)
    clone.disk.replace(backup)
    clone.skew_ms = -100_000
    cluster.start("copy")
    cluster.run(5)
    ((code, text),) = clone.exits
    assert code == 4
    assert "another process with this node's id runs at n1:7700" in text
    agree(cluster)


def test_a_consistent_read_counts_a_newcomer_in_as_soon_as_it_counts() -> None:
    cluster = form("n1", "n2", "n3")
    join(cluster, "n4", "n3")
    while not cluster.add("n4", b"hits", 1):
        cluster.run(0.01)
    cluster.run(0.01)
    ended = read(cluster, "n1")
    cluster.run(6)
    assert ended == [()]
    assert cluster.value("n1", b"hits") == 1
