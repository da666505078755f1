"""Columns of processes that have ended: who learns what of them, however late."""

from __future__ import annotations

from stories import address, agree, form, join, values

from gcounterd.counters.settled import Closing
from gcounterd.ids import ColumnId
from gcounterd.sim.cluster import Cluster


def form_writing(*names: str) -> Cluster:
    """Return a cluster whose hosts write checkpoints all the time, so that columns go cold."""
    cluster = Cluster(1)
    for name in names:
        host = cluster.add_host(name, seeds=[address(other) for other in names])
        host.rows_per_checkpoint = 1
        cluster.start(name)
    cluster.settle(30)
    return cluster


def cool(cluster: Cluster, column: ColumnId, *names: str) -> None:
    """Run until a closed column is on disk only, at these nodes."""
    for number in range(10):
        for name in names:
            cluster.add(name, b"other%d" % number)
        cluster.run(1)
    assert all(cluster.node(name).counters.is_cold(column) for name in names)


def test_a_newcomer_gets_every_closed_column_from_the_disks_of_others() -> None:
    cluster = form_writing("n1", "n2")
    cluster.add("n1", b"hits", 5)
    cluster.run(0.5)
    ended = cluster.process("n1").column
    cluster.kill("n1")
    cluster.start("n1")
    cool(cluster, ended, "n1", "n2")
    join(cluster, "n3", "n1", "n2")
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 5, "n2": 5, "n3": 5}


def test_what_a_cut_off_node_alone_holds_of_a_closed_column_counts_once_everywhere() -> None:
    cluster = form_writing("n1", "n2", "n3")
    cluster.add("n1", b"hits", 1)
    cluster.run(0.5)
    backup = cluster.hosts["n1"].disk.content.copy()
    cluster.split(["n1", "n3"], ["n2"])
    cluster.add("n1", b"hits", 10)
    cluster.run(0.5)
    cluster.network.heal()
    cluster.split(["n1", "n2"], ["n3"])
    ended = cluster.process("n1").column
    cluster.kill("n1")
    cluster.roll_back("n1", backup)
    cluster.start("n1")
    cool(cluster, ended, "n1", "n2")
    assert values(cluster, b"hits") == {"n1": 1, "n2": 1, "n3": 11}
    cluster.network.heal()
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 11, "n2": 11, "n3": 11}
    assert cluster.tally["cold column raised"] > 0


def test_late_counts_of_a_closed_column_outlive_a_power_cut() -> None:
    cluster = form("n1", "n2", "n3")
    backup = cluster.hosts["n1"].disk.content.copy()
    cluster.split(["n1", "n3"], ["n2"])
    cluster.add("n1", b"hits", 10)
    cluster.run(0.5)
    late = cluster.process("n1").column
    cluster.network.heal()
    cluster.split(["n1", "n2"], ["n3"])
    cluster.kill("n1")
    cluster.roll_back("n1", backup)
    cluster.start("n1")
    # The closing lies in the journal before anything of the column does.
    cluster.node("n2").intake.take_closings((Closing(late),))
    cluster.add("n2", b"other", 1)
    cluster.run(10)
    assert cluster.node("n2").counters.is_closed(late)
    assert cluster.node("n2").counters.head(late) == 0
    cluster.network.heal()
    agree(cluster)
    cluster.kill("n2", power=True)
    cluster.split(["n1", "n3"], ["n2"])
    cluster.start("n2")
    assert cluster.value("n2", b"hits") == 10


def test_a_node_whose_running_column_is_closed_goes_on_in_a_new_one_and_loses_nothing() -> None:
    cluster = form("n1", "n2")
    cluster.add("n1", b"hits", 1)
    cluster.run(0.5)
    before = cluster.process("n1").column
    cluster.hosts["n1"].disk.pace.append_s = 0.2  # it takes a while to draw a new epoch
    # Somebody believes that this process has ended; what is added meanwhile waits.
    cluster.node("n2").intake.take_closings((Closing(before),))
    cluster.add("n2", b"other", 1)
    for _ in range(100):
        cluster.add("n1", b"hits", 1)
        cluster.run(0.05)
    agree(cluster)
    assert cluster.process("n1").column > before
    assert cluster.node("n1").counters.is_closed(before)
    assert values(cluster, b"hits") == {"n1": 101, "n2": 101}


def test_only_the_process_that_wrote_a_column_calls_it_final() -> None:
    cluster = form("n1", "n2")
    backup = cluster.hosts["n1"].disk.content.copy()
    cluster.add("n1", b"hits", 5)
    cluster.run(0.5)
    ended = cluster.process("n1").column
    cluster.kill("n1")
    cluster.roll_back("n1", backup)
    cluster.start("n1")  # its disk knows less of that column than its peer
    agree(cluster)
    lines = [process.node.counters.settled.get(ended) for process in cluster.running]
    assert [line.final for line in lines if line is not None] == [0, 0]


def test_a_newcomer_does_not_take_a_final_version_for_what_it_holds() -> None:
    cluster = form("n1", "n2")
    cluster.add("n1", b"hits", 5)
    cluster.run(0.5)
    cluster.node("n1").settlement.closings.finish()
    cluster.run(1)
    cluster.stop("n1")
    join(cluster, "n3", "n2")
    cluster.run(10)
    assert values(cluster, b"hits") == {"n2": 5, "n3": 5}
    cluster.start("n1")
    agree(cluster)
    assert values(cluster, b"hits") == {"n1": 5, "n2": 5, "n3": 5}
