"""Restarts: the next process closes what the one before has left, and asks nobody."""

from __future__ import annotations

from closings import (
    COOLED_S,
    closed_at,
    cold_at,
    form,
    lines,
    open_columns,
    restart,
    versions,
)
from stories import agree, read, values

from gcounterd.ids import epoch_of
from gcounterd.sim.process import STOP_S_MAX

HOUR_MS = 3_600_000
NAMES = ("n1", "n2", "n3")


def test_all_members_have_closed_the_column_a_second_after_the_restart() -> None:
    cluster = form(*NAMES)
    cluster.add("n2", b"hits", 5)
    cluster.run(0.5)
    column = cluster.process("n2").column
    restart(cluster, "n2")
    cluster.run(1.0)
    assert closed_at(cluster, column) == list(NAMES)
    assert versions(cluster, column) == dict.fromkeys(NAMES, 1)
    assert open_columns(cluster) == dict.fromkeys(NAMES, 0)
    assert values(cluster, b"hits") == dict.fromkeys(NAMES, 5)


def test_a_node_closes_its_columns_also_where_nobody_answers() -> None:
    cluster = form("n1", "n2")
    cluster.add("n2", b"hits", 5)
    cluster.run(0.5)
    column = cluster.process("n2").column
    cluster.split(["n1"], ["n2"])
    restart(cluster, "n2")
    cluster.add("n2", b"hits", 1)
    cluster.run(1.0)
    assert closed_at(cluster, column) == ["n2"]
    assert cluster.value("n2", b"hits") == 6
    cluster.network.heal()
    agree(cluster)
    assert closed_at(cluster, column) == ["n1", "n2"]


def test_a_crash_loop_of_a_hundred_lives_ends_with_one_open_column_everywhere() -> None:
    """Reliability 15: also with an increment in each life, the number of open columns stays."""
    cluster = form("n1", "n2")
    cluster.add("n1", b"hits", 1)
    for _ in range(100):
        cluster.add("n2", b"hits", 1)
        cluster.run(0.02)
        restart(cluster, "n2")
    cluster.add("n2", b"hits", 1)
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 102, "n2": 102}
    assert open_columns(cluster) == {"n1": 2, "n2": 2}  # one of each node
    cluster.run(COOLED_S)
    for name in ("n1", "n2"):
        assert len(cluster.node(name).counters.columns) == 2  # nothing else is in memory
        assert len(cluster.node(name).counters.settled) == 100


def test_a_loop_that_crashes_while_it_starts_loses_nothing_and_leaves_nothing() -> None:
    """Reliability 15: killed before the closing is on disk, and at every moment until it is."""
    cluster = form("n1", "n2")
    cluster.hosts["n2"].disk.pace.append_s = 0.002
    cluster.add("n2", b"hits", 7)
    cluster.run(0.5)
    column = cluster.process("n2").column
    for step in range(40):
        cluster.kill("n2", power=step % 2 == 1)
        cluster.start("n2")
        cluster.run(0.0002 * step)
        assert cluster.value("n2", b"hits") == 7
    agree(cluster)
    assert closed_at(cluster, column) == ["n1", "n2"]
    assert open_columns(cluster) == {"n1": 0, "n2": 0}
    assert values(cluster, b"hits") == {"n1": 7, "n2": 7}


def test_after_a_power_cut_of_all_every_column_of_before_is_closed() -> None:
    """Reliability 16."""
    cluster = form(*NAMES)
    for name in NAMES:
        cluster.add(name, b"hits", 3)
    cluster.run(0.5)
    columns = [cluster.process(name).column for name in NAMES]
    for name in NAMES:
        cluster.kill(name, power=True)
    for name in NAMES:
        cluster.start(name)
    agree(cluster)
    assert all(closed_at(cluster, column) == list(NAMES) for column in columns)
    assert values(cluster, b"hits") == dict.fromkeys(NAMES, 9)


def test_a_clean_stop_leaves_a_final_version_and_a_kill_does_not() -> None:
    cluster = form(*NAMES)
    cluster.add("n2", b"hits", 5)
    cluster.add("n3", b"hits", 2)
    cluster.run(0.5)
    stopped, killed = cluster.process("n2").column, cluster.process("n3").column
    cluster.stop("n2")
    restart(cluster, "n3")
    cluster.run(1.0)
    left = lines(cluster, stopped)
    assert [line.final for line in left.values() if line] == [1, 1]
    assert [line.final for line in lines(cluster, killed).values() if line] == [0, 0]
    cluster.start("n2")
    agree(cluster)
    assert values(cluster, b"hits") == dict.fromkeys(NAMES, 7)


def test_what_waits_when_a_node_is_told_to_stop_is_counted_and_what_comes_then_is_refused() -> None:
    cluster = form("n1", "n2")
    assert cluster.add("n2", b"hits", 5)
    cluster.process("n2").stop()
    assert not cluster.add("n2", b"hits", 1)
    cluster.run(1.0)
    assert [code for code, _ in cluster.hosts["n2"].exits] == [0]
    cluster.start("n2")
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 5, "n2": 5}


def test_a_stop_on_a_full_disk_ends_all_the_same_and_claims_nothing() -> None:
    cluster = form("n1", "n2")
    cluster.add("n2", b"hits", 5)
    cluster.run(0.5)
    column = cluster.process("n2").column
    cluster.hosts["n2"].disk.pace.full = True
    cluster.process("n2").stop()
    cluster.run(STOP_S_MAX + 1)
    assert [code for code, _ in cluster.hosts["n2"].exits] == [0]
    assert closed_at(cluster, column) == []
    cluster.hosts["n2"].disk.pace.full = False
    cluster.start("n2")
    agree(cluster)
    assert [line.final for line in lines(cluster, column).values() if line] == [0, 0]
    assert values(cluster, b"hits") == {"n1": 5, "n2": 5}


def test_restarts_of_all_nodes_one_after_the_other_leave_one_column_each() -> None:
    cluster = form(*NAMES)
    for turn in range(3):
        for name in NAMES:
            cluster.add(name, b"hits", 1)
            cluster.run(0.2)
            cluster.stop(name)
            cluster.run(0.5)
            cluster.start(name)
            cluster.run(1.5)
        assert values(cluster, b"hits") == dict.fromkeys(NAMES, 3 * (turn + 1))
    agree(cluster)
    assert open_columns(cluster) == dict.fromkeys(NAMES, 0)


def test_a_clock_an_hour_behind_closes_what_was_counted_in_the_hours_future() -> None:
    """Reliability 21, H7: an epoch is above the last one, whatever the clock says."""
    cluster = form("n1", "n2")
    cluster.add("n2", b"hits", 2)
    cluster.run(0.5)
    column = cluster.process("n2").column
    cluster.kill("n2")
    cluster.hosts["n2"].skew_ms = -HOUR_MS
    cluster.start("n2")
    cluster.add("n2", b"hits", 1)
    agree(cluster)
    assert closed_at(cluster, column) == ["n1", "n2"]
    assert epoch_of(cluster.process("n2").column) > epoch_of(column)
    assert values(cluster, b"hits") == {"n1": 3, "n2": 3}


def test_a_node_that_stood_still_for_long_goes_on_in_its_column() -> None:
    """Reliability 17 and 18: nobody closes what a silent member may still be writing."""
    cluster = form(*NAMES)
    cluster.add("n2", b"hits", 1)
    cluster.run(0.5)
    process = cluster.process("n2")
    column = process.column
    process.pause()
    cluster.run(60)
    process.resume()
    cluster.add("n2", b"hits", 1)
    agree(cluster)
    assert process.column == column
    assert closed_at(cluster, column) == []
    assert values(cluster, b"hits") == dict.fromkeys(NAMES, 2)


def test_a_consistent_read_is_exact_while_columns_are_being_closed() -> None:
    """H8: an answer covers a column in whichever way its giver holds it."""
    cluster = form(*NAMES)
    for number in range(12):
        cluster.add("n2", b"hits", 1)
        cluster.run(0.3)
        cluster.kill("n2")
        cluster.run(0.01 * number)
        cluster.start("n2")
        cluster.run(0.5)
        missed = read(cluster, "n1")
        cluster.run(0.2)
        assert missed == [()]
        assert cluster.value("n1", b"hits") == number + 1


def test_a_closed_column_goes_out_of_memory_and_is_counted_all_the_same() -> None:
    cluster = form("n1", "n2")
    cluster.add("n2", b"hits", 5)
    cluster.run(0.5)
    column = cluster.process("n2").column
    restart(cluster, "n2")
    cluster.add("n1", b"hits", 1)
    cluster.add("n2", b"hits", 1)
    cluster.run(COOLED_S)
    assert cold_at(cluster, column) == ["n1", "n2"]
    for name in ("n1", "n2"):
        restart(cluster, name)
        assert cluster.value(name, b"hits") == 7
    agree(cluster)
