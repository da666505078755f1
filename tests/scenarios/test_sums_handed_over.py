"""Sums of forgotten columns that somebody who goes has: taken, or kept in a file."""

from __future__ import annotations

from removals import finish, node_id, wait_exit, wait_removed
from stories import address, agree, form, join, read, values
from test_forgetting import LONG_S, count_and_restart, has_forgotten

from gcounterd.sim.cluster import Cluster


def test_a_node_alone_forgets_its_lives_and_a_newcomer_gets_their_sum() -> None:
    cluster = form("n1")
    columns = [count_and_restart(cluster, "n1", amount) for amount in (1, 20)]
    cluster.run(LONG_S)
    assert all(has_forgotten(cluster, "n1", column) for column in columns)
    join(cluster, "n2", "n1")
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 21, "n2": 21}
    assert all(has_forgotten(cluster, "n2", column) for column in columns)


def copied(*, before: int) -> Cluster:
    """Return n1, whose disk was copied when it had counted `before` in an ended life, apart."""
    cluster = form("n1")
    if before:
        count_and_restart(cluster, "n1", before)
    cluster.clone("n1", "copy").seeds = (address("n2"),)
    cluster.split(["n1", "n2"], ["copy", "m2"])
    cluster.start("copy")
    cluster.run(2)
    return cluster


def meet(cluster: Cluster) -> tuple[int, str]:
    """Let the copy meet n1 and n2; return how it ends."""
    cluster.network.heal()
    join(cluster, "n2", "n1")
    return wait_exit(cluster, "copy", 60.0)


def test_a_copy_that_gives_way_hands_over_what_it_has_forgotten_alone() -> None:
    cluster = copied(before=0)
    column = count_and_restart(cluster, "copy", 300)
    cluster.run(LONG_S)
    assert has_forgotten(cluster, "copy", column)
    code, text = meet(cluster)
    assert code == 4
    assert "refused" not in text
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 300, "n2": 300}
    assert not cluster.tally["sum refused"]


def test_a_copy_that_gives_way_hands_over_columns_of_others_too() -> None:
    """m2 was removed at the copy alone, and nobody else ever met it."""
    cluster = copied(before=0)
    join(cluster, "m2", "copy")
    cluster.run(10)
    assert cluster.add("m2", b"hits", 5000)
    cluster.run(2)
    cluster.remove("copy", "m2")
    assert wait_exit(cluster, "m2", 30.0)[0] == 0
    cluster.stop("n1")
    cluster.start("n1")  # of two that are established the later stays
    cluster.add("n1", b"hits", 1)
    cluster.run(5)
    assert meet(cluster)[0] == 4
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 5001, "n2": 5001}


def test_a_sum_that_cannot_be_joined_is_kept_in_a_file_and_said_before_the_copy_ends() -> None:
    cluster = copied(before=1)
    count_and_restart(cluster, "n1", 20)
    count_and_restart(cluster, "copy", 300)
    cluster.run(LONG_S)
    assert (cluster.value("n1", b"hits"), cluster.value("copy", b"hits")) == (21, 301)
    code, text = meet(cluster)
    assert code == 4
    assert "refused" in text
    assert cluster.tally["sum refused"] >= 1
    kept = [*cluster.process("n1").refused, *cluster.process("n2").refused]
    assert [(name, count) for _, name, count in kept][:1] == [(b"hits", 301)]
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 21, "n2": 21}


def test_halves_that_removed_each_other_hand_over_what_each_forgot_alone() -> None:
    cluster = form("n1", "n2")
    cluster.split(["n1", "n3"], ["n2"])
    cluster.run(20)
    cluster.remove("n1", "n2", dead=True, forced=True)
    cluster.remove("n2", "n1", dead=True, forced=True)
    cluster.run(10)
    columns = {name: count_and_restart(cluster, name, 10) for name in ("n1", "n2")}
    cluster.run(LONG_S)
    assert all(has_forgotten(cluster, name, column) for name, column in columns.items())
    join(cluster, "n3", "n1")
    cluster.run(10)
    cluster.network.heal()
    cluster.process("n3").join([address("n2")])
    assert wait_exit(cluster, "n2", 60.0)[0] == 5
    assert wait_exit(cluster, "n1", 60.0)[0] == 5
    agree(cluster)
    assert values(cluster, b"hits") == {"n3": 20}
    assert not cluster.tally["sum refused"]


def islands_that_forgot_otherwise() -> Cluster:
    """Return n2 and m2, which have forgotten overlapping lives of n1 and its copy, and meet."""
    cluster = copied(before=1)
    for name, at, amount in (("n2", "n1", 20), ("m2", "copy", 300)):
        cluster.add(at, b"hits", amount)
        join(cluster, name, at)
        cluster.run(10)
        cluster.remove(name, "n1")
        assert wait_exit(cluster, at, 30.0)[0] == 0
    cluster.run(2 * LONG_S)
    cluster.network.heal()
    cluster.process("n2").join([address("m2")])
    cluster.run(20)
    return cluster


def test_members_whose_sums_cannot_be_joined_refuse_each_other_and_show_both_maps() -> None:
    cluster = islands_that_forgot_otherwise()
    assert cluster.notices["residues_differ"]
    found = cluster.node("n2").settlement.conflicts.all()
    found += cluster.node("m2").settlement.conflicts.all()
    for conflict in found:
        assert conflict.node == node_id(cluster, "n1")
        assert set(conflict.ours) != set(conflict.theirs)
        assert set(conflict.ours) & set(conflict.theirs)
    assert found
    assert not cluster.links("n2")
    assert cluster.tally["hello refused: residues_differ"]
    assert values(cluster, b"hits") == {"n2": 21, "m2": 301}
    ended = read(cluster, "n2")
    cluster.run(6)
    assert ended == [("m2",)]  # never one of the two for the value


def test_removing_one_of_the_two_ends_it_and_its_sum_is_in_a_file() -> None:
    cluster = islands_that_forgot_otherwise()
    cluster.add("m2", b"hits", 4000)
    cluster.run(1)
    cluster.remove("n2", "m2", dead=True, forced=True)
    assert wait_exit(cluster, "m2", 60.0)[0] == 5
    wait_removed(cluster, "m2", seconds=60.0)
    finish(cluster, "m2")
    assert values(cluster, b"hits") == {"n2": 4021}
    assert (b"hits", 301) in [(name, n) for _, name, n in cluster.process("n2").refused]
    assert not cluster.node("n2").settlement.conflicts.all()
