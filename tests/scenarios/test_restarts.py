"""Processes that end and come back, with the disks that they find."""

from __future__ import annotations

from stories import address, agree, form, read, values

from gcounterd.ids import epoch_of
from gcounterd.sim.cluster import Cluster

HOUR_MS = 3_600_000


def test_a_killed_node_comes_back_and_nothing_is_lost() -> None:
    cluster = form("n1", "n2", "n3")
    cluster.add("n2", b"hits", 5)
    cluster.run(0.1)
    cluster.kill("n2")
    cluster.add("n1", b"hits", 1)
    cluster.run(5)
    assert values(cluster, b"hits") == {"n1": 6, "n3": 6}
    cluster.start("n2")
    cluster.add("n2", b"hits", 2)
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 8, "n2": 8, "n3": 8}
    assert len(cluster.node("n1").counters.columns) == 3  # n1's, and two lives of n2


def test_what_was_answered_and_not_yet_sent_survives_a_power_cut() -> None:
    cluster = form("n1", "n2")
    cluster.split(["n1"], ["n2"])
    cluster.add("n1", b"hits", 7)
    cluster.run(0.1)
    cluster.kill("n1", power=True)
    cluster.network.heal()
    cluster.run(10)
    assert cluster.value("n2", b"hits") == 0
    cluster.start("n1")
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 7, "n2": 7}


def test_a_whole_cluster_without_power_comes_back_as_it_was() -> None:
    cluster = form("n1", "n2", "n3")
    for name in ("n1", "n2", "n3"):
        cluster.add(name, b"hits", 3)
    cluster.run(0.1)
    for name in ("n1", "n2", "n3"):
        cluster.kill(name, power=True)
    for name in ("n1", "n2", "n3"):
        cluster.start(name)
        assert cluster.value(name, b"hits") >= 3
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 9, "n2": 9, "n3": 9}


def test_a_crash_loop_leaves_no_column_behind() -> None:
    cluster = form("n1", "n2")
    cluster.add("n1", b"hits")
    cluster.run(1)
    for _ in range(100):
        cluster.kill("n2")
        cluster.start("n2")
        cluster.run(0.02)
    agree(cluster)
    assert len(cluster.node("n1").counters.columns) == 1


def test_a_stale_disk_levels_up_and_counts_on() -> None:
    cluster = form("n1", "n2", "n3")
    cluster.add("n1", b"hits", 2)
    cluster.run(0.5)
    backup = cluster.hosts["n1"].disk.content.copy()
    cluster.add("n1", b"hits", 3)
    cluster.add("n1", b"later", 1)
    cluster.run(0.5)
    cluster.kill("n1")
    cluster.roll_back("n1", backup)
    cluster.start("n1")
    assert cluster.value("n1", b"hits") == 2
    cluster.add("n1", b"hits", 10)
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 15, "n2": 15, "n3": 15}
    assert values(cluster, b"later") == {"n1": 1, "n2": 1, "n3": 1}
    assert cluster.tally["answered and lost with a disk"] == 0


def test_only_what_no_other_disk_has_is_lost_with_a_restored_one() -> None:
    cluster = form("n1", "n2")
    backup = cluster.hosts["n1"].disk.content.copy()
    cluster.split(["n1"], ["n2"])
    cluster.add("n1", b"hits", 3)
    cluster.run(0.1)
    cluster.kill("n1")
    cluster.roll_back("n1", backup)
    cluster.network.heal()
    cluster.start("n1")
    cluster.add("n1", b"hits", 1)
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 1, "n2": 1}


def test_a_clock_behind_its_own_last_life_draws_a_higher_epoch() -> None:
    cluster = form("n1", "n2")
    cluster.add("n1", b"hits", 2)
    cluster.run(0.5)
    before = epoch_of(cluster.process("n1").column)
    cluster.kill("n1")
    cluster.hosts["n1"].skew_ms = -HOUR_MS
    cluster.start("n1")
    assert epoch_of(cluster.process("n1").column) > before
    cluster.add("n1", b"hits", 2)
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 4, "n2": 4}


def test_a_full_disk_refuses_for_certain_while_reads_go_on_and_recovers() -> None:
    cluster = form("n1", "n2")
    cluster.add("n1", b"hits", 5)
    cluster.run(0.5)
    cluster.hosts["n1"].disk.pace.full = True
    cluster.add("n1", b"hits", 100)
    cluster.run(0.5)
    assert cluster.tally["commit refused"] > 0
    assert cluster.value("n1", b"hits") == 5
    cluster.add("n2", b"hits", 1)
    cluster.run(0.5)
    assert values(cluster, b"hits") == {"n1": 5, "n2": 6}
    cluster.hosts["n1"].disk.pace.full = False
    cluster.add("n1", b"hits", 7)
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 13, "n2": 13}


def test_a_failing_disk_ends_the_process_and_nothing_answered_is_lost() -> None:
    cluster = form("n1", "n2")
    cluster.add("n1", b"hits", 5)
    cluster.run(0.1)
    cluster.hosts["n1"].disk.pace.failing = True
    cluster.add("n1", b"hits", 1)  # never answered: it may have been counted or not
    cluster.run(0.1)
    assert [code for code, _ in cluster.hosts["n1"].exits] == [3]
    cluster.start("n1")
    agree(cluster)
    assert cluster.value("n1", b"hits") in (5, 6)
    assert cluster.value("n2", b"hits") == cluster.value("n1", b"hits")


def test_a_crash_in_the_middle_of_a_checkpoint_changes_nothing() -> None:
    cluster = Cluster(3)
    host = cluster.add_host("n1")
    host.rows_per_checkpoint = 5
    host.disk.pace.append_s = 0.002
    cluster.start("n1")
    for number in range(120):
        cluster.add("n1", b"key%d" % (number % 40), number + 1)
        cluster.run(0.0007)
        if number % 9 == 8:
            cluster.kill("n1")
            cluster.start("n1")
            cluster.run(0.003)
    agree(cluster)
    assert cluster.tally["checkpoint torn"] > 0


def test_a_paused_node_is_let_go_and_taken_back() -> None:
    cluster = form("n1", "n2", "n3")
    process = cluster.process("n2")
    process.pause()
    cluster.add("n1", b"hits", 4)
    missed = read(cluster, "n1", seconds=2)
    cluster.run(10)
    assert missed == [("n2",)]
    assert not cluster.node("n1").peers.of(cluster.node("n2").config.node)
    process.resume()
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 4, "n2": 4, "n3": 4}


def test_an_operator_who_names_no_seed_after_a_restart_still_has_the_cluster() -> None:
    cluster = form("n1", "n2")
    cluster.kill("n2")
    cluster.hosts["n2"].seeds = ()
    cluster.start("n2")
    cluster.add("n2", b"hits", 1)
    agree(cluster)
    assert address("n1") in [entry.address for entry in cluster.node("n2").roster]
