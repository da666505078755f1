"""Disks that are old, empty or copied: what they lack comes back, and nothing counts twice."""

from __future__ import annotations

from closings import COOLED_S, closed_at, cold_at, form, open_columns, restart, versions
from stories import agree, values

from gcounterd.node.giving_way import EXIT_TWIN
from gcounterd.sim.disk import Content

NAMES = ("n1", "n2", "n3")


def test_after_a_restart_from_a_stale_backup_the_column_of_before_is_levelled_and_closed() -> None:
    """Reliability 33."""
    cluster = form(*NAMES)
    cluster.add("n1", b"hits", 1)
    cluster.run(0.5)
    column = cluster.process("n1").column
    backup = cluster.hosts["n1"].disk.content.copy()
    cluster.add("n1", b"hits", 10)
    cluster.run(0.5)
    cluster.kill("n1")
    cluster.roll_back("n1", backup)
    cluster.start("n1")
    cluster.add("n1", b"hits", 100)
    agree(cluster)
    assert versions(cluster, column) == dict.fromkeys(NAMES, 2)
    assert closed_at(cluster, column) == list(NAMES)
    assert values(cluster, b"hits") == dict.fromkeys(NAMES, 111)
    assert open_columns(cluster) == dict.fromkeys(NAMES, 1)
    assert cluster.tally["answered and lost with a disk"] == 0


def test_a_backup_that_is_put_back_again_and_again_leaves_one_open_column() -> None:
    cluster = form(*NAMES)
    cluster.add("n1", b"hits", 1)
    cluster.run(0.5)
    backup = cluster.hosts["n1"].disk.content.copy()
    for _ in range(10):
        assert cluster.add("n1", b"hits", 1)
        cluster.run(0.5)
        cluster.kill("n1")
        cluster.roll_back("n1", backup)
        cluster.start("n1")
        cluster.run(3.0)
    assert cluster.add("n1", b"hits", 1)
    agree(cluster)
    assert values(cluster, b"hits") == dict.fromkeys(NAMES, 12)
    assert open_columns(cluster) == dict.fromkeys(NAMES, 1)


def test_a_disk_put_back_from_before_a_closing_learns_that_it_is_closed() -> None:
    cluster = form(*NAMES)
    cluster.add("n2", b"hits", 1)
    cluster.run(0.5)
    column = cluster.process("n2").column
    backup = cluster.hosts["n1"].disk.content.copy()
    restart(cluster, "n2")
    cluster.run(COOLED_S)
    cluster.kill("n1")
    cluster.roll_back("n1", backup)
    cluster.start("n1")
    agree(cluster)
    assert closed_at(cluster, column) == list(NAMES)
    assert values(cluster, b"hits") == dict.fromkeys(NAMES, 1)


def test_after_a_wipe_all_that_was_counted_comes_back_closed() -> None:
    """Reliability 30: the same node on an empty disk takes its own columns from its peers."""
    cluster = form(*NAMES)
    lives = []
    for _ in range(3):
        cluster.add("n1", b"hits", 1)
        cluster.run(0.5)
        lives.append(cluster.process("n1").column)
        restart(cluster, "n1")
        cluster.run(COOLED_S)
    cluster.add("n1", b"hits", 10)
    cluster.run(0.5)
    lives.append(cluster.process("n1").column)
    cluster.kill("n1")
    cluster.roll_back("n1", Content())
    cluster.start("n1")
    agree(cluster)
    assert values(cluster, b"hits") == dict.fromkeys(NAMES, 13)
    assert all(closed_at(cluster, column) == list(NAMES) for column in lives)
    assert open_columns(cluster) == dict.fromkeys(NAMES, 0)


def test_of_a_cloned_disk_both_processes_count_and_the_one_that_ends_is_closed() -> None:
    """Reliability 32."""
    cluster = form(*NAMES)
    cluster.add("n1", b"hits", 1)
    cluster.run(0.5)
    cluster.split(["n1"], ["n2", "n3"])
    cluster.clone("n1", "n1c")
    cluster.network.block("n1", "n1c")
    cluster.network.block("n1c", "n1")
    cluster.start("n1c")
    cluster.run(10)
    assert cluster.add("n1", b"hits", 10)
    assert cluster.add("n1c", b"hits", 100)
    cluster.run(1)
    columns = [cluster.process("n1").column, cluster.process("n1c").column]
    cluster.network.heal()
    cluster.settle(60)
    (stays,) = [process for process in cluster.running if process.host in ("n1", "n1c")]
    assert cluster.tally["twin ended"] == 1
    names = ["n2", "n3", stays.host]
    assert all(value == 111 for value in values(cluster, b"hits").values())
    (ended,) = [column for column in columns if column != stays.column]
    assert sorted(closed_at(cluster, ended)) == sorted(names)
    cluster.check_everything()


def test_a_twin_hands_over_a_column_that_lies_on_its_disk_only() -> None:
    """It may be nowhere else, and the process that ends has long let go of it in memory."""
    cluster = form(*NAMES)
    cluster.clone("n1", "n1c")
    cluster.split(["n1", "n1c"], ["n2", "n3"])
    cluster.network.block("n1", "n1c")
    cluster.network.block("n1c", "n1")
    cluster.add("n1", b"hits", 5)
    cluster.run(0.5)
    column = cluster.process("n1").column
    restart(cluster, "n1")
    cluster.run(COOLED_S)
    cluster.add("n1", b"hits", 1)
    cluster.run(COOLED_S)
    assert cold_at(cluster, column) == ["n1"]
    cluster.start("n1c")
    for name in ("n2", "n3"):
        cluster.network.unblock("n1c", name)
        cluster.network.unblock(name, "n1c")
    cluster.run(20)
    cluster.network.heal()
    cluster.settle(60)
    assert [code for code, _ in cluster.hosts["n1"].exits] == [EXIT_TWIN]
    assert set(versions(cluster, column).values()) == {1}
    assert set(values(cluster, b"hits").values()) == {6}
    cluster.check_everything()
