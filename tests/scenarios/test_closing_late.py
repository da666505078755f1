"""Increments of a closed column that come late: taken in exactly once, from wherever they come."""

from __future__ import annotations

from closings import COOLED_S, closed_at, cold_at, form, lines, restart, versions
from stories import agree, join, values

from gcounterd.ids import ColumnId
from gcounterd.sim.cluster import Cluster

NAMES = ("n1", "n2", "n3")


def test_a_peer_that_was_away_while_a_column_closed_closes_it_when_it_is_back() -> None:
    cluster = form(*NAMES)
    cluster.add("n2", b"hits", 5)
    cluster.run(0.5)
    column = cluster.process("n2").column
    cluster.split(["n3"], ["n1", "n2"])
    restart(cluster, "n2")
    cluster.add("n2", b"hits", 1)
    cluster.run(30)
    assert closed_at(cluster, column) == ["n1", "n2"]
    assert cluster.value("n3", b"hits") == 5
    cluster.network.heal()
    agree(cluster)
    assert closed_at(cluster, column) == list(NAMES)
    assert values(cluster, b"hits") == dict.fromkeys(NAMES, 6)


def test_what_was_counted_where_nobody_heard_it_comes_with_a_column_that_is_closed() -> None:
    """H4: nothing that was counted by a node that was cut off is stripped."""
    cluster = form(*NAMES)
    cluster.add("n2", b"hits", 1)
    cluster.run(0.5)
    column = cluster.process("n2").column
    cluster.split(["n2"], ["n1", "n3"])
    cluster.add("n2", b"hits", 10)
    cluster.run(1)
    restart(cluster, "n2")
    cluster.run(1)
    assert versions(cluster, column) == {"n1": 1, "n2": 2, "n3": 1}
    cluster.network.heal()
    agree(cluster)
    assert versions(cluster, column) == dict.fromkeys(NAMES, 2)
    assert values(cluster, b"hits") == dict.fromkeys(NAMES, 11)


def rolled_back(*names: str) -> tuple[Cluster, ColumnId]:
    """Return a cluster whose n1 came back from an old disk, so that its column of before is closed

    at the version of that disk everywhere but at `names`, which hold ever more of it and are away.
    """
    members = ("n1", "n2", *names)
    cluster = form(*members)
    cluster.add("n1", b"hits", 1)
    cluster.run(0.5)
    column = cluster.process("n1").column
    backup = cluster.hosts["n1"].disk.content.copy()
    cluster.split(["n2"], ["n1", *names])
    for number, name in enumerate(names, 1):
        cluster.add("n1", b"hits", 10**number)
        cluster.add("n1", b"new/%d" % number, 1)
        cluster.run(1.0)
        cluster.split([name], [other for other in members if other != name])
    cluster.kill("n1")
    cluster.roll_back("n1", backup)
    for name in ("n1", "n2"):
        cluster.network.unblock(name, "n1" if name == "n2" else "n2")
    cluster.start("n1")
    cluster.run(COOLED_S)
    cluster.add("n1", b"hits", 1)
    cluster.run(COOLED_S)
    return cluster, column


def test_late_increments_of_a_cold_column_are_taken_in_exactly_once() -> None:
    """H3 and H5: however late they come, and whatever is on disk already."""
    cluster, column = rolled_back("n3")
    assert cold_at(cluster, column) == ["n1", "n2"]
    assert versions(cluster, column) == {"n1": 1, "n2": 1, "n3": 3}
    assert cluster.value("n2", b"hits") == 2
    cluster.run(3600)
    cluster.network.heal()
    agree(cluster)
    assert versions(cluster, column) == dict.fromkeys(NAMES, 3)
    assert values(cluster, b"hits") == dict.fromkeys(NAMES, 12)
    assert cluster.tally["cold column raised"] >= 2
    assert cluster.tally["answered and lost with a disk"] == 0
    for name in NAMES:
        restart(cluster, name)
    agree(cluster)
    assert values(cluster, b"hits") == dict.fromkeys(NAMES, 12)


def test_late_increments_come_in_any_order_from_members_that_hold_more_and_less() -> None:
    cluster, column = rolled_back("n3", "n4", "n5")
    everyone = ["n1", "n2", "n3", "n4", "n5"]
    held = versions(cluster, column)
    assert held == {"n1": 1, "n2": 1, "n3": 3, "n4": 5, "n5": 7}
    for name in ("n4", "n3", "n5"):
        for other in ("n1", "n2"):
            cluster.network.unblock(name, other)
            cluster.network.unblock(other, name)
        cluster.run(20)
    cluster.network.heal()
    agree(cluster)
    assert versions(cluster, column) == dict.fromkeys(everyone, 7)
    assert values(cluster, b"hits") == dict.fromkeys(everyone, 1112)
    assert values(cluster, b"new/3") == dict.fromkeys(everyone, 1)


def test_late_increments_that_come_while_everyone_crashes_count_once() -> None:
    cluster, column = rolled_back("n3")
    cluster.network.heal()
    for step in range(30):
        cluster.run(0.01 * step)
        restart(cluster, NAMES[step % 3], power=step % 2 == 1)
    agree(cluster)
    assert versions(cluster, column) == dict.fromkeys(NAMES, 3)
    assert values(cluster, b"hits") == dict.fromkeys(NAMES, 12)


def test_a_line_that_outruns_its_content_moves_no_number() -> None:
    """H1: that a column is closed may be learnt long before what was counted in it."""
    cluster = form(*NAMES)
    cluster.add("n2", b"hits", 1)
    cluster.run(0.5)
    column = cluster.process("n2").column
    cluster.split(["n3"], ["n1", "n2"])
    for number in range(2000):
        cluster.add("n2", b"new/%d" % number, 1)
    cluster.add("n2", b"hits", 10)
    cluster.run(1)
    restart(cluster, "n2")
    cluster.run(COOLED_S)
    cluster.network.heal()
    for other in ("n1", "n2"):
        cluster.network.thin(other, "n3", 3_000.0)
    outrun = 0
    for _ in range(200):
        cluster.run(0.1)
        line = lines(cluster, column)["n3"]
        outrun += line is not None and line.version == 1
        assert cluster.value("n3", b"hits") in (1, 11)
    assert outrun
    for other in ("n1", "n2"):
        cluster.network.thin(other, "n3", None)
    agree(cluster)
    assert values(cluster, b"hits") == dict.fromkeys(NAMES, 11)


def test_a_newcomer_takes_closed_columns_as_columns() -> None:
    cluster = form("n1", "n2", checkpoint=1)  # else the last row may wait for another
    lives = []
    for _ in range(5):
        cluster.add("n2", b"hits", 1)
        cluster.run(0.5)
        lives.append(cluster.process("n2").column)
        restart(cluster, "n2")
        cluster.run(COOLED_S)
    assert all(cold_at(cluster, column) == ["n1", "n2"] for column in lives)
    join(cluster, "n3", "n1", "n2")
    cluster.hosts["n3"].rows_per_checkpoint = 2
    agree(cluster)
    assert cluster.tally["cold column read"] >= len(lives)
    assert all(versions(cluster, column)["n3"] == 1 for column in lives)
    assert list(cluster.node("n3").counters.settled) == lives
    assert values(cluster, b"hits") == dict.fromkeys(NAMES, 5)
    restart(cluster, "n3")  # with a disk that is written to often
    cluster.run(COOLED_S)
    assert all(cold_at(cluster, column) == list(NAMES) for column in lives)


def test_a_newcomer_is_not_ready_before_it_has_what_is_closed() -> None:
    cluster = form("n1", "n2")
    cluster.add("n2", b"hits", 5)
    cluster.run(0.5)
    restart(cluster, "n2")
    cluster.run(COOLED_S)
    join(cluster, "n3", "n1", "n2")
    for _ in range(3000):
        cluster.run(0.001)
        if not cluster.node("n3").joining.reasons():
            break
        assert cluster.value("n3", b"hits") in (0, 5)
    assert cluster.node("n3").joining.reasons() == []
    assert cluster.value("n3", b"hits") == 5
